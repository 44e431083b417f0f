"""Single pictures of recordings: of bags, videos and folders, each with its place and its name."""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
import os
from pathlib import Path
import re
from typing import NamedTuple

from .bag_metadata import is_no_picture
from .bag_reading import choose_connections, deserialize, open_bag, picture_in, read_messages
from .kinds import kind_of, list_images, local_source
from .video_reading import Video
from ..errors import ImageError, MediaError
from ..images.files import read_picture
from ..support.arrays import UInt8Array

Wanted = Callable[[str, int, float | None], str]
"""
Says by recording, number in it and time whether a picture is wanted: why, or '' for no.

Times are seconds and only grow; None where a recording has none.
"""


class Shot(NamedTuple):
    """
    A picture of a recording.

    :ivar recording: its name: of the file or folder, with the topic where there are several.
    :ivar number: place among all pictures of the recording, from 0.
    :ivar time: seconds since its beginning, None for files of a folder.
    :ivar name: for a file, without suffix: the recording and a number that grows with time.
    :ivar why: what was answered when it was asked for.
    :ivar image: uint8 H x W x 3, RGB; None where it cannot be read.
    :ivar problem: why not, '' otherwise.
    """

    recording: str
    number: int
    time: float | None
    name: str
    why: str
    image: UInt8Array | None
    problem: str = ''


def recording_names(sources: Sequence[str | os.PathLike[str]]) -> list[str]:
    """
    Return a name for each source that file names may hold, all different.

    :param sources: paths, globs.
    """
    names: list[str] = []
    for source in sources:
        path = Path(local_source(source)).expanduser()
        if kind_of(source) == 'images' and not path.is_dir():
            path = list_images(source)[0]
        path = path.resolve()
        name = _for_a_file_name(path.name if path.is_dir() else path.stem) or 'recording'
        taken = sum(other == name or other.startswith(f'{name}-copy') for other in names)
        names.append(f'{name}-copy{taken}' if taken else name)
    return names


def read_shots(source: str | os.PathLike[str], name: str, wanted: Wanted, *,
               topics: Sequence[str] = (), report: Callable[[str], object] = print
               ) -> Iterator[Shot]:
    """
    Yield the wanted pictures of a source, in order; only those are decoded, but of a video.

    :param source: a bag, a video, an image, a folder or a glob.
    :param name: of :func:`recording_names`.
    :param wanted: see :data:`Wanted`.
    :param topics: of a bag; by default all that hold pictures of cameras.
    :param report: called with a line when a recording breaks off before its end.
    :raises MediaError: when it cannot be read at all, or is a camera.
    """
    kind = kind_of(source)
    if kind == 'device':
        raise MediaError(f'{source} is a camera: record it first, or save its pictures')
    if topics and kind != 'bag':
        raise MediaError(f'--topic is for bags, {source} is none')
    if kind == 'bag':
        yield from _of_bag(Path(local_source(source)), name, wanted, topics, report)
    elif kind == 'video':
        yield from _of_video(source, name, wanted, report)
    else:
        yield from _of_files(source, name, wanted, kind)


def _of_bag(source: Path, name: str, wanted: Wanted, topics: Sequence[str],
            report: Callable[[str], object]) -> Iterator[Shot]:
    if find_spec('rosbags') is None:
        raise MediaError("bags need the Python package 'rosbags': pip install rosbags")
    from rosbags.typesys import get_typestore, Stores
    types = get_typestore(Stores.LATEST)
    with open_bag(source) as reader:
        chosen = choose_connections(reader.connections, topics, source)
        if not topics:
            chosen = {topic: group for topic, group in chosen.items()
                      if not is_no_picture(topic)} or chosen
        names = {topic: f'{name}_{_for_a_file_name(topic)}' if len(chosen) > 1 else name
                 for topic in chosen}
        counts = dict.fromkeys(chosen, 0)
        begin = None
        messages = read_messages(
            reader, [connection for group in chosen.values() for connection in group], source)
        while True:
            try:
                connection, time, data = next(messages)
            except StopIteration:
                return
            except MediaError as error:  # what was read until here is good
                report(str(error))
                return
            begin = time if begin is None else begin
            recording, number = names[connection.topic], counts[connection.topic]
            counts[connection.topic] += 1
            seconds = (time - begin) / 1e9
            why = wanted(recording, number, seconds)
            if not why:
                continue
            image, problem, stamp = None, '', time
            try:
                message = deserialize(types, data, connection.msgtype)
                stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec or time
                image = picture_in(message, connection.msgtype)
            except ImageError as error:
                problem = str(error)
            yield Shot(recording, number, seconds, f'{recording}_{stamp:019d}', why, image,
                       problem)


def _of_video(source: str | os.PathLike[str], name: str, wanted: Wanted,
              report: Callable[[str], object]) -> Iterator[Shot]:
    with Video(source) as video:
        for number, frame in enumerate(video.frames()):
            why = wanted(name, number, frame.time)
            if why:
                yield Shot(name, number, frame.time, f'{name}_{round(frame.time * 1000):09d}', why,
                           frame.image)
        missing = video.breaks_off()
    if missing:
        report(f'{source} breaks off: {missing}')


def _of_files(source: str | os.PathLike[str], name: str, wanted: Wanted, kind: str
              ) -> Iterator[Shot]:
    root, paths = list_images(source) if kind == 'images' else (
        Path(local_source(source)).parent, [Path(local_source(source))])
    for number, path in enumerate(paths):
        why = wanted(name, number, None)
        if not why:
            continue
        inner = '_'.join(map(_for_a_file_name, path.relative_to(root).with_suffix('').parts))
        file_name = name if kind == 'image' else f'{name}_{inner}'
        try:
            yield Shot(name, number, None, file_name, why, read_picture(path))
        except MediaError as error:
            yield Shot(name, number, None, file_name, why, None, str(error))


def _for_a_file_name(text: str) -> str:
    """Return a text for a file's name: letters, digits, dots, dashes and underscores."""
    return re.sub(r'[^\w.]+', '-', text).strip('-.')
