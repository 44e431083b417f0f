"""
Clouds: one fixed point layout, written without copies.

===========  =======  ======  =========================================================
field        type     offset  content
===========  =======  ======  =========================================================
x, y, z      float32  0 4 8   optical frame, m; NaN where nothing is known (REP-117)
confidence   float32  12      probability of the class, 0 to 1
rgb          float32  16      the class colour, 0x00RRGGBB as the bits of a float (PCL)
class_id     uint8    20      class, 255 = unknown; three bytes of padding follow
===========  =======  ======  =========================================================

A point takes 24 bytes, so that every field is aligned; rows are not padded.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..support.arrays import Float32Array, Int64Array, UInt8Array

POINT = np.dtype({
    'names': ['x', 'y', 'z', 'confidence', 'rgb', 'class_id'],
    'formats': ['<f4', '<f4', '<f4', '<f4', '<f4', 'u1'],
    'offsets': [0, 4, 8, 12, 16, 20],
    'itemsize': 24})
"""The layout above."""

PointArray: TypeAlias = npt.NDArray[np.void]
"""Points of that layout."""

_PROBABILITY = np.float32(1 / 255)


def rgb_table(colors: UInt8Array) -> Float32Array:
    """
    Return the packed colour of every class id.

    :param colors: uint8 array C x 3, RGB; ids beyond it (255 among them) are black.
    :returns: float32 array 256; the bits count, not the values.
    """
    table = np.zeros(256, '<u4')
    c = np.asarray(colors, np.uint32)
    table[:len(c)] = c[:, 0] << 16 | c[:, 1] << 8 | c[:, 2]
    return table.view(np.float32)


def organized_cloud(rays: Float32Array, depth: Float32Array, class_mask: UInt8Array,
                    confidence: UInt8Array, rgb: Float32Array, out: PointArray | None = None
                    ) -> PointArray:
    """
    Return one point per mask pixel, row-major.

    :param rays: float32 array H x W x 2.
    :param depth: float32 array H x W, m along the optical axis, NaN for none.
    :param class_mask: uint8 array H x W.
    :param confidence: uint8 array H x W, probability x 255.
    :param rgb: float32 array 256, see :func:`rgb_table`.
    :param out: array of H * W :data:`POINT` to fill, or None for a new one.
    :returns: the filled array, H * W long.
    """
    height, width = depth.shape
    if out is None:
        out = np.empty(height * width, POINT)
    grid = out.reshape(height, width)
    with np.errstate(invalid='ignore'):
        np.multiply(rays[..., 0], depth, out=grid['x'])
        np.multiply(rays[..., 1], depth, out=grid['y'])
    # A pixel with depth but no ray (outside the lens's field) has no z either.
    grid['z'] = np.where(np.isnan(rays[..., 0]), np.float32(np.nan), depth)
    _attributes(grid, class_mask, confidence, rgb)
    return out


def sparse_cloud(xyz: Float32Array, pixels: Int64Array, class_mask: UInt8Array,
                 confidence: UInt8Array, rgb: Float32Array, out: PointArray | None = None
                 ) -> PointArray:
    """
    Return the points of some pixels.

    :param xyz: float32 array N x 3, optical frame.
    :param pixels: int array N, row-major indices into the masks.
    :param class_mask: as in :func:`organized_cloud`, and so the three that follow.
    :param confidence: see there.
    :param rgb: see there.
    :param out: array of N :data:`POINT` to fill, or None for a new one.
    :returns: array of N :data:`POINT`.
    """
    if out is None:
        out = np.empty(len(pixels), POINT)
    out['x'], out['y'], out['z'] = xyz[:, 0], xyz[:, 1], xyz[:, 2]
    _attributes(out, class_mask.reshape(-1)[pixels], confidence.reshape(-1)[pixels], rgb)
    return out


def _attributes(out: PointArray, class_ids: UInt8Array, confidence: UInt8Array, rgb: Float32Array
                ) -> None:
    np.multiply(confidence, _PROBABILITY, out=out['confidence'], dtype=np.float32)
    out['rgb'] = rgb[class_ids]
    out['class_id'] = class_ids
