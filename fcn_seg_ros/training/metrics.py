"""
Scores of masks against labels.

Every score is computed from sums over the whole data set, never as a mean of the
pictures' scores; what cannot be scored (a class that occurs nowhere) is NaN and left
out of means, not counted as 0.
"""

import cv2
import numpy as np
import numpy.typing as npt

from .datasets import IGNORE
from ..support.arrays import Float64Array, UInt8Array

BoolArray = npt.NDArray[np.bool_]


class ConfusionMatrix:
    """
    Counts of pixels by true and predicted class.

    :param num_classes: number of classes C.
    :ivar counts: int64 array C x (C + 1), row = true class, column = predicted; the last
        column counts pixels predicted as no class of the data set (e.g. unknown).
    """

    def __init__(self, num_classes: int) -> None:
        self.counts = np.zeros((num_classes, num_classes + 1), np.int64)

    def update(self, predicted: UInt8Array, labels: UInt8Array) -> None:
        """
        Add one picture.

        :param predicted: uint8 array H x W of class ids; ids from C on are wrong everywhere.
        :param labels: uint8 array H x W of class ids; ids from C on are left out.
        """
        rows, columns = self.counts.shape
        valid = labels < rows
        columns_of = np.minimum(predicted[valid], columns - 1).astype(np.int64)
        pairs = labels[valid].astype(np.int64) * columns + columns_of
        self.counts += np.bincount(pairs, minlength=rows * columns).reshape(rows, columns)

    @property
    def _hits(self) -> Float64Array:
        return np.diagonal(self.counts).astype(np.float64)

    @property
    def accuracy(self) -> float:
        """Return the share of the labelled pixels that are right."""
        return _share(self._hits.sum(), self.counts.sum())

    @property
    def class_accuracies(self) -> Float64Array:
        """Return the share of each class's pixels that are right (recall), float64 array C."""
        return _shares(self._hits, self.counts.sum(1))

    @property
    def mean_class_accuracy(self) -> float:
        """Return the mean of :attr:`class_accuracies` over the classes in the labels."""
        return nan_mean(self.class_accuracies)

    @property
    def ious(self) -> Float64Array:
        """Return intersection over union per class; NaN if in neither labels nor masks."""
        counts = self.counts[:, :-1]
        return _shares(self._hits, self.counts.sum(1) + counts.sum(0) - self._hits)

    @property
    def mean_iou(self) -> float:
        """Return the mean of :attr:`ious` over the classes that occur in labels or masks."""
        return nan_mean(self.ious)


class BoundaryScore:
    """
    Boundary F-score per class (G. Csurka, D. Larlus, F. Perronnin, BMVC 2013).

    The boundary of a class is its pixels that have a 4-neighbour of another class inside
    the picture (neighbours without a label do not count).  Precision is the share of the predicted
    boundary within ``tolerance`` pixels (Euclidean) of the true one, recall the share
    of the true boundary within ``tolerance`` of the predicted one; as in the DAVIS
    benchmark (F. Perazzi et al., CVPR 2016) a distance decides, not a one-to-one match.
    F = 2PR / (P + R) of the sums over all pictures; 0 if only one of the two boundaries
    exists.  Predicted boundary pixels without a label do not count.

    :param num_classes: number of classes C.
    :param tolerance: pixels of the label picture.
    """

    def __init__(self, num_classes: int, tolerance: int = 3) -> None:
        self.tolerance = tolerance
        # predicted boundary pixels: near, all; true boundary pixels: near, all
        self._sums = np.zeros((num_classes, 4), np.int64)

    def update(self, predicted: UInt8Array, labels: UInt8Array) -> None:
        """
        Add one picture.

        :param predicted: uint8 array H x W of class ids.
        :param labels: uint8 array H x W of class ids; ids from C on are left out.
        """
        valid = labels < len(self._sums)
        edges_predicted = _edges(predicted, valid) & valid
        edges_true = _edges(labels, valid) & valid
        present = np.union1d(np.unique(predicted[edges_predicted]), np.unique(labels[edges_true]))
        for index in present[present < len(self._sums)]:
            ours = edges_predicted & (predicted == index)
            theirs = edges_true & (labels == index)
            self._sums[index] += (
                (ours & self._near(theirs)).sum(), ours.sum(),
                (theirs & self._near(ours)).sum(), theirs.sum())

    def _near(self, edges: BoolArray) -> BoolArray:
        if not edges.any():
            return edges
        distance = cv2.distanceTransform(
            (~edges).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return np.asarray(distance <= self.tolerance + 1e-4)

    @property
    def scores(self) -> Float64Array:
        """Return the F-score per class, float64 array C; NaN where no boundary of it occurs."""
        near, ours, found, theirs = self._sums.T.astype(np.float64)
        # F with P = near / ours and R = found / theirs, in a form without 0 / 0.
        result = _shares(2 * near * found, near * theirs + found * ours)
        result[(near + found == 0) & (ours + theirs > 0)] = 0.0
        return result

    @property
    def mean(self) -> float:
        """Return the mean of :attr:`scores` over the classes whose boundary occurs."""
        return nan_mean(self.scores)


class ExpectedCalibrationError:
    """
    Expected calibration error (C. Guo et al., ICML 2017) over equal bins of confidence.

    ECE = sum over bins of (pixels in bin / all pixels) x abs(accuracy - mean confidence).

    :param bins: number of bins of the range 0..1; bin i is (i / bins, (i + 1) / bins].
    """

    def __init__(self, bins: int = 15) -> None:
        self._sums = np.zeros((3, bins), np.float64)  # pixels, right ones, confidence

    def update(self, confidence: UInt8Array, predicted: UInt8Array, labels: UInt8Array
               ) -> None:
        """
        Add one picture; labels of :data:`IGNORE` are left out.

        :param confidence: uint8 array H x W, probability x 255.
        :param predicted: uint8 array H x W of class ids.
        :param labels: uint8 array H x W of class ids.
        """
        bins = self._sums.shape[1]
        valid = labels != IGNORE
        value = confidence[valid].astype(np.float64) / 255
        right = predicted[valid] == labels[valid]
        # In integers, as c / 255 * bins can miss a bin's edge by rounding.
        place = np.maximum((confidence[valid].astype(np.int64) * bins + 254) // 255 - 1, 0)
        self._sums += [np.bincount(place, weights, bins) for weights in
                       (np.ones_like(value), right.astype(np.float64), value)]

    def reliability(self) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Return mean confidence, accuracy and share of the pixels of each bin; NaN if empty."""
        total, right, confidence = self._sums
        return (_shares(confidence, total), _shares(right, total),
                total / max(1.0, float(total.sum())))

    @property
    def value(self) -> float:
        """Return the expected calibration error, 0 (calibrated) to 1."""
        total, right, confidence = self._sums
        return _share(np.abs(right - confidence).sum(), total.sum())


def nan_mean(values: Float64Array) -> float:
    """
    Return the mean of the values that are not NaN, NaN if there are none.

    :param values: float64 array.
    """
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float('nan')


def _shares(part: Float64Array, whole: npt.NDArray[np.float64] | npt.NDArray[np.int64]
            ) -> Float64Array:
    """Divide element by element; 0 / 0 is NaN without a warning."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)


def _share(part: float, whole: float) -> float:
    """Divide; 0 / 0 is NaN."""
    return float(part) / float(whole) if whole else float('nan')


def _edges(mask: UInt8Array, valid: BoolArray) -> BoolArray:
    """Return where a 4-neighbour, inside the picture and labelled, has another class."""
    edges = np.zeros(mask.shape, bool)
    across = mask[:, 1:] != mask[:, :-1]
    edges[:, 1:] |= across & valid[:, :-1]
    edges[:, :-1] |= across & valid[:, 1:]
    down = mask[1:] != mask[:-1]
    edges[1:] |= down & valid[:-1]
    edges[:-1] |= down & valid[1:]
    return edges
