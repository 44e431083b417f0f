"""rosbag2 recordings as they are found: whole, without metadata.yaml, merged, cut off."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, ExitStack
import io
from pathlib import Path
import struct
from typing import Any

from .bag_metadata import COMPRESSED, COMPRESSED_SUFFIX, IMAGE
from .kinds import is_bag_name, MCAP_BEGINNING, SQLITE_BEGINNING
from ..errors import ImageError, MediaError
from ..images.compressed import decode
from ..images.raw import to_rgb
from ..support.arrays import UInt8Array

_ZSTD_BEGINNING = b'(\xb5/\xfd'
_DEPTH_SUFFIX = '/compressedDepth'
_PROFILE_ROOM = 4  # bytes of 'ros2'
_MAX_HEADER = 1 << 16


@contextmanager
def open_bag(source: str | Path) -> Iterator[Any]:
    """
    Open a recording; where its folder has no metadata.yaml, the one file in it.

    :param source: folder of the bag, or one .mcap or .db3 file.
    :returns: a rosbags Reader.
    :raises MediaError: when it cannot be read, with the tool that helps.
    """
    from rosbags.rosbag2 import Reader
    path = _storage_of(Path(source))
    # On damaged files the reader of rosbags raises whatever its parsers come to: its own
    # ReaderError, but also UnicodeDecodeError, struct.error, apsw.Error and others.
    with ExitStack() as stack:
        try:
            reader = stack.enter_context(Reader(path))
        except MediaError:
            raise
        except Exception as error:
            raise MediaError(f'cannot read the bag {source}: {one_line(error)}'
                             f'{_help(path, error)}') from None
        yield reader


def read_messages(reader: Any, connections: Iterable[Any], source: str | Path) -> Iterator[Any]:
    """
    Yield (connection, time in nanoseconds, bytes) of some connections in the order of time.

    :param reader: of :func:`open_bag`.
    :param connections: some of the reader's.
    :param source: of the bag, for messages.
    :raises MediaError: where the bag is damaged.
    """
    messages = reader.messages(connections)
    while True:
        try:
            message = next(messages)
        except StopIteration:
            return
        except Exception as error:
            raise MediaError(f'the bag {source} is damaged: {one_line(error)}') from None
        # A damaged table of SQLite may hold a number there.
        if isinstance(message[2], bytes) and message[2].startswith(_ZSTD_BEGINNING):
            raise MediaError(f'the messages of {source} are zipped, and the metadata.yaml that '
                             'says so is missing: put it beside the recording, give the folder')
        yield message


def choose_connections(connections: Iterable[Any], topics: Iterable[str], source: str | Path
                       ) -> dict[str, list[Any]]:
    """
    Choose the image topics to read.

    A topic may have several connections, in merged recordings for instance.  Of a camera that
    was recorded raw and compressed the raw images are taken, if there are any.

    :param connections: of the reader.
    :param topics: names to take; none: all.
    :param source: of the bag, for messages.
    :returns: {topic: its connections}.
    :raises MediaError: when there is no such topic, or two of one camera are asked for.
    """
    images: dict[str, list[Any]] = {}
    others = set()
    for connection in connections:
        encoding = getattr(connection.ext, 'serialization_format', 'cdr')
        if connection.msgtype in (IMAGE, COMPRESSED) and encoding == 'cdr':
            images.setdefault(connection.topic, []).append(connection)
        elif encoding != 'cdr':
            others.add(encoding)
    listing = ', '.join(images) or 'none'
    for topic in topics:
        if topic not in images:
            raise MediaError(f"{source} has no image topic '{topic}', its image topics: {listing}")
    if not images:
        note = '' if not others else (
            f'; its messages are serialised as {", ".join(sorted(others))}, not as ROS 2 does'
            + (': rosbags-convert makes a ROS 2 bag of it' if 'ros1' in others else ''))
        raise MediaError(f'{source} has no topic of {IMAGE} or {COMPRESSED}{note}')
    if topics:
        for topic in topics:
            if topic + COMPRESSED_SUFFIX in topics:
                raise MediaError(f"'{topic}' and '{topic}{COMPRESSED_SUFFIX}' are of one camera: "
                                 'choose one')
        return {topic: images[topic] for topic in topics}
    count = {topic: sum(connection.msgcount for connection in group)
             for topic, group in images.items() if not topic.endswith(_DEPTH_SUFFIX)}
    if not count:
        raise MediaError(f'{source} has no camera images, but depth: {listing}')
    some = any(count.values())
    taken = [topic for topic in count if count[topic] or not some]
    return {topic: images[topic] for topic in taken
            if not (topic.endswith(COMPRESSED_SUFFIX)
                    and topic.removesuffix(COMPRESSED_SUFFIX) in taken)}


def deserialize(types: Any, data: bytes, msgtype: str) -> Any:
    """
    Return a message.

    :param types: a type store of rosbags that knows its type.
    :param data: its bytes, as CDR.
    :param msgtype: name of its type.
    :raises ImageError: when the bytes are no such message.
    """
    try:
        return types.deserialize_cdr(data, msgtype)
    except Exception as error:  # rosbags raises whatever its reading comes to
        raise ImageError('truncated', f'damaged message: {one_line(error)}') from None


def picture_in(message: Any, msgtype: str) -> UInt8Array:
    """
    Return the picture that a message holds, uint8 array H x W x 3, RGB.

    :param message: an Image or a CompressedImage.
    :param msgtype: name of its type.
    :raises ImageError: when it cannot be decoded.
    """
    if msgtype == COMPRESSED:
        return decode(message.data, message.format)
    return to_rgb(message.data, height=message.height, width=message.width,
                  encoding=message.encoding, step=message.step,
                  is_bigendian=message.is_bigendian)


def one_line(error: BaseException) -> str:
    """
    Return an error's text in one line.

    :param error: of a library.
    """
    return ' '.join(str(error).split()) or type(error).__name__


def _storage_of(path: Path) -> Path:
    """Return what to open: the bag's folder, or a file."""
    if path.is_dir() and not (path / 'metadata.yaml').is_file():
        files = sorted(entry for entry in path.iterdir()
                       if is_bag_name(entry.name) and not entry.name.startswith('.'))
        if len(files) != 1:
            raise MediaError(f'{path} has no metadata.yaml and {len(files)} recordings: '
                             f'"ros2 bag reindex {path}" writes it')
        path = files[0]
    _check_journals(path)
    if path.is_dir():
        return path
    with open(path, 'rb') as file:
        beginning = file.read(_MAX_HEADER)
    if beginning.startswith(b'#ROSBAG V'):
        raise MediaError(f'{path} is a recording of ROS 1: '
                         f'"rosbags-convert --src {path} --dst NEW" makes a ROS 2 bag of it')
    if path.name.lower().endswith('.zstd'):
        raise MediaError(f'{path} is zipped and its metadata.yaml, which says how, is missing: '
                         f'"zstd -d {path}" unzips it')
    if beginning.startswith(SQLITE_BEGINNING):
        return _Recording(path).read_as('.db3')
    if not beginning.startswith(MCAP_BEGINNING):
        return path
    return _with_profile(path, beginning)


def _check_journals(path: Path) -> None:
    """
    Refuse a recording whose last messages lie in a journal of SQLite, where a crash leaves them.

    The reader of rosbags opens the file alone: it would see less than was recorded.
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    for file in files:
        journal = file.with_name(f'{file.name}-wal')
        is_recording = file == path or file.suffix.lower() == '.db3'
        if is_recording and journal.is_file() and journal.stat().st_size:
            raise MediaError(
                f'the last messages of {file} may lie in {journal.name} alone: '
                f'"sqlite3 {file} \'PRAGMA wal_checkpoint(TRUNCATE)\'" moves them into it')


def _with_profile(path: Path, beginning: bytes) -> Path:
    """Return the path of an mcap; of one without a profile as if it were ROS 2's."""
    try:
        size, length = struct.unpack_from('<QI', beginning, 9)
        profile = beginning[21:21 + length].decode('utf-8', 'replace')
        library = struct.unpack_from('<I', beginning, 21 + length)[0]
    except struct.error:
        raise MediaError(f'{path} is cut off within its first record') from None
    if profile == 'ros1':
        raise MediaError(f'{path} is a recording of ROS 1: '
                         f'"rosbags-convert --src {path} --dst NEW" makes a ROS 2 bag of it')
    if profile not in ('', 'ros2'):
        raise MediaError(f"{path} is a recording of '{profile[:40]}', not of ROS 2")
    if profile == 'ros2' or library < _PROFILE_ROOM or size > _MAX_HEADER - 17:
        return _Recording(path).read_as('.mcap')
    # What "mcap merge" and "mcap recover" leave out: whether the messages are ROS 2's is
    # seen from their encodings.  All offsets stay, as the library's name is cut by as much.
    text = beginning[25:25 + library - _PROFILE_ROOM]
    header = beginning[:17] + struct.pack('<I', 4) + b'ros2' \
        + struct.pack('<I', len(text)) + text
    return _Recording(path).read_as('.mcap', header)


class _Recording(type(Path())):  # type: ignore[misc] # the class of paths of this system
    """A path whose file is read as its content says, and as if it began with other bytes."""

    _kind = ''
    _header = b''

    def read_as(self, kind: str, header: bytes = b'') -> '_Recording':
        self._kind, self._header = kind, header
        return self

    @property
    def suffix(self) -> str:
        """By which rosbags chooses what reads the file."""
        return self._kind or str(super().suffix)

    def open(self, *_: Any, **__: Any) -> Any:  # noqa: A003 (the path's own)
        return io.BufferedReader(_OverlaidFile(str(self), self._header))


class _OverlaidFile(io.FileIO):
    def __init__(self, path: str, header: bytes) -> None:
        super().__init__(path, 'rb')
        self._header = header

    def readinto(self, buffer: Any) -> int:
        start = self.tell()
        count = super().readinto(buffer) or 0
        covered = min(len(self._header) - start, count)
        if covered > 0:
            memoryview(buffer)[:covered] = self._header[start:start + covered]
        return count

    def readall(self) -> bytes:
        data = bytearray(max(0, Path(str(self.name)).stat().st_size - self.tell()))
        return bytes(data[:self.readinto(data)])


def _help(path: Path, error: Exception) -> str:
    """Return what may be done about an error of rosbags, or ''."""
    text = str(error)
    if 'Unexpected end' in text or 'end magic' in text or (
            path.suffix == '.mcap' and not _ends_well(path)):
        return f': it is cut off, "mcap recover {path} -o NEW.mcap" saves what is whole'
    if path.is_dir() and ('missing' in text or 'metadata' in text or 'YAML' in text):
        return f': "ros2 bag reindex {path}" writes its metadata.yaml anew'
    if path.is_dir() and any(entry.suffix == '.mcap' and not _ends_well(entry)
                             for entry in path.iterdir()):
        return ': it is cut off, "mcap recover FILE -o NEW.mcap" saves what is whole'
    return ''


def _ends_well(path: Path) -> bool:
    try:
        with open(path, 'rb') as file:
            file.seek(-len(MCAP_BEGINNING), io.SEEK_END)
            return file.read() == MCAP_BEGINNING
    except OSError:
        return True
