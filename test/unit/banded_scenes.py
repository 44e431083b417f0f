"""Scenes of sharp blocks, and a network that tells class and certainty by their colours."""

import cv2
from fake_segmenter import CLASSES, FakeSegmenter
from fcn_seg_ros.segmentation import GridScores, Segmentation
from fcn_seg_ros.support.arrays import Size
import numpy as np


class Bands(FakeSegmenter):
    """The class is red // 64, and the surer the greener."""

    input_size = Size(48, 64)

    def __init__(self):
        self.calls = 0

    def __call__(self, image, mask_size=None, *, probabilities=False):
        self.calls += 1
        size = mask_size or image.shape[:2]
        small = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
        mask = (small[:, :, 0] // 64).astype(np.uint8)
        scores = np.stack([np.where(mask == index, small[:, :, 1] / 16.0, 0)
                           for index in range(4)]).astype(np.float32)
        palette = np.zeros((256, 1, 3), np.uint8)
        palette[:len(CLASSES), 0] = CLASSES.colors
        return Segmentation(small, mask, small[:, :, 1].copy(), CLASSES, palette,
                            GridScores(scores, (0, 1, 2, 3)) if probabilities else None)


def scene(seed, size=(96, 128), *, sure=True):
    """Return a picture of sharp blocks, another one for each seed."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = image.repeat(size[0] // 6, 0).repeat(size[1] // 8, 1)
    image[:, :, 1] = 250 if sure else 0
    return image
