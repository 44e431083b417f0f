"""The steps of a frame, each by itself, without ROS."""

from copy import deepcopy
from functools import partial

import cv2
import numpy as np

from .timing import measure
from ..images.compressed import decode, encode_jpeg
from ..images.raw import from_rgb, to_rgb
from ..segmenter import Segmentation
from ..support.arrays import Size
from ..support.paths import share_dir


def camera_picture(size, path=''):
    """
    Return a picture to measure with, uint8 H x W x 3, RGB.

    :param size: (width, height).
    :param path: of an image file, '' for the street that comes with the package.
    :raises OSError: when it cannot be read.
    """
    path = path or str(share_dir() / 'demo' / 'street.jpg')
    pixels = cv2.imread(path, cv2.IMREAD_COLOR)
    if pixels is None:
        raise OSError(f'{path} cannot be read as an image')
    return cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), size,
                      interpolation=cv2.INTER_AREA)


def synchronized(function, device):
    """Return a function that also waits for the device's work to end."""
    if device.type != 'cuda':
        return function

    def run():
        import torch
        function()
        torch.cuda.synchronize(device.torch())
    return run


def measure_stages(segmenter, picture, seconds):
    """
    Time the steps of a frame whose masks have the picture's size.

    :param segmenter: a loaded :class:`.Segmenter`.
    :param picture: uint8 array H x W x 3, RGB.
    :returns: {step: :class:`Timing`} in the order of the work.
    """
    height, width = picture.shape[:2]
    bgr, jpeg = from_rgb(picture, 'bgr8'), encode_jpeg(picture)
    backend, mask_size = segmenter.backend, Size(height, width)
    kept = range(len(segmenter.classes))
    batch = backend.preprocess([picture])
    scores = deepcopy(backend.engine(batch)[0])  # a GPU's next result may overwrite it
    result = segmenter(picture)

    def fresh():
        """Return the result without the pictures that it keeps once they are drawn."""
        return Segmentation(picture, result.class_mask, result.confidence, result.classes,
                            segmenter.palette)

    decode_raw = partial(to_rgb, height=height, width=width)
    classify = partial(backend.classify, scores, mask_size, kept)
    on_device = {
        'pre-processing': partial(backend.preprocess, [picture]),
        'forward': partial(backend.engine, batch),
        'class ids and confidence': classify,
        'class ids alone': partial(classify, want_confidence=False)}
    steps = {
        'decode rgb8': partial(decode_raw, picture.ravel(), encoding='rgb8', step=3 * width),
        'decode bgr8': partial(decode_raw, bgr.ravel(), encoding='bgr8', step=3 * width),
        'decode JPEG': partial(decode, np.frombuffer(jpeg, np.uint8), 'jpeg'),
        **{name: synchronized(step, segmenter.device) for name, step in on_device.items()},
        'colours': lambda: fresh().color_mask,
        'overlay and colours': lambda: fresh().overlay(),
        'fractions': lambda: fresh().fractions,
        'picture to masks': partial(segmenter, picture)}
    return measure(steps, seconds)
