"""
JPEG, PNG and WebP, the payloads of sensor_msgs/CompressedImage, to and from RGB arrays.

What the codec is comes from the data, not from the message's ``format``.  Of that the raw
encoding before the ``;`` counts, by the same table as in :mod:`.raw`: a Bayer mosaic is one
channel of a PNG or JPEG, and depth is no picture.  So does what the publisher says behind it: the
order of the encoder's channels, and whether it has made grey of the samples before.
"""

import re
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .colors import convert_colors
from .headers import read_header
from .raw import BAYER, SUPPORTED
from ..errors import ImageError
from ..support.arrays import UInt8Array

# Names of OpenCV's types, as image_transport writes them for what is no picture.
_OPENCV_TYPE = re.compile(r'(TYPE_)?(8|16|32|64)[USF]C\d*')
_NOT_ONE_PLANE = ('nv', 'yuv', 'uyvy', 'yuyv')
"""Beginnings of the encodings whose samples one channel of a picture cannot hold."""


def decode(data: Any, format: str = '', *, upright: bool = False  # noqa: A002 (the message's)
           ) -> UInt8Array:
    """
    Decode a JPEG, PNG or WebP to an RGB array.

    16-bit samples are scaled by 1/257 and transparency is dropped.

    :param data: the file's bytes (bytes, array.array, memoryview, uint8 array); what follows
        the picture's end is left out.
    :param format: the message's ``format``, such as 'jpeg', 'bayer_rggb8; png compressed ' or
        'rgb8; jpeg compressed bgr8'.  As in image_transport, a file that says
        'compressed rgb8' was encoded with red and blue exchanged, and one that says 'compressed
        mono8' is grey, whatever the camera's own samples were.
    :param upright: turn a JPEG as its EXIF orientation says.  Left alone by default:
        a camera's calibration is for the pixels as they are stored.
    :returns: uint8 array, H x W x 3, RGB, contiguous.
    :raises ImageError: of kind 'encoding' (neither JPEG, PNG nor WebP, or a depth image),
        'too_large' (by the header), or 'compressed' (truncated or damaged).
    """
    encoding = _raw_encoding(format)
    data = bytes(data)
    header = read_header(data)
    if header is None:
        raise ImageError('encoding', f'compressed image with format {format[:40]!a} is neither '
                                     'JPEG, PNG nor WebP')
    turns = upright and header.codec == 'JPEG'
    # Unchanged: as many channels and bits as the file has, and not turned.
    flags = cv2.IMREAD_COLOR if turns else cv2.IMREAD_UNCHANGED
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8, header.end), flags)
    except cv2.error as error:
        raise ImageError('compressed', f'the decoder failed: {error.err}') from None
    height, width = header.size
    sizes = ((height, width), (width, height)) if turns else ((height, width),)
    if pixels is None or pixels.shape[:2] not in sizes:
        raise ImageError('compressed', 'compressed image is damaged')
    return _to_rgb(pixels, encoding, exchanged=';' in format and 'compressed rgb' in format)


def encode_jpeg(image: UInt8Array, quality: int = 90) -> bytes:
    """
    Encode a picture as JPEG.

    :param image: uint8 array, H x W x 3 (RGB) or H x W (mono).
    :param quality: 1 to 100.
    """
    return _encode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])


def encode_png(image: UInt8Array) -> bytes:
    """
    Encode a picture as PNG, for speed before size (OpenCV's default settings).

    :param image: uint8 array, H x W x 3 (RGB) or H x W (mono).
    """
    return _encode('.png', image, [])


def _encode(suffix: str, image: UInt8Array, options: list[int]) -> bytes:
    pixels = image if image.ndim == 2 else convert_colors(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def _raw_encoding(stated: str) -> str:
    """
    Return the encoding of the samples in a file by its message's ``format``, '' for a picture.

    :raises ImageError: of kind 'encoding' when what was compressed is no picture.
    """
    encoding, _, made = stated.partition(';')
    encoding = encoding.strip()
    if 'compressedDepth' in stated:
        raise ImageError('encoding', 'this is a compressed depth image, not a camera image')
    if encoding in SUPPORTED:
        # image_transport makes a grey JPEG of mosaics and of YUV: no sample of theirs is left.
        return '' if 'compressed mono' in made else encoding
    if _OPENCV_TYPE.fullmatch(encoding):
        raise ImageError('encoding', f'compressed {encoding} holds measured values such as '
                                     'depth: this is not a camera image')
    return ''


def _to_rgb(pixels: npt.NDArray[Any], encoding: str, *, exchanged: bool
            ) -> UInt8Array:
    """Return what cv2.imdecode gave (8 or 16 bits; mono, BGR or BGRA) as 8-bit RGB."""
    if pixels.dtype == np.uint16:
        pixels = np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 257))
    if pixels.dtype != np.uint8:
        raise ImageError('encoding', f'compressed image has samples of {pixels.dtype}')
    if pixels.ndim == 2 and encoding in BAYER:
        if min(pixels.shape) < 3:
            raise ImageError('size', f'{encoding} needs at least 3x3 pixels')
        return convert_colors(pixels, BAYER[encoding])
    if pixels.ndim == 2 and encoding.startswith(_NOT_ONE_PLANE):
        raise ImageError('encoding', f'compressed {encoding} in one channel: the samples of '
                                     f'{encoding} are no picture by themselves')
    if pixels.ndim == 2:
        code: int | None = cv2.COLOR_GRAY2RGB
    elif pixels.shape[2] == 4:
        code = cv2.COLOR_BGRA2BGR if exchanged else cv2.COLOR_BGRA2RGB
    else:
        code = None if exchanged else cv2.COLOR_BGR2RGB
    return np.asarray(pixels, np.uint8) if code is None else convert_colors(pixels, code)
