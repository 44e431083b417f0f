"""What arrays and sizes are called in signatures: one order, height before width."""

import re
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

UInt8Array: TypeAlias = npt.NDArray[np.uint8]
"""Pictures (H x W x 3, RGB), class masks and confidences (H x W)."""

BoolArray: TypeAlias = npt.NDArray[np.bool_]
"""Which pixels, rays or cells are meant."""

Int64Array: TypeAlias = npt.NDArray[np.int64]
"""Counts and indices."""

Float32Array: TypeAlias = npt.NDArray[np.float32]
"""Depth and coordinates in metres, scores, probabilities."""

Float64Array: TypeAlias = npt.NDArray[np.float64]
"""Poses, camera matrices, shares."""

MAX_SIDE = 8192
"""Longest side of a picture or mask that is made on request, pixels."""

MAX_PIXELS = 64_000_000
"""Most pixels of a picture or mask that is made on request."""


class Size(NamedTuple):
    """
    A picture's size in pixels.  Only texts put the width first, see :func:`parse_size`.

    :ivar height: rows.
    :ivar width: columns.
    """

    height: int
    width: int

    def __str__(self) -> str:
        return f'{self.width}x{self.height}'


def parse_size(text: str, *, least: int = 1, most: int = MAX_SIDE) -> Size:
    """
    Return the size that a text like ``640x360`` (width x height) names.

    :param text: what the user wrote.
    :param least: shortest side, pixels.
    :param most: longest side, pixels.
    :raises ValueError: when it is none, or out of bounds.
    """
    match = re.fullmatch(r'(\d{1,5})[xX](\d{1,5})', text, re.ASCII)
    width, height = map(int, match.groups()) if match else (0, 0)
    if not (least <= width <= most and least <= height <= most
            and width * height <= MAX_PIXELS):
        raise ValueError(f"'{text[:40]}' is not WIDTHxHEIGHT, each {least} to {most} "
                         f'and {MAX_PIXELS} pixels at most')
    return Size(height, width)
