"""
Scores of masks against labels.

Every score is computed from sums over the whole data set, never as a mean of the
pictures' scores; what cannot be scored (a class that occurs nowhere) is NaN and left
out of means, not counted as 0.
"""

import cv2
import numpy as np

from .datasets import IGNORE


class ConfusionMatrix:
    """
    Counts of pixels by true and predicted class.

    :param num_classes: number of classes C.
    :ivar counts: int64 array C x (C + 1), row = true class, column = predicted; the last
        column counts pixels predicted as no class of the data set (e.g. unknown).
    """

    def __init__(self, num_classes):
        self.counts = np.zeros((num_classes, num_classes + 1), np.int64)

    def update(self, predicted, labels):
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
    def _hits(self):
        return np.diagonal(self.counts).astype(np.float64)

    @property
    def accuracy(self):
        """Return the share of the labelled pixels that are right."""
        return _share(self._hits.sum(), self.counts.sum())

    @property
    def class_accuracies(self):
        """Return the share of each class's pixels that are right (recall), float64 array C."""
        return _share(self._hits, self.counts.sum(1))

    @property
    def mean_class_accuracy(self):
        """Return the mean of :attr:`class_accuracies` over the classes in the labels."""
        return nan_mean(self.class_accuracies)

    @property
    def ious(self):
        """Return intersection over union per class; NaN if in neither labels nor masks."""
        counts = self.counts[:, :-1]
        return _share(self._hits, self.counts.sum(1) + counts.sum(0) - self._hits)

    @property
    def mean_iou(self):
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

    def __init__(self, num_classes, tolerance=3):
        self.tolerance = tolerance
        # predicted boundary pixels: near, all; true boundary pixels: near, all
        self._sums = np.zeros((num_classes, 4), np.int64)

    def update(self, predicted, labels):
        """Add one picture: uint8 arrays H x W of class ids."""
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

    def _near(self, edges):
        if not edges.any():
            return edges
        distance = cv2.distanceTransform(
            (~edges).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return distance <= self.tolerance + 1e-4

    @property
    def scores(self):
        """Return the F-score per class, float64 array C; NaN where no boundary of it occurs."""
        near, ours, found, theirs = self._sums.T.astype(np.float64)
        # F with P = near / ours and R = found / theirs, in a form without 0 / 0.
        result = _share(2 * near * found, near * theirs + found * ours)
        result[(near + found == 0) & (ours + theirs > 0)] = 0.0
        return result

    @property
    def mean(self):
        """Return the mean of :attr:`scores` over the classes whose boundary occurs."""
        return nan_mean(self.scores)


class CalibrationError:
    """
    Expected calibration error (C. Guo et al., ICML 2017) over equal bins of confidence.

    ECE = sum over bins of (pixels in bin / all pixels) x abs(accuracy - mean confidence).

    :param bins: number of bins of the range 0..1; bin i is (i / bins, (i + 1) / bins].
    """

    def __init__(self, bins=15):
        self._sums = np.zeros((3, bins), np.float64)  # pixels, right ones, confidence

    def update(self, confidence, predicted, labels):
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

    @property
    def value(self):
        """Return the expected calibration error, 0 (calibrated) to 1."""
        total, right, confidence = self._sums
        return _share(np.abs(right - confidence).sum(), total.sum())


def nan_mean(values):
    """Return the mean of the values that are not NaN, NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float('nan')


def _share(part, whole):
    """Divide; 0 / 0 is NaN without a warning."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    result = np.full(np.broadcast(part, whole).shape, np.nan)
    np.divide(part, whole, out=result, where=whole != 0)
    return result if result.ndim else float(result)


def _edges(mask, valid):
    """Return where a 4-neighbour, inside the picture and labelled, has another class."""
    edges = np.zeros(mask.shape, bool)
    across = mask[:, 1:] != mask[:, :-1]
    edges[:, 1:] |= across & valid[:, :-1]
    edges[:, :-1] |= across & valid[:, 1:]
    down = mask[1:] != mask[:-1]
    edges[1:] |= down & valid[:-1]
    edges[:-1] |= down & valid[1:]
    return edges
