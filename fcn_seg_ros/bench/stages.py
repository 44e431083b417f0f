"""The steps of a frame, each by itself, and what a frame asks of a GPU; no ROS."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch

from .timing import measure, Timing
from ..images.compressed import decode, encode_jpeg
from ..images.raw import from_rgb, to_rgb
from ..inference.devices import Device
from ..segmenter import Segmentation, Segmenter
from ..support.arrays import Size, UInt8Array
from ..support.paths import share_dir

CALLS = ('cudaGraphLaunch', 'cudaLaunchKernel', 'cudaLaunchKernelExC', 'cuLaunchKernel',
         'cuLaunchKernelEx', 'cudaMemcpyAsync', 'cudaMemsetAsync')
"""Calls of CUDA's that give it work, as PyTorch's profiler names them."""
_WARM_UP = 3


def camera_picture(size: Size, path: str = '') -> UInt8Array:
    """
    Return a picture to measure with, uint8 H x W x 3, RGB.

    :param size: of the picture.
    :param path: of an image file, '' for the street that comes with the package.
    :raises OSError: when it cannot be read.
    """
    path = path or str(share_dir() / 'demo' / 'street.jpg')
    pixels = cv2.imread(path, cv2.IMREAD_COLOR)
    if pixels is None:
        raise OSError(f'{path} cannot be read as an image')
    return np.asarray(cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB),
                                 (size.width, size.height), interpolation=cv2.INTER_AREA),
                      np.uint8)


def synchronized(function: Callable[[], object], device: Device) -> Callable[[], object]:
    """
    Return a function that also waits for the device's work to end.

    :param function: gives the device work.
    :param device: which one.
    """
    if device.type != 'cuda':
        return function

    def run() -> None:
        function()
        torch.cuda.synchronize(device.torch())
    return run


def measure_stages(segmenter: Segmenter, picture: UInt8Array, seconds: float
                   ) -> dict[str, Timing]:
    """
    Time the steps of a frame whose masks have the picture's size.

    :param segmenter: a loaded :class:`.Segmenter`.
    :param picture: uint8 array H x W x 3, RGB.
    :param seconds: about how long to go on.
    :returns: {step: :class:`Timing`} in the order of the work.
    """
    height, width = picture.shape[:2]
    bgr, jpeg = from_rgb(picture, 'bgr8'), encode_jpeg(picture)
    backend, mask_size = segmenter.backend, Size(height, width)
    kept = range(len(segmenter.classes))
    batch = backend.preprocess([picture])
    scores = deepcopy(backend.engine(batch)[0])  # a GPU's next result may overwrite it
    result = segmenter(picture)

    def fresh() -> Segmentation:
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
    steps: dict[str, Callable[[], object]] = {
        'decode rgb8': partial(decode_raw, picture.ravel(), encoding='rgb8', step=3 * width),
        'decode bgr8': partial(decode_raw, bgr.ravel(), encoding='bgr8', step=3 * width),
        'decode JPEG': partial(decode, np.frombuffer(jpeg, np.uint8), 'jpeg'),
        **{name: synchronized(step, segmenter.device) for name, step in on_device.items()},
        'colours': lambda: fresh().color_mask,
        'overlay and colours': lambda: fresh().overlay(),
        'fractions': lambda: fresh().fractions,
        'picture to masks': partial(segmenter, picture)}
    return measure(steps, seconds)


def count_launches(frame: Callable[[], object], profile: Callable[..., Any] | None = None
                   ) -> dict[str, int]:
    """
    Count what the processor gives to the GPU for a frame, and what the GPU does for it.

    :param frame: does everything for a frame and waits for its end.  It is run some times
        before it is counted: what is recorded at the first has to be.
    :param profile: stands in for ``torch.profiler.profile``.
    :returns: calls of each kind that there were any of, of all kinds, and the kernels and copies
        that the GPU ran.
    """
    for _ in range(_WARM_UP):
        frame()
    kinds = torch.profiler.ProfilerActivity
    with (profile or torch.profiler.profile)(activities=[kinds.CPU, kinds.CUDA]) as profiler:
        frame()
    events = profiler.events()
    calls = {name: sum(event.name == name for event in events) for name in CALLS}
    on_gpu = sum(event.device_type == torch.autograd.DeviceType.CUDA for event in events)
    return {**{name: count for name, count in calls.items() if count},
            'launches': sum(calls.values()), 'kernels and copies': on_gpu}
