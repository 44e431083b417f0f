"""What cameras and links do to pictures, to measure how a network stands it."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np

from ..support.arrays import UInt8Array

Change: TypeAlias = Callable[[UInt8Array, int], UInt8Array]
"""A function of a picture, uint8 H x W x 3 (RGB), and a seed that returns another picture."""


class Condition(NamedTuple):
    """
    One condition of the robustness measurement.

    :ivar name: what it is called in a report.
    :ivar change: what happens to each picture.
    :ivar scale: factor of the network's input size, so that objects are seen that much larger
        or smaller.
    """

    name: str
    change: Change
    scale: float


BLUR_SIGMA = 1.5
"""Pixels of a picture 480 wide; grows with the width."""

NOISE_SIGMA = 20.0
"""Grey levels of 255."""


def _same(rgb: UInt8Array, _: int) -> UInt8Array:
    return rgb


def _gain(factor: float) -> Change:
    def change(rgb: UInt8Array, _: int) -> UInt8Array:
        # It saturates at 255.
        return np.asarray(cv2.convertScaleAbs(rgb, alpha=factor), np.uint8)
    return change


def _blur(rgb: UInt8Array, _: int) -> UInt8Array:
    sigma = BLUR_SIGMA * rgb.shape[1] / 480
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.uint8)


def _noise(rgb: UInt8Array, seed: int) -> UInt8Array:
    noise = np.random.default_rng(seed).normal(0, NOISE_SIGMA, rgb.shape)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8)


def through_jpeg(rgb: UInt8Array, quality: int) -> UInt8Array:
    """
    Compress a picture as JPEG and decompress it.

    :param rgb: uint8 array H x W x 3, any strides.
    :param quality: 1 to 100.
    """
    _, data = cv2.imencode('.jpg', rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert bgr is not None  # it is what we have just encoded
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _jpeg(quality: int) -> Change:
    def change(rgb: UInt8Array, _: int) -> UInt8Array:
        return through_jpeg(rgb, quality)
    return change


CONDITIONS = (
    Condition('brightness -40 %', _gain(0.6), 1.0),
    Condition('brightness +40 %', _gain(1.4), 1.0),
    Condition('blur', _blur, 1.0),
    Condition('noise', _noise, 1.0),
    Condition('JPEG 30', _jpeg(30), 1.0),
    Condition('scale 0.5x', _same, 0.5),
    Condition('scale 2x', _same, 2.0),
)
