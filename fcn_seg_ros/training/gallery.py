"""Single pictures of an evaluation: their scores, the best and worst, and what to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from .datasets import IGNORE, SegmentationDataset
from .evaluate import match_classes, Predictor
from .metrics import ConfusionMatrix
from ..networks.classes import ClassSet
from ..support.arrays import Float64Array, Size, UInt8Array

WIDTH = 480
"""Width of the pictures that are shown, pixels."""

_WRONG = (230, 30, 30)


@dataclass(frozen=True, eq=False)
class PictureScore:
    """
    The scores of one picture.

    :param index: its number in the data set.
    :param mean_iou: mean IoU of the classes in its labels, NaN without labels.
    :param ious: float64 array C, IoU per class; NaN where the labels lack the class.
    """

    index: int
    mean_iou: float
    ious: Float64Array


class PictureScores:
    """
    Collects the score of each picture, as an observer of :func:`evaluate.evaluate`.

    :param classes: the data set's.
    """

    def __init__(self, classes: ClassSet) -> None:
        self.classes = classes
        self.scores: list[PictureScore] = []

    def __call__(self, index: int, predicted: UInt8Array, labels: UInt8Array) -> None:
        """
        Take in one picture.

        :param index: its number in the data set.
        :param predicted: uint8 array H x W, ids of the data set's classes.
        :param labels: uint8 array H x W, ids of the data set's classes.
        """
        confusion = ConfusionMatrix(len(self.classes))
        confusion.update(predicted, labels)
        ious = np.where(confusion.counts.sum(1) > 0, confusion.ious, np.nan)
        known = ious[~np.isnan(ious)]
        self.scores.append(PictureScore(
            index, float(known.mean()) if known.size else float('nan'), ious))

    def worth_showing(self, worst: int = 12, best: int = 6, per_class: int = 2
                      ) -> list[PictureScore]:
        """
        Return the pictures that tell most, the worst first.

        :param worst: how many of the lowest mean IoU.
        :param best: how many of the highest.
        :param per_class: how many more of the lowest IoU of each class.
        """
        scored = sorted((score for score in self.scores if score.mean_iou == score.mean_iou),
                        key=lambda score: (score.mean_iou, score.index))
        chosen = {score.index: score for score in (*scored[:worst], *scored[::-1][:best])}
        for one in range(len(self.classes)):
            of_class = [score for score in scored if score.ious[one] == score.ious[one]]
            for score in sorted(of_class, key=lambda score: float(score.ious[one]))[:per_class]:
                chosen[score.index] = score
        return sorted(chosen.values(), key=lambda score: (score.mean_iou, score.index))


@dataclass(frozen=True, eq=False)
class Exhibit:
    """
    One picture as it is shown, each panel a uint8 array H x W x 3 (RGB) of one size.

    :param name: the picture's file name.
    :param score: its scores.
    :param panels: (title, pixels): input, truth, then mask and errors of each network.
    """

    name: str
    score: PictureScore
    panels: Sequence[tuple[str, UInt8Array]]


def make_exhibit(dataset: SegmentationDataset[Any], score: PictureScore,
                 networks: Sequence[tuple[str, ClassSet, Predictor]]) -> Exhibit:
    """
    Segment one picture again and draw what there is to see.

    :param dataset: where it comes from.
    :param score: which it is.
    :param networks: name, classes and masks of each.
    """
    picture, truth = dataset[score.index]
    image: UInt8Array = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
    labels: UInt8Array = truth.numpy()
    size = Size(max(1, round(image.shape[0] * WIDTH / image.shape[1])), WIDTH)
    small = np.asarray(cv2.resize(image, (size.width, size.height),
                                  interpolation=cv2.INTER_AREA), np.uint8)
    shown = _shrink(labels, size)
    panels = [('picture', small), ('truth', _colored(shown, dataset.classes))]
    for name, classes, predictor in networks:
        (ids, _), = predictor([image], [Size(*labels.shape)])
        mask = _shrink(match_classes(classes, dataset.classes)[ids], size)
        wrong = (mask != shown) & (shown != IGNORE)
        errors = (small // 3 + 60).astype(np.uint8)
        errors[wrong] = _WRONG
        panels += [(name, _colored(mask, dataset.classes)), (f'errors of {name}', errors)]
    return Exhibit(dataset.items[score.index][0].name, score, panels)


def _shrink(ids: UInt8Array, size: Size) -> UInt8Array:
    return np.asarray(cv2.resize(ids, (size.width, size.height),
                                 interpolation=cv2.INTER_NEAREST), np.uint8)


def _colored(ids: UInt8Array, classes: ClassSet) -> UInt8Array:
    """Return class colours; what is no class is dark grey."""
    palette = np.full((256, 3), 40, np.uint8)
    palette[:len(classes)] = classes.colors
    return palette[ids]
