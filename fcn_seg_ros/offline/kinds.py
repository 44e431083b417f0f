"""What an input is: first what lies on the disk, then what its name may mean."""

from collections.abc import Iterable
import glob
import os
from pathlib import Path
import re
import stat

from .bag_metadata import BAG_KEY
from ..errors import MediaError
from ..images.files import (
    HEIF_ADVICE, is_heif, is_picture_name, PHONE_SUFFIXES, PICTURE_SUFFIXES)

BAG_SUFFIXES = ('.mcap', '.db3', '.bag')

MCAP_BEGINNING, SQLITE_BEGINNING = b'\x89MCAP0\r\n', b'SQLite format 3\0'
"""What the two kinds of recordings begin with."""

_BAG_BEGINNINGS = (MCAP_BEGINNING, SQLITE_BEGINNING, b'#ROSBAG V')
_PICTURE_BEGINNINGS = (b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n', b'II*\0', b'MM\0*', b'BM')
# One JPEG after the other, without a container: only the name tells them from a single one.
_STREAM_SUFFIXES = ('.mjpeg', '.mjpg')
_PNM = re.compile(rb'P[1-6]\s')
_GLOB = re.compile(r'[*?\[]')
_NUMBERED = re.compile(r'%0?\d*[id]')
_SCHEME = re.compile(r'([a-z][a-z0-9+.-]*)://(.*)', re.IGNORECASE)

_DRIVERS = {
    'rtsp': 'a driver such as gscam or rtsp_image_transport publishes a network camera',
    'rtp': 'the driver gscam publishes such a stream',
    'http': 'save a video as a file first, or publish a stream with the driver gscam',
    'csi': 'the drivers camera_ros and gscam (nvarguscamerasrc) publish CSI cameras',
    'display': 'windows are for RViz: ros2 launch fcn_seg_ros demo.launch.py rviz:=true',
    'webrtc': 'the driver gscam publishes such a stream',
}


def kind_of(source: str | os.PathLike[str]) -> str:
    """
    Tell what an input is.

    :param source: path, glob, device, or an address as jetson-inference writes them.
    :returns: 'image', 'images' (folder or glob), 'video', 'bag', or 'device'
        (/dev/videoN, v4l2:///dev/videoN or a bare number).
    :raises MediaError: when there is no such file, or nothing here reads such an address.
    """
    text = local_source(source)
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except OSError:
        if re.fullmatch(r'\d+|/dev/.+', text):
            return 'device'
        if _GLOB.search(_as_glob(text)):
            return 'images'
        raise MediaError(f'{source} does not exist') from None
    if stat.S_ISDIR(mode):
        return 'bag' if _is_bag_folder(path) else 'images'
    if stat.S_ISREG(mode):
        return _kind_of_file(path)
    return 'device'


def local_source(source: str | os.PathLike[str]) -> str:
    """
    Return the path that an address names: of ``file://`` and ``v4l2://`` what follows.

    :param source: path, glob, device or address.
    :raises MediaError: for an address that nothing here reads, with the driver that does.
    """
    text = os.fspath(source)
    match = _SCHEME.fullmatch(text)
    if not match or Path(text).exists():
        return text
    scheme, rest = match[1].lower(), match[2]
    if scheme in ('file', 'v4l2'):
        return rest
    hint = _DRIVERS.get('http' if scheme == 'https' else scheme[:4] if scheme == 'rtsps' else
                        scheme, 'a camera driver of ROS publishes streams')
    raise MediaError(f'{text} is no file and no V4L2 device: {hint}, and the node segments them')


def list_images(source: str | os.PathLike[str]) -> tuple[Path, list[Path]]:
    """
    List the image files of a folder (not of its subfolders) or of a glob.

    Those that phones take are among them, though nothing here reads them: whoever reads
    the list says so of each by its name.

    :param source: folder, or glob pattern ('**' goes through subfolders), or a name with a
        number in it, such as frame_%04d.png, for those files of all numbers.
    :returns: (root, paths): the folder that the pictures have in common, and their
        paths, with numbers in names counted ('2' before '10').
    :raises MediaError: when there is none.
    """
    text = local_source(source)
    path = Path(text)
    found: Iterable[Path]
    if path.is_dir():
        root, found = path, path.iterdir()
    else:
        text = _as_glob(text)
        parts = Path(text).parts
        fixed = next(i for i, part in enumerate(parts) if _GLOB.search(part))
        root = Path(*parts[:fixed])
        found = map(Path, glob.glob(text, recursive=True))
    suffixes = PICTURE_SUFFIXES + PHONE_SUFFIXES
    paths = [entry for entry in found if is_picture_name(entry, suffixes) and entry.is_file()]
    if not paths:
        raise MediaError(f'{source} holds no images ({", ".join(PICTURE_SUFFIXES)})')
    return root, sorted(paths, key=_natural)


def beginning_of(path: Path) -> bytes:
    """
    Return the first bytes of a file, as many as it takes to know its format.

    :param path: of the file.
    :raises MediaError: when it cannot be read.
    """
    try:
        with open(path, 'rb') as file:
            return file.read(64)
    except OSError as error:
        raise MediaError(f'cannot read {path}: {error.strerror}') from None


def why_no_video(name: str) -> str:
    """
    Return why a file is no video, where its beginning tells, or ''.

    :param name: its path.
    :returns: an error's end, such as ": it is empty".
    """
    data = beginning_of(Path(name))
    if not data:
        return ': it is empty'
    if data[4:8] == b'ftyp' and not _has_index(Path(name)):
        return (': its index (moov) is missing, as where a recording was cut off; '
                'the tool untrunc may save it')
    return ''


def _has_index(path: Path) -> bool:
    """Tell whether a file of boxes, as MP4 and MOV are, has its index and all bytes of it."""
    size = path.stat().st_size
    with open(path, 'rb') as file:
        at = 0
        while True:
            head = file.read(16)
            if len(head) < 8:
                return False
            length = int.from_bytes(head[:4], 'big')
            if length == 1:
                length = int.from_bytes(head[8:], 'big')
            if head[4:8] == b'moov':
                return at + length <= size
            if length < 8:
                return False
            at += length
            file.seek(at)


def is_bag_name(name: str) -> bool:
    """
    Tell whether a file's name is that of a recording, zipped (``.zstd``) or not.

    :param name: of the file, with its suffix.
    """
    return name.lower().removesuffix('.zstd').endswith(BAG_SUFFIXES)


def _as_glob(text: str) -> str:
    """Return the pattern of a sequence of files as OpenCV and FFmpeg name them."""
    return _NUMBERED.sub('[0-9]*', text)


def _kind_of_file(path: Path) -> str:
    data = beginning_of(path)
    if data.startswith(_BAG_BEGINNINGS) or is_bag_name(path.name):
        return 'bag'
    if is_heif(data):
        raise MediaError(f'cannot read {path}: {HEIF_ADVICE}')
    if path.suffix.lower() in _STREAM_SUFFIXES:
        return 'video'
    is_picture = (data.startswith(_PICTURE_BEGINNINGS) or _PNM.match(data)
                  or (data[:4] == b'RIFF' and data[8:12] == b'WEBP'))
    return 'image' if is_picture or path.suffix.lower() in PICTURE_SUFFIXES else 'video'


def _is_bag_folder(path: Path) -> bool:
    try:
        names = [entry.name for entry in path.iterdir()]
    except OSError as error:
        raise MediaError(f'cannot read {path}: {error.strerror}') from None
    if any(is_bag_name(name) and not name.startswith('.') for name in names):
        return True
    # Beside pictures it may be another tool's; alone it is what is left of a bag, or damaged.
    return 'metadata.yaml' in names and (
        not any(is_picture_name(name) for name in names)
        or _is_bag_metadata(path / 'metadata.yaml'))


def _is_bag_metadata(path: Path) -> bool:
    """Tell a recording's metadata.yaml from those that other tools put beside pictures."""
    try:
        return BAG_KEY in path.read_text(encoding='utf-8', errors='replace')
    except OSError as error:
        raise MediaError(f'cannot read {path}: {error.strerror}') from None


def _natural(path: Path) -> list[tuple[int, int, str]]:
    return [(0, int(part), '') if part.isdecimal() else (1, 0, part.casefold())
            for part in re.split(r'(\d+)', str(path))]
