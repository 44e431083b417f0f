"""What is known of a picture that may be labelled: how sharp, and what the network says."""

from dataclasses import dataclass
import math
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from ..networks.classes import ClassSet
from ..offline.shots import Shot
from ..segmentation import Segmentation
from ..support.arrays import Float32Array, Size, UInt8Array

THUMBNAIL = Size(24, 32)
"""Size of the small pictures that near-duplicates are told by."""

_WORKING_WIDTH = 480  # at which sharpness is measured: noise of single pixels is no sharpness
_CELLS = Size(3, 4)  # of a picture, in each of which the classes are counted
_MASK_SCALE = 4  # the network's input is so many times as large as the masks that are looked at
_REACH = 1 / 32  # of the width: how far things move between neighbouring frames
_SECOND_DERIVATIVES = [np.array(rows, np.float32) for rows in (
    [[0, 0, 0], [1, -2, 1], [0, 0, 0]], [[0, 1, 0], [0, -2, 0], [0, 1, 0]],
    [[1, 0, 0], [0, -2, 0], [0, 0, 1]], [[0, 0, 1], [0, -2, 0], [1, 0, 0]])]
_DARK, _FLAT = 40, 5.0  # grey levels: the brightest there are, and how much they vary


class Segments(Protocol):
    """What is needed of a :class:`~fcn_seg_ros.segmenter.Segmenter`."""

    classes: ClassSet
    input_size: Size

    def __call__(self, image: UInt8Array, mask_size: Size, *, probabilities: bool = False
                 ) -> Segmentation:
        """
        Segment a picture.

        :param image: uint8 H x W x 3, RGB.
        :param mask_size: of the mask.
        :param probabilities: keep what the probabilities are made from.
        """


@dataclass(frozen=True, eq=False)
class Candidate:
    """
    A picture that may be chosen, without its pixels.

    :ivar recording: name of the recording.
    :ivar number: place among the recording's pictures, from 0.
    :ivar time: seconds in the recording, or the number where it has no times.
    :ivar name: of the file that it would become, without suffix.
    :ivar sharpness: of :func:`sharpness_of`.
    :ivar thumbnail: uint8 24 x 32 x 3.
    :ivar entropy: mean of the pixels' entropies, 0 (sure) to 1 (all classes alike).
    :ivar shares: float32 C, share of the pixels of each class.
    :ivar layout: float32 array, mean probability of each class in each cell of the picture.
    :ivar disagreement: share of the pixels whose class the next frame has nowhere near, or NaN.
    """

    recording: str
    number: int
    time: float
    name: str
    sharpness: float
    thumbnail: UInt8Array
    entropy: float
    shares: Float32Array
    layout: Float32Array
    disagreement: float = math.nan


def thumbnail_of(image: UInt8Array) -> UInt8Array:
    """
    Return a picture very small.

    :param image: uint8 H x W x 3, RGB.
    :returns: uint8 24 x 32 x 3.
    """
    return np.asarray(cv2.resize(image, (THUMBNAIL.width, THUMBNAIL.height),
                                 interpolation=cv2.INTER_AREA), np.uint8)


def looks_alike(first: UInt8Array, second: UInt8Array, tolerance: float = 2.5) -> bool:
    """
    Tell whether two pictures are nearly the same.

    :param first: thumbnail of one.
    :param second: thumbnail of the other.
    :param tolerance: mean difference up to which they are, grey levels.
    """
    return float(cv2.absdiff(first, second).mean()) <= tolerance


def sharpness_of(image: UInt8Array) -> float:
    """
    Return how sharp a picture is, whatever and however much there is to see in it.

    It is how strong the second derivative is, compared with that of the picture at half its size,
    in the direction in which this is the least: what is blurred or shaken in one direction
    loses fine detail before it loses coarse detail.

    :param image: uint8 H x W x 3, RGB.
    :returns: 0 (no detail), about 0.5 to 2 for sharp pictures.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    if width > _WORKING_WIDTH:
        size = _WORKING_WIDTH, max(2, round(height * _WORKING_WIDTH / width))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    fine = grey.astype(np.float32)
    coarse = cv2.resize(fine, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return min(_strength(fine, kernel) / (_strength(coarse, kernel) + 1)
               for kernel in _SECOND_DERIVATIVES)


def _strength(grey: npt.NDArray[Any], kernel: Float32Array) -> float:
    return float(cv2.filter2D(grey, cv2.CV_32F, kernel).std())


def fault_of(image: UInt8Array) -> str:
    """
    Say what makes a picture useless by itself: 'black' or 'blank', '' for nothing.

    :param image: uint8 H x W x 3, RGB.
    """
    grey = cv2.cvtColor(thumbnail_of(image), cv2.COLOR_RGB2GRAY)
    if grey.max() < _DARK:
        return 'black'
    return 'blank' if float(grey.std()) < _FLAT else ''


class Observer:
    """
    Asks a network what it makes of pictures.

    :param segmenter: the network.
    """

    def __init__(self, segmenter: Segments) -> None:
        self._segmenter = segmenter
        self._size = Size(*(max(side // _MASK_SCALE, 8) for side in segmenter.input_size))

    def observe(self, shot: Shot, image: UInt8Array) -> tuple[Candidate, UInt8Array]:
        """
        Return what is known of a picture, and the small mask that the network makes of it.

        :param shot: where the picture is from.
        :param image: its pixels, uint8 H x W x 3, RGB.
        """
        result = self._segmenter(image, self._size, probabilities=True)
        probabilities = result.probabilities()
        classes = len(probabilities)
        bits = -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=0).mean()
        layout = np.stack([cv2.resize(plane, (_CELLS.width, _CELLS.height),
                                      interpolation=cv2.INTER_AREA) for plane in probabilities])
        candidate = Candidate(
            shot.recording, shot.number, shot.number if shot.time is None else shot.time,
            shot.name, sharpness_of(image), thumbnail_of(image),
            entropy=float(bits) / math.log(max(classes, 2)),
            shares=(result.histogram[:classes] / result.class_mask.size).astype(np.float32),
            layout=layout.astype(np.float32).reshape(-1))
        return candidate, result.class_mask

    def compare(self, mask: UInt8Array, following: UInt8Array) -> float:
        """
        Return the share of a mask's pixels whose class the next frame has nowhere near.

        What has moved a little is not counted: only what turns up or vanishes.

        :param mask: of :meth:`observe`.
        :param following: the frame after it, uint8 H x W x 3, RGB.
        """
        other = self._segmenter(following, self._size).class_mask
        reach = 2 * max(1, round(_REACH * self._size.width)) + 1
        kernel = np.ones((reach, reach), np.uint8)
        lost = 0
        for class_id in np.unique(mask):
            near = cv2.dilate((other == class_id).astype(np.uint8), kernel)
            lost += int(np.count_nonzero((mask == class_id) & (near == 0)))
        return lost / mask.size
