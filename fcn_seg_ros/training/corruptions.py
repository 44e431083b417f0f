"""What cameras and links do to pictures, to measure how a network stands it."""

from collections import namedtuple

import cv2
import numpy as np

Condition = namedtuple('Condition', 'name change scale')
"""
One condition of the robustness measurement.

``change(rgb, seed)`` returns the changed uint8 H x W x 3 picture; ``scale`` is the factor of
the network's input size, so that objects are seen that much larger or smaller.
"""

BLUR_SIGMA = 1.5
"""Pixels of a picture 480 wide; grows with the width."""

NOISE_SIGMA = 20.0
"""Grey levels of 255."""


def _same(rgb, _):
    return rgb


def _gain(factor):
    def change(rgb, _):
        return cv2.convertScaleAbs(rgb, alpha=factor)  # saturates at 255
    return change


def _blur(rgb, _):
    return cv2.GaussianBlur(rgb, (0, 0), BLUR_SIGMA * rgb.shape[1] / 480)


def _noise(rgb, seed):
    noise = np.random.default_rng(seed).normal(0, NOISE_SIGMA, rgb.shape)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8)


def _jpeg(quality):
    def change(rgb, _):
        _, data = cv2.imencode('.jpg', rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
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
