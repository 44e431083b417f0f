"""OpenCV's conversions of colours, for pictures of any size."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..support.arrays import UInt8Array


def convert_colors(pixels: npt.NDArray[Any], code: int) -> UInt8Array:
    """
    Convert the colours of a picture, that of a single pixel too.

    OpenCV 4.5.4, which Ubuntu 22.04 has, refuses to exchange the channels of 1 x 1 pixels: its
    own check of such a row's stride fails.  So one pixel is converted as a row of two.

    :param pixels: array H x W or H x W x channels, of a type that ``code`` is for.
    :param code: one of OpenCV's ``COLOR_...`` to 8-bit channels.
    :returns: new uint8 array, H x W or H x W x channels.
    """
    if pixels.shape[:2] == (1, 1):
        return np.asarray(cv2.cvtColor(np.repeat(pixels, 2, 1), code)[:, :1], np.uint8)
    return np.asarray(cv2.cvtColor(pixels, code), np.uint8)
