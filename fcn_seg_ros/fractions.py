"""Class fractions of named rectangles of a mask."""

from collections.abc import Mapping, Sequence
import ctypes
from dataclasses import dataclass
import math
from typing import TypeAlias

import cv2
import numpy as np

from .support.arrays import Float32Array, Int64Array, UInt8Array
from .support.compiled import load, pointer

Box: TypeAlias = tuple[float, float, float, float]
"""A rectangle (x0, y0, x1, y1) in shares of the image, 0 to 1 from the left and the top."""


@dataclass(frozen=True, eq=False)
class Fractions:
    """
    Shares of the pixels; classes and unknown sum to 1.

    :param classes: float32 array C, index = class id.
    :param unknown: share of the pixels with no class of the network.
    :param pixels: how many pixels were counted.
    """

    classes: Float32Array
    unknown: float
    pixels: int


def pixel_roi(box: Sequence[float], height: int, width: int) -> tuple[int, int, int, int]:
    """
    Return (x_offset, y_offset, width, height) of a rectangle in the pixels of a mask.

    Edges go to the nearest pixel border, so that regions that share an edge share no pixel
    and leave none out.  A region has at least one pixel.

    :param box: (x0, y0, x1, y1) in shares of the image, 0 to 1 from the left and the top.
    :param height: rows of the mask, pixels.
    :param width: columns of the mask, pixels.
    :raises ValueError: when it is not such a box.
    """
    x0, y0, x1, y1 = box
    if not (0.0 <= x0 < x1 <= 1.0 and 0.0 <= y0 < y1 <= 1.0):
        raise ValueError(f'the region {list(box)} must be [x0, y0, x1, y1] with '
                         '0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1')
    x, roi_width = _span(x0, x1, width)
    y, roi_height = _span(y0, y1, height)
    return x, y, roi_width, roi_height


def count_ids(class_mask: UInt8Array) -> Int64Array:
    """
    Return how many pixels each class id has, int64 array of 256.

    :param class_mask: uint8 array H x W, or a view into one.
    """
    library = load()
    if library is None or class_mask.strides[1] != 1:
        counts = cv2.calcHist([class_mask], [0], None, [256], [0, 256])
        # float32 counts are exact below 2^24 pixels
        return np.asarray(counts).ravel().astype(np.int64)
    result = np.empty(256, np.int64)
    library.fcn_seg_count(pointer(class_mask), ctypes.c_int64(class_mask.strides[0]),
                          *class_mask.shape, pointer(result))
    return result


def class_fractions(counts: Int64Array, num_classes: int) -> Fractions:
    """
    Return the shares of the classes.

    :param counts: as of :func:`count_ids`, of at least one pixel.
    :param num_classes: C; ids from C on count as unknown.
    :returns: :class:`Fractions`.
    """
    pixels = int(counts.sum())
    shares = counts / pixels
    return Fractions(shares[:num_classes].astype(np.float32),
                     float(shares[num_classes:].sum()), pixels)


def region_fractions(
        class_mask: UInt8Array, boxes: Mapping[str, Sequence[float]], num_classes: int
) -> dict[str, tuple[tuple[int, int, int, int], Fractions]]:
    """
    Count the classes of some regions.

    :param class_mask: uint8 array H x W, class id per pixel.
    :param boxes: {name: box}, boxes as in :func:`pixel_roi`.
    :param num_classes: C; ids from C on count as unknown.
    :returns: {name: (roi, :class:`Fractions`)}, in the order of ``boxes``.
    """
    result = {}
    for name, box in boxes.items():
        x, y, width, height = roi = pixel_roi(box, *class_mask.shape)
        result[name] = roi, class_fractions(
            count_ids(class_mask[y:y + height, x:x + width]), num_classes)
    return result


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    # floor(v + 0.5), not round(): a half always goes the same way
    start = min(math.floor(low * size + 0.5), size - 1)
    return start, max(1, math.floor(high * size + 0.5) - start)
