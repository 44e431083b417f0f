"""Colours and counts of class ids: the compiled ones are OpenCV's, and both are NumPy's."""

import cv2
from fcn_seg_ros import fractions
from fcn_seg_ros.fractions import count_ids
from fcn_seg_ros.images import drawing
from fcn_seg_ros.images.drawing import paint_classes
from fcn_seg_ros.support import compiled
import numpy as np
import pytest


@pytest.fixture(params=['compiled', 'opencv'])
def how(request, monkeypatch):
    """Take the compiled library, or do without it."""
    if request.param == 'opencv':
        for module in (fractions, drawing):
            monkeypatch.setattr(module, 'load', lambda: None)
    elif compiled.load() is None:
        pytest.skip('the compiled library is not built here')


def noise(height, width):
    """Return a mask in which neighbours differ."""
    return np.random.default_rng(7).integers(0, 256, (height, width), np.uint8)


def blocks(height, width):
    """Return a mask of blocks, larger than what is looked at at once and not a multiple of it."""
    return np.ascontiguousarray(
        np.kron(noise(-(-height // 5), -(-width // 19)), np.ones((5, 19), np.uint8))
        [:height, :width])


MASKS = [make(*size) for make in (noise, blocks)
         for size in ((1, 1), (1, 8), (3, 7), (9, 16), (50, 101))]


@pytest.mark.parametrize('mask', MASKS)
def test_colours(how, mask):
    palette = np.random.default_rng(1).integers(0, 256, (256, 1, 3), np.uint8)
    painted = paint_classes(mask, palette)
    assert painted.dtype == np.uint8
    assert np.array_equal(painted, palette[mask, 0])
    assert np.array_equal(paint_classes(mask.T, palette), palette[mask.T, 0])


@pytest.mark.parametrize('mask', MASKS)
def test_counts(how, mask):
    assert np.array_equal(count_ids(mask), np.bincount(mask.ravel(), minlength=256))
    region = mask[1:, 1:-1]
    if region.size:
        assert np.array_equal(count_ids(region), np.bincount(region.ravel(), minlength=256))


def test_the_compiled_ones_are_used(monkeypatch):
    if compiled.load() is None:
        pytest.skip('the compiled library is not built here')
    for name in ('calcHist', 'applyColorMap'):
        monkeypatch.delattr(cv2, name)
    mask = blocks(30, 40)
    assert count_ids(mask).sum() == mask.size
    assert paint_classes(mask, np.zeros((256, 1, 3), np.uint8)).shape == (30, 40, 3)
