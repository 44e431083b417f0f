"""Where pictures go to: image files and videos, whole or not at all."""

from contextlib import contextmanager
from pathlib import Path

import cv2

from ..errors import MediaError
from ..images.drawing import as_rgb
from ..support.atomic_files import replacing

VIDEO_CODECS = {'.mp4': 'mp4v', '.m4v': 'mp4v', '.mov': 'mp4v', '.mkv': 'mp4v', '.avi': 'MJPG'}
"""
Suffix to codec.

MPEG-4 and Motion JPEG are in every build of OpenCV; H.264 is not.
"""

IMAGE_OPTIONS = {
    '.jpg': [cv2.IMWRITE_JPEG_QUALITY, 92],
    '.jpeg': [cv2.IMWRITE_JPEG_QUALITY, 92],
    '.png': [cv2.IMWRITE_PNG_COMPRESSION, 4],
    '.bmp': [],
    '.webp': [cv2.IMWRITE_WEBP_QUALITY, 92],
    '.tif': [],
    '.tiff': [],
}
"""Suffix of the image files that can be written, to OpenCV's options."""

LOSSY_SUFFIXES = ('.jpg', '.jpeg', '.webp')


def write_image(path, image):
    """
    Write a picture; an existing file is replaced once the new one is whole.

    :param path: its suffix says the format, one of :data:`IMAGE_OPTIONS`.
    :param image: uint8 array, H x W x 3 (RGB) or H x W (mono).
    :raises MediaError: when it cannot be written.
    """
    path = Path(path)
    options = IMAGE_OPTIONS.get(path.suffix.lower())
    if options is None:
        raise MediaError(f"{path}: cannot write '{path.suffix}' images, "
                         f'use one of {", ".join(IMAGE_OPTIONS)}')
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    try:
        encoded = cv2.imencode(path.suffix.lower(), pixels, options)[1]
        with replacing(path) as temporary:
            temporary.write_bytes(encoded)
    except cv2.error as error:
        raise MediaError(f'cannot write {path}: {error.err}') from None
    except OSError as error:
        raise MediaError(f'cannot write {path}: {error.strerror}') from None


@contextmanager
def video_sink(path, rate):
    """
    Give a function that appends a frame to a video, see :func:`replacing`.

    A frame is a uint8 array H x W x 3 (RGB) or H x W, of one size in all frames.  An odd
    width or height is made even by doubling the last column or row: video codecs take
    nothing else.

    :param path: its suffix says the format, one of :data:`VIDEO_CODECS`.
    :param rate: frames a second.
    :raises MediaError: for another suffix, or when it cannot be written.
    """
    path = Path(path)
    codec = VIDEO_CODECS.get(path.suffix.lower())
    if codec is None:
        raise MediaError(f"{path}: cannot write '{path.suffix}' videos, "
                         f'use one of {", ".join(VIDEO_CODECS)}')
    with replacing(path) as temporary:
        writer = _VideoWriter(temporary, cv2.VideoWriter_fourcc(*codec), rate)
        try:
            yield writer.write
        finally:
            writer.release()
        if not writer.is_whole():
            raise MediaError(f'cannot write the video {path}: is the disk full?')


class _VideoWriter:
    def __init__(self, path, codec, rate):
        self._path, self._codec, self._rate = path, codec, rate
        self._writer = cv2.VideoWriter()
        self._frames = 0

    def write(self, image):
        height, width = image.shape[:2]
        frame = cv2.cvtColor(as_rgb(image), cv2.COLOR_RGB2BGR)
        frame = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if not self._frames:
            self._writer.open(str(self._path), self._codec, self._rate, frame.shape[1::-1])
        self._writer.write(frame)
        self._frames += 1

    def release(self):
        self._writer.release()

    def is_whole(self):
        """Return whether all frames are in the file: OpenCV does not tell when they are not."""
        written = cv2.VideoCapture(str(self._path))
        try:
            return self._frames and written.get(cv2.CAP_PROP_FRAME_COUNT) >= self._frames
        finally:
            written.release()
