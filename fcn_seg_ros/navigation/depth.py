"""
Depth images to metres per mask pixel.

REP-118: ``16UC1`` holds millimetres with 0 for "none", ``32FC1`` metres with NaN for
"none", -inf for "too near" and +inf for "too far"; both along the optical axis.  The depth
image has to be registered to the camera: same viewpoint, same field of view.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import ImageError
from ..support.arrays import Float32Array

Buffer: TypeAlias = Any
"""What NumPy reads bytes from: bytes, bytearray, memoryview, array."""

DepthSamples: TypeAlias = tuple[npt.NDArray[Any], float]
"""Samples of a depth image, H x W, and metres per unit."""

ENCODINGS: dict[str, tuple[type[np.generic], float]] = {
    '16UC1': (np.uint16, 1e-3), 'mono16': (np.uint16, 1e-3), '32FC1': (np.float32, 1.0)}
"""Encoding to sample type and metres per unit; mono16 is what some drivers call 16UC1."""

ASPECT_TOLERANCE = 0.01
"""Largest relative difference of aspect ratio between depth and camera image."""


def view_depth(data: Buffer, height: int, width: int, encoding: str, step: int,
               is_bigendian: bool = False) -> DepthSamples:
    """
    Return the samples of a depth image without copying them.

    :param data: bytes-like, the message's buffer.
    :param height: rows, pixels.
    :param width: columns, pixels.
    :param encoding: a key of :data:`ENCODINGS`.
    :param step: bytes per row.
    :param is_bigendian: the most significant byte of a sample comes first.
    :returns: (array H x W of the encoding's type, metres per unit).
    :raises ImageError: kinds 'encoding', 'size', 'step', 'truncated'.
    """
    if encoding not in ENCODINGS:
        raise ImageError('encoding', f"depth comes as '{encoding}': publish 16UC1 (mm) or "
                                     '32FC1 (m)')
    if height <= 0 or width <= 0:
        raise ImageError('size', f'the depth image has {width}x{height} pixels')
    kind, unit = ENCODINGS[encoding]
    dtype = np.dtype(kind).newbyteorder('>' if is_bigendian else '<')
    if step < width * dtype.itemsize:
        raise ImageError('step', f'the depth image has rows of {step} bytes, {width} pixels '
                                 f'of {encoding} need {width * dtype.itemsize}')
    buffer = np.frombuffer(data, np.uint8)
    needed = (height - 1) * step + width * dtype.itemsize
    if buffer.size < needed:
        raise ImageError('truncated', f'the depth image has {buffer.size} bytes, {width}x{height} '
                                      f'pixels of {encoding} need {needed}')
    return np.ndarray((height, width), dtype, buffer, strides=(step, dtype.itemsize)), unit


def depth_for_mask(samples: npt.NDArray[Any], unit: float, mask_size: Sequence[int],
                   image_size: Sequence[int]) -> Float32Array:
    """
    Return metres per mask pixel, from the depth pixel that its centre falls into.

    Depth is never interpolated: between a thing and what is behind it lies nothing.

    :param samples: as from :func:`view_depth`.
    :param unit: as from there, m.
    :param mask_size: (height, width) of the mask.
    :param image_size: (height, width) of the camera's image, which the depth image covers:
        it may have another size, but not another aspect ratio (1 % or a pixel aside).
    :returns: float32 array H x W, NaN where there is no depth (zero, negative, infinite).
    :raises ImageError: kind 'size', when the aspect ratio differs.
    """
    height, width = samples.shape
    difference = abs(width * image_size[0] - height * image_size[1])
    if difference > max(ASPECT_TOLERANCE * width * image_size[0], *image_size):
        raise ImageError(
            'size', f'the depth image has {width}x{height} pixels, the camera '
            f'{image_size[1]}x{image_size[0]}: register the depth image to the camera')
    if samples.shape != tuple(mask_size):
        mask_height, mask_width = mask_size
        # centre (i + 0.5) * n / m, rounded down, in whole numbers
        rows = (2 * np.arange(mask_height) + 1) * height // (2 * mask_height)
        columns = (2 * np.arange(mask_width) + 1) * width // (2 * mask_width)
        samples = samples[rows[:, None], columns]
    depth = samples.astype(np.float32)
    if unit != 1.0:
        depth *= np.float32(unit)
    with np.errstate(invalid='ignore'):
        depth[~((depth > 0) & (depth < np.inf))] = np.nan
    return depth
