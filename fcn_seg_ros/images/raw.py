"""
Buffers of sensor_msgs/Image to RGB arrays.

Encodings go by their names in ``sensor_msgs/image_encodings.hpp``; the byte layouts
are those of V4L2's pixel formats of the same name (https://docs.kernel.org,
"Image Formats").  Rows may be padded (``step``), 16-bit samples may have either byte
order.  Nothing here needs ROS: the fields of the message are plain arguments.

Choices that the names leave open:

- ``8UC1``, ``8UC3`` and ``8UC4`` say nothing of colours.  They are read as mono, BGR
  and BGRA, OpenCV's order, which is what cv_bridge publishes under these names and
  what RViz displays.
- YUV is ITU-R BT.601 with limited range (Y 16 to 235), as in OpenCV and cv_bridge.
- 16-bit samples use the full range: 65535 becomes 255 (v / 257, rounded).
- ``nv12``, ``nv21``, ``nv24``: ``height`` is the picture's, ``step`` the pitch of a
  luma row; chroma rows follow with the same pitch (twice the pitch for ``nv24``).
  Publishers that give ``step`` as bytes per picture row, chroma included
  (``step * height`` is the whole buffer), are understood as unpadded.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from .colors import convert_colors
from ..errors import ImageError
from ..support.arrays import UInt8Array

MAX_PIXELS = 64_000_000
"""Largest picture that is converted, width x height; bounds what a message can allocate."""
MAX_SIDE = 32_767
"""Largest width and height, pixels; OpenCV's resampling indexes with 16 bits."""


@dataclass(frozen=True)
class _Packed:
    """Samples interleaved in one plane; ``code`` is OpenCV's conversion to RGB, if one is due."""

    channels: int
    sample_bytes: int = 1
    code: int | None = None
    even_width: bool = False
    least_side: int = 1


@dataclass(frozen=True)
class _SemiPlanar:
    """A luma plane, then a plane of interleaved chroma at 1 / ``subsampling`` of its size."""

    subsampling: int
    code: int | None = None


# OpenCV names a Bayer pattern after its second row's second and third sample, so its
# BG is what ROS and the camera makers call RGGB.
_BAYER = {
    'rggb': cv2.COLOR_BayerBG2RGB,
    'bggr': cv2.COLOR_BayerRG2RGB,
    'gbrg': cv2.COLOR_BayerGR2RGB,
    'grbg': cv2.COLOR_BayerGB2RGB,
}
_UYVY = _Packed(2, code=cv2.COLOR_YUV2RGB_UYVY, even_width=True)
_YUYV = _Packed(2, code=cv2.COLOR_YUV2RGB_YUY2, even_width=True)

_LAYOUTS: dict[str, _Packed | _SemiPlanar] = {
    'rgb8': _Packed(3),
    'bgr8': _Packed(3, code=cv2.COLOR_BGR2RGB),
    'rgba8': _Packed(4, code=cv2.COLOR_RGBA2RGB),
    'bgra8': _Packed(4, code=cv2.COLOR_BGRA2RGB),
    'mono8': _Packed(1, code=cv2.COLOR_GRAY2RGB),
    'rgb16': _Packed(3, 2),
    'bgr16': _Packed(3, 2, code=cv2.COLOR_BGR2RGB),
    'rgba16': _Packed(4, 2, code=cv2.COLOR_RGBA2RGB),
    'bgra16': _Packed(4, 2, code=cv2.COLOR_BGRA2RGB),
    'mono16': _Packed(1, 2, code=cv2.COLOR_GRAY2RGB),
    **{f'bayer_{pattern}{8 * size}': _Packed(1, size, code=code, least_side=3)
       for size in (1, 2) for pattern, code in _BAYER.items()},
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
    'nv12': _SemiPlanar(2, cv2.COLOR_YUV2RGB_NV12),
    'nv21': _SemiPlanar(2, cv2.COLOR_YUV2RGB_NV21),
    'nv24': _SemiPlanar(1),
    '8UC1': _Packed(1, code=cv2.COLOR_GRAY2RGB),
    '8UC3': _Packed(3, code=cv2.COLOR_BGR2RGB),
    '8UC4': _Packed(4, code=cv2.COLOR_BGRA2RGB),
}

SUPPORTED = tuple(_LAYOUTS)
"""Names of the encodings that :func:`to_rgb` reads."""

BAYER = {f'bayer_{pattern}{8 * size}': code
         for size in (1, 2) for pattern, code in _BAYER.items()}
"""Names of the encodings of a Bayer mosaic, and OpenCV's conversion to RGB."""

# ITU-R BT.601, limited range: (Y, U, V, 1) to (R, G, B).
_LUMA, _RV, _GU, _GV, _BU = 255 / 219, 1.596027, -0.391762, -0.812968, 2.017232
_YUV_TO_RGB = np.array([
    [_LUMA, 0, _RV, -16 * _LUMA - 128 * _RV],
    [_LUMA, _GU, _GV, -16 * _LUMA - 128 * (_GU + _GV)],
    [_LUMA, _BU, 0, -16 * _LUMA - 128 * _BU]])


def to_rgb(data: Any, *, height: int, width: int, encoding: str, step: int,
           is_bigendian: bool = False) -> UInt8Array:
    """
    Convert the fields of a sensor_msgs/Image to an RGB array.

    The result is a view of ``data`` for ``rgb8`` (with the message's row padding left
    out by strides) and a new contiguous array for every other encoding.

    :param data: array.array, bytes, memoryview or NumPy array; read as bytes.
    :param height: rows of the picture.
    :param width: columns of the picture.
    :param encoding: one of :data:`SUPPORTED`.
    :param step: bytes from one row's start to the next.
    :param is_bigendian: byte order of 16-bit samples.
    :returns: uint8 array, height x width x 3, RGB.
    :raises ImageError: of kind 'encoding' (unknown), 'size' (no pixels, or a size that
        the encoding cannot have), 'too_large', 'step' (shorter than a row) or
        'truncated' (less data than the fields promise).  Nothing of the picture's
        size is allocated before all of these are checked.
    """
    layout = _LAYOUTS.get(encoding)
    if layout is None:
        raise ImageError(
            'encoding', f'encoding {str(encoding)[:40]!a} is not supported, use one of '
                        f'{", ".join(SUPPORTED)}')
    check_size(height, width)
    buffer = _as_bytes(data)
    if isinstance(layout, _Packed):
        return _convert_packed(layout, buffer, height, width, encoding, step, is_bigendian)
    return _convert_semi_planar(layout, buffer, height, width, encoding, step)


def check_size(height: int, width: int) -> None:
    """
    Check that a picture's size is one worth decoding.

    :param height: rows, pixels.
    :param width: columns, pixels.

    :raises ImageError: of kind 'size' when it has no pixels, 'too_large' when it is
        beyond :data:`MAX_PIXELS` or :data:`MAX_SIDE`.
    """
    if width < 1 or height < 1:
        raise ImageError('size', f'an image of {width}x{height} has no pixels')
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageError(
            'too_large', f'an image of {width}x{height} is too large, the limits are '
                         f'{MAX_PIXELS} pixels and {MAX_SIDE} a side')


def _as_bytes(data: Any) -> UInt8Array:
    """Return ``data`` as a flat uint8 array, a view where its memory is contiguous."""
    array = data if isinstance(data, np.ndarray) else np.asarray(memoryview(data))
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _check_step(step: int, row_bytes: int, width: int, encoding: str) -> None:
    if step < row_bytes:
        raise ImageError('step', f'a row of {width} pixels of {encoding} has {row_bytes} bytes, '
                                 f'but step is {step}')


def _check_length(buffer: UInt8Array, needed: int, height: int, width: int, encoding: str,
                  step: int) -> None:
    if buffer.size < needed:
        raise ImageError(
            'truncated', f'an image of {width}x{height} {encoding} with step {step} has at least '
                         f'{needed} bytes, but {buffer.size} came')


def _convert_packed(layout: _Packed, buffer: UInt8Array, height: int, width: int,
                    encoding: str, step: int, is_bigendian: bool) -> UInt8Array:
    if min(height, width) < layout.least_side or (layout.even_width and width % 2):
        wanted = ('an even width' if layout.even_width else
                  f'at least {layout.least_side}x{layout.least_side} pixels')
        raise ImageError('size', f'{encoding} needs {wanted}, the image has {width}x{height}')
    pixel_bytes = layout.channels * layout.sample_bytes
    row_bytes = width * pixel_bytes
    _check_step(step, row_bytes, width, encoding)
    # The padding of the last row may be missing.
    _check_length(buffer, (height - 1) * step + row_bytes, height, width, encoding, step)
    # The stride of a single row means nothing, and may be too large for an index.
    pitch = step if height > 1 else row_bytes
    dtype = np.dtype(np.uint8 if layout.sample_bytes == 1 else '>u2' if is_bigendian else '<u2')
    pixels: np.ndarray[Any, np.dtype[Any]] = np.ndarray(
        (height, width, layout.channels), dtype, buffer=buffer,
        strides=(pitch, pixel_bytes, layout.sample_bytes))
    if layout.channels == 1:
        pixels = pixels[:, :, 0]
    if layout.sample_bytes == 2:
        native = np.ascontiguousarray(pixels, np.uint16)
        pixels = np.asarray(cv2.convertScaleAbs(native, alpha=1 / 257))
    return np.asarray(pixels, np.uint8) if layout.code is None \
        else convert_colors(pixels, layout.code)


def _convert_semi_planar(layout: _SemiPlanar, buffer: UInt8Array, height: int, width: int,
                         encoding: str, step: int) -> UInt8Array:
    sub = layout.subsampling
    if width % sub or height % sub:
        raise ImageError(
            'size', f'{encoding} needs an even width and height, the image has {width}x{height}')
    _check_step(step, width, width, encoding)
    rows, columns = height // sub, width // sub

    def needed(pitch: int) -> int:
        return height * pitch + (rows - 1) * pitch * 2 // sub + 2 * columns

    if buffer.size == step * height and buffer.size >= needed(width):
        step = width  # `step` counts luma and chroma of a row: no padding
    _check_length(buffer, needed(step), height, width, encoding, step)
    luma: UInt8Array = np.ndarray((height, width), np.uint8, buffer=buffer, strides=(step, 1))
    chroma: UInt8Array = np.ndarray(
        (rows, columns, 2), np.uint8, buffer=buffer, offset=height * step,
        strides=(step * 2 // sub, 2, 1))
    if layout.code is None:  # OpenCV has no conversion for full-size chroma
        return np.asarray(cv2.transform(np.dstack((luma, chroma)), _YUV_TO_RGB), np.uint8)
    return np.asarray(cv2.cvtColorTwoPlane(luma, chroma, layout.code), np.uint8)


_FROM_RGB = {
    'rgb8': None,
    'bgr8': cv2.COLOR_RGB2BGR,
    'rgba8': cv2.COLOR_RGB2RGBA,
    'bgra8': cv2.COLOR_RGB2BGRA,
    'mono8': cv2.COLOR_RGB2GRAY,
}
ENCODABLE = tuple(_FROM_RGB)
"""Names of the encodings that :func:`from_rgb` writes."""


def from_rgb(rgb: UInt8Array, encoding: str) -> UInt8Array:
    """
    Return a picture's samples in an encoding.

    :param rgb: uint8 array, H x W x 3.
    :param encoding: one of :data:`ENCODABLE`.
    :returns: contiguous uint8 array, H x W or H x W x channels.
    """
    code = _FROM_RGB[encoding]
    return np.ascontiguousarray(rgb) if code is None else convert_colors(rgb, code)
