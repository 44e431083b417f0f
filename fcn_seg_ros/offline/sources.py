"""Where pictures come from: image files, folders, globs, videos, cameras of this machine."""

from contextlib import contextmanager
import glob
import itertools
import math
import os
from pathlib import Path
import re

import cv2

from ..errors import ImageError, MediaError
from ..images.compressed import decode
from ..images.raw import check_size

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.pgm')
BAG_SUFFIXES = ('.mcap', '.db3')
DEFAULT_RATE = 30.0
"""Pictures a second where a video does not tell its own."""

_STRICT_SUFFIXES = ('.jpg', '.jpeg', '.png')
_GLOB = re.compile(r'[*?\[]')

# Reports of FFmpeg inside OpenCV (-8 is its "quiet"): we say ourselves what went wrong.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')


def kind_of(source):
    """
    Tell what an input is by its name and its files.

    :param source: path or glob.
    :returns: 'image', 'images' (folder or glob), 'video', 'bag', or 'device'
        (/dev/videoN or a bare number).
    :raises MediaError: when there is no such file.
    """
    path = Path(source)
    if re.fullmatch(r'\d+|/dev/.+', str(source)) and not path.is_file():
        return 'device'
    if path.is_dir():
        is_bag = (path / 'metadata.yaml').is_file() or any(
            entry.suffix in BAG_SUFFIXES for entry in path.iterdir())
        return 'bag' if is_bag else 'images'
    if path.is_file():
        if path.suffix.lower() in BAG_SUFFIXES:
            return 'bag'
        return 'image' if path.suffix.lower() in IMAGE_SUFFIXES else 'video'
    if _GLOB.search(str(source)):
        return 'images'
    raise MediaError(f'{source} does not exist')


def list_images(source):
    """
    List the image files of a folder (not of its subfolders) or of a glob.

    :param source: folder, or glob pattern ('**' goes through subfolders).
    :returns: (root, paths): the folder that the pictures have in common, and their
        paths, with numbers in names counted ('2' before '10').
    :raises MediaError: when there is none.
    """
    path = Path(source)
    if path.is_dir():
        root, found = path, path.iterdir()
    else:
        parts = path.parts
        fixed = next(i for i, part in enumerate(parts) if _GLOB.search(part))
        root = Path(*parts[:fixed])
        found = map(Path, glob.glob(str(source), recursive=True))
    paths = [entry for entry in found if entry.suffix.lower() in IMAGE_SUFFIXES
             and entry.is_file() and not entry.name.startswith('.')]
    if not paths:
        raise MediaError(f'{source} holds no images ({", ".join(IMAGE_SUFFIXES)})')
    return root, sorted(paths, key=_natural)


def read_image(path):
    """
    Read an image file the right way up (by its EXIF orientation).

    :returns: uint8 array, H x W x 3, RGB.
    :raises MediaError: when it is damaged, too large, or not an image.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        if path.suffix.lower() in _STRICT_SUFFIXES:
            return decode(data, upright=True)
        # IMREAD_COLOR is 8 bits, 3 channels, upright.
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if pixels is None:
            raise ImageError('compressed', 'it is damaged or not an image')
        check_size(*pixels.shape[:2])
    except (ImageError, cv2.error) as error:
        raise MediaError(f'cannot read {path}: {getattr(error, "err", error)}') from None
    except OSError as error:
        raise MediaError(f'cannot read {path}: {error.strerror}') from None
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


class Video:
    """
    The frames of a video file or of a camera, in order; a context manager.

    :ivar rate: frames a second as the video says, else :data:`DEFAULT_RATE`.
    :ivar length: number of frames as the video says, or None.
    """

    def __init__(self, source):
        """
        Open a video.

        :param source: path of a file, or of a V4L2 device, or a device's number.
        :raises MediaError: when it cannot be opened.
        """
        self.source = source
        is_device = kind_of(source) == 'device'
        with _silent_opencv():
            if is_device:
                number = re.fullmatch(r'(?:/dev/video)?(\d+)', str(source))
                self._capture = cv2.VideoCapture(
                    int(number[1]) if number else str(source), cv2.CAP_V4L2)
            else:
                self._capture = cv2.VideoCapture(str(source))
        if not self._capture.isOpened():
            what = 'a camera' if is_device else 'an image or a video'
            raise MediaError(f'{source} cannot be opened as {what}')
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if math.isfinite(rate) and 0 < rate <= 1000 else DEFAULT_RATE
        length = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.length = int(length) if math.isfinite(length) and length >= 1 else None

    def ask_for(self, *, width=None, height=None, rate=None):
        """Ask a camera for a mode; what it gives is seen in the frames."""
        for key, value in ((cv2.CAP_PROP_FRAME_WIDTH, width),
                           (cv2.CAP_PROP_FRAME_HEIGHT, height), (cv2.CAP_PROP_FPS, rate)):
            if value:
                self._capture.set(key, value)

    def __iter__(self):
        """Yield the frames, uint8 arrays H x W x 3, RGB."""
        while True:
            ok, frame = self._capture.read()
            if not ok:
                return
            check_size(*frame.shape[:2])
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def close(self):
        """Release the file or the device."""
        self._capture.release()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def play(source, *, loop=False):
    """
    Yield the pictures of an image, a folder, a glob, a video or a camera, in order.

    :param loop: begin again at the end, without end; a camera has none.
    :raises MediaError: when a picture cannot be read, or there is none.
    """
    kind = kind_of(source)
    if kind == 'bag':
        raise MediaError(f'{source} is a bag: "ros2 bag play" publishes it')
    if kind == 'image':
        picture = read_image(source)
        yield from itertools.repeat(picture) if loop else (picture,)
        return
    one_round = _read_images if kind == 'images' else _read_video
    while True:
        yield from one_round(source)
        if not loop:
            return


def _read_images(source):
    for path in list_images(source)[1]:
        yield read_image(path)


def _read_video(source):
    with Video(source) as video:
        frame = None
        for frame in video:
            yield frame
        if frame is None:
            raise MediaError(f'{source} holds no frame that can be read')


@contextmanager
def _silent_opencv():
    """Keep OpenCV from writing warnings of its own to stderr."""
    logging = getattr(cv2.utils, 'logging', None)  # OpenCV 4.6 has no such binding
    if logging is None:
        yield
        return
    before = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)


def _natural(path):
    return [int(part) if part.isdecimal() else part.casefold()
            for part in re.split(r'(\d+)', str(path))]
