"""Whole inputs through a network: image files and videos to pictures and tables."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
import os
from pathlib import Path
import re
from typing import Any, Protocol

from .render import holds_numbers, picture_of, Renderer, wants_lossless
from .sinks import IMAGE_OPTIONS, LOSSY_SUFFIXES, write_image
from .sources import read_image
from .stats import StatsTable
from .video_reading import Frame, Video
from .video_writing import check_video_sink, VIDEO_CODECS, video_sink
from ..errors import MediaError
from ..segmentation import Segmentation
from ..support.arrays import Size, UInt8Array

Plan = dict[str, Path]
"""Picture to the file, or the numbered files (``%06d``), that it goes to."""

MaskSize = Size | str | None
"""A size, 'network', or None for the input's; see ``Segmenter.segment``."""

_NUMBER = re.compile(r'%(0?\d*)[id]')


class Segments(Protocol):
    """What jobs need of a :class:`~fcn_seg_ros.segmenter.Segmenter`."""

    def __call__(self, image: UInt8Array, mask_size: Any = None) -> Segmentation:
        """
        Segment a picture.

        :param image: uint8 H x W x 3, RGB.
        :param mask_size: see :data:`MaskSize`.
        """


def plan_image(source: str | os.PathLike[str], output: str | os.PathLike[str],
               outputs: Iterable[str]) -> Plan:
    """
    Say which file each picture of one image goes to.

    :param source: path of the image.
    :param output: path to write to; an existing folder, or a path without a suffix or
        that ends in '/', takes files named after the input.
    :param outputs: names of the pictures, see ``Renderer.outputs``.
    :returns: {name: path}; with several pictures their names are added to the file's.
    :raises MediaError: when a file would be the input, or cannot hold a picture.
    """
    output = _numbered(output, 0)
    if _is_folder(output):
        plan = {name: Path(output) / f'{Path(source).stem}_{name}{_suffix(source, name)}'
                for name in outputs}
    else:
        plan = _with_names(Path(output), outputs)
    _check_plan([plan], [source])
    return plan


def plan_images(root: Path, paths: Sequence[Path], output: str | os.PathLike[str],
                outputs: Iterable[str]) -> list[Plan]:
    """
    Say which files the pictures of several images go to, keeping their subfolders.

    :param root: folder that ``paths`` have in common.
    :param output: folder to write to, or, as jetson-inference takes it, a file's name with a
        number in it: 'out/city_%i.jpg' (or '%04d'), from 0.
    :param outputs: as of :func:`plan_image`.
    :returns: list of {name: path}, one for each of ``paths``.
    :raises MediaError: as :func:`plan_image`, or when ``output`` is a file.
    """
    if Path(output).is_file():
        raise MediaError(f'{output} is a file: several images need a folder as output')
    if _NUMBER.search(os.fspath(output)):
        plans = [_with_names(Path(_numbered(output, number)), outputs)
                 for number in range(len(paths))]
        _check_plan(plans, paths)
        return plans
    stems = [Path(output) / path.relative_to(root).with_suffix('') for path in paths]
    count = Counter(stems)
    plans = []
    for path, stem in zip(paths, stems):
        # a.jpg and a.png would go to the same files: such names keep their suffix as well.
        base = f'{stem.name}_{path.suffix[1:]}' if count[stem] > 1 else stem.name
        plans.append({name: stem.with_name(f'{base}_{name}{_suffix(path, name)}')
                      for name in outputs})
    _check_plan(plans, paths)
    return plans


def plan_video(source: str | os.PathLike[str], output: str | os.PathLike[str],
               outputs: Iterable[str]) -> Plan:
    """
    Say where the pictures of a video go: videos, or folders of numbered images.

    :param source: path of the video.
    :param output: a video; or a folder for numbered images, or a name with their number in
        it ('out/frame_%i.jpg').
    :param outputs: names of the pictures, see ``Renderer.outputs``.
    :returns: {name: path}; paths with a number (%i, or %06d in a folder) are images, the others
        are videos.
    :raises MediaError: when a video would be the input, or cannot hold a picture.
    """
    is_folder, output, outputs = _is_folder(output), Path(output), list(outputs)
    if _NUMBER.search(str(output)):
        plan = _with_names(output, outputs)
        _check_plan([plan], [source])
        return plan
    if is_folder:
        folders = {name: output / name if len(outputs) > 1 else output for name in outputs}
        return {name: folder / f'frame_%06d{_suffix("frame.jpg", name)}'
                for name, folder in folders.items()}
    if output.suffix.lower() not in VIDEO_CODECS:
        raise MediaError(f"cannot write '{output.suffix}' videos: use one of "
                         f'{", ".join(VIDEO_CODECS)}, or a folder for numbered images')
    if any(picture_of(name) == 'class_mask' for name in outputs):
        raise MediaError('a video changes values, so it cannot hold class_mask: '
                         'give a folder as output for numbered images')
    plan = _with_names(output, outputs)
    _check_same([plan], [source])
    return plan


def check_sinks(plan: Plan, rate: float) -> None:
    """
    Try the encoders of the videos that a plan holds, before the work is done.

    :param plan: of :func:`plan_video`.
    :param rate: frames a second.
    :raises MediaError: when one does not work here.
    """
    for suffix in sorted({path.suffix for path in plan.values() if _is_video(path)}):
        check_video_sink(f'probe{suffix}', rate)


def segment_images(segmenter: Segments, paths: Sequence[Path], plans: Sequence[Plan],
                   renderer: Renderer, stats: StatsTable, *, mask_size: MaskSize = None,
                   progress: Callable[[Any], Iterable[Any]] = iter,
                   report: Callable[[str], object] = print) -> int:
    """
    Segment image files.

    An image that cannot be read is reported and left out; the others are not disturbed.

    :param segmenter: the network.
    :param paths: the images.
    :param plans: of :func:`plan_images`, or a list with that of :func:`plan_image`.
    :param renderer: what is drawn.
    :param stats: a table to fill.
    :param mask_size: (height, width) or None, see ``Segmenter.segment``.
    :param progress: wraps the iteration (tqdm).
    :param report: called with one line for each image that was left out.
    :returns: number of images that were left out.
    """
    failures = 0
    for path, plan in progress(list(zip(paths, plans))):
        try:
            image = read_image(path)
        except MediaError as error:
            report(str(error))
            failures += 1
            continue
        result = segmenter(image, mask_size)
        for name, picture in renderer.render(image, result).items():
            write_image(plan[name], picture)
        stats.add(str(path), result)
    return failures


def segment_video(segmenter: Segments, video: Video, plan: Plan, renderer: Renderer,
                  stats: StatsTable, *, mask_size: MaskSize = None,
                  progress: Callable[[Iterable[Frame]], Iterable[Frame]] = iter,
                  report: Callable[[str], object] = print) -> None:
    """
    Segment a video's frames; the videos made show each at its time, with the video's sound.

    :param segmenter: the network.
    :param video: an open video.
    :param plan: of :func:`plan_video`.
    :param renderer: what is drawn.
    :param stats: a table to fill, rows are named by the frame's number, from 0.
    :param mask_size: (height, width) or None, see ``Segmenter.segment``.
    :param progress: wraps the iteration (tqdm).
    :param report: called with a line when the video breaks off before its end.
    :raises MediaError: when no frame can be read, or a video cannot be written.
    """
    with ExitStack() as stack:
        writers = {name: stack.enter_context(video_sink(path, video.rate, sound=video.path))
                   for name, path in plan.items() if _is_video(path)}
        number = -1
        for number, frame in enumerate(progress(video.frames())):
            result = segmenter(frame.image, mask_size)
            for name, picture in renderer.render(frame.image, result).items():
                if name in writers:
                    writers[name](picture, frame.time, frame.duration)
                else:
                    write_image(_numbered(plan[name], number), picture)
            stats.add(number, result)
        if number < 0:
            raise MediaError(f'{video.source} holds no frame that can be read')
    missing = video.breaks_off()
    if missing:
        report(f'{video.source} breaks off: {missing}')


def _is_video(path: Path) -> bool:
    return not _NUMBER.search(str(path))


def _numbered(output: str | os.PathLike[str], number: int) -> str:
    """Return a name with the number in the place of its %i, %d or %04d."""
    return _NUMBER.sub(lambda match: f'{number:{match[1]}d}', os.fspath(output))


def _is_folder(output: str | os.PathLike[str]) -> bool:
    return str(output).endswith('/') or Path(output).is_dir() or not Path(output).suffix


def _suffix(source: str | os.PathLike[str], name: str) -> str:
    """Return the suffix for a picture of ``source``: its own if that does no harm."""
    suffix = Path(source).suffix.lower()
    return suffix if suffix in IMAGE_OPTIONS and not wants_lossless(name) else '.png'


def _with_names(output: Path, outputs: Iterable[str]) -> Plan:
    names = list(outputs)
    if len(names) == 1:
        return {names[0]: output}
    return {name: output.with_name(f'{output.stem}_{name}{output.suffix}') for name in names}


def _check_plan(plans: Iterable[Plan], sources: Iterable[str | os.PathLike[str]]) -> None:
    for plan in plans:
        for name, path in plan.items():
            if path.suffix.lower() not in IMAGE_OPTIONS:
                raise MediaError(f"cannot write '{path.suffix}' images: use one of "
                                 f'{", ".join(IMAGE_OPTIONS)}')
            if holds_numbers(name) and path.suffix.lower() in LOSSY_SUFFIXES:
                raise MediaError(f"'{path.suffix}' files change values, so they cannot hold "
                                 f'{name}: use .png')
    _check_same(plans, sources)


def _check_same(plans: Iterable[Plan], sources: Iterable[str | os.PathLike[str]]) -> None:
    targets = Counter(path.resolve() for plan in plans for path in plan.values())
    for path, times in targets.items():
        if times > 1:
            raise MediaError(f'several pictures would go to {path}: rename the inputs')
    for source in sources:
        if Path(source).resolve() in targets:
            raise MediaError(f'the output {source} is the input: give another output')
