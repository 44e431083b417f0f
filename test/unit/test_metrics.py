"""Scores against values worked out by hand."""

from fcn_seg_ros.training.metrics import BoundaryScore, ConfusionMatrix, ExpectedCalibrationError
import numpy as np
import pytest


def array(*rows):
    return np.array(rows, np.uint8)


def test_confusion_matrix_by_hand():
    matrix = ConfusionMatrix(3)
    matrix.update(array([0, 0, 1, 1]), array([0, 1, 1, 255]))
    matrix.update(array([0, 1, 0, 0]), array([0, 1, 255, 0]))
    assert matrix.counts.tolist() == [[3, 0, 0, 0], [1, 2, 0, 0], [0, 0, 0, 0]]
    assert matrix.accuracy == pytest.approx(5 / 6)
    np.testing.assert_allclose(matrix.class_accuracies, [1, 2 / 3, np.nan])
    np.testing.assert_allclose(matrix.ious, [3 / 4, 2 / 3, np.nan])
    assert matrix.mean_iou == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert matrix.mean_class_accuracy == pytest.approx((1 + 2 / 3) / 2)


def test_a_class_only_predicted_counts_as_zero_and_unknown_as_wrong():
    matrix = ConfusionMatrix(3)
    matrix.update(array([0, 2, 255, 0]), array([0, 0, 0, 0]))
    assert matrix.accuracy == pytest.approx(1 / 2)
    np.testing.assert_allclose(matrix.ious, [1 / 2, np.nan, 0])
    assert matrix.mean_iou == pytest.approx(1 / 4)


def test_no_labels_at_all_is_nan_not_zero():
    matrix = ConfusionMatrix(2)
    matrix.update(array([0, 1]), array([255, 255]))
    assert np.isnan(matrix.accuracy) and np.isnan(matrix.mean_iou)


def split_at(column, size=20):
    mask = np.zeros((size, size), np.uint8)
    mask[:, column:] = 1
    return mask


@pytest.mark.parametrize('shift, expected', [(0, 1.0), (3, 1.0), (4, 0.0), (-3, 1.0), (-4, 0.0)])
def test_boundary_tolerance_is_three_pixels(shift, expected):
    score = BoundaryScore(2)
    score.update(split_at(10 + shift), split_at(10))
    np.testing.assert_allclose(score.scores, [expected, expected])


def test_boundary_precision_and_recall_by_hand():
    # The true border of class 1 is column 10; the mask has it in rows 0..9 only, where
    # row 9 closes it: 10 pixels of column 10 and the rest of row 9.
    labels, predicted = split_at(10), split_at(10)
    predicted[10:] = 0
    score = BoundaryScore(2, tolerance=3)
    score.update(predicted, labels)
    # Class 1: ours = 10 + 9 = 19 pixels, near = 10 + 3 (columns 11..13 of row 9);
    # theirs = 20, found: rows 0..12.
    precision, recall = 13 / 19, 13 / 20
    assert score.scores[1] == pytest.approx(2 * precision * recall / (precision + recall))


def test_boundary_of_missing_and_absent_classes():
    score = BoundaryScore(3)
    score.update(np.zeros((20, 20), np.uint8), split_at(10))
    np.testing.assert_allclose(score.scores, [0, 0, np.nan])
    assert score.mean == 0
    empty = BoundaryScore(3)
    empty.update(np.zeros((5, 5), np.uint8), np.zeros((5, 5), np.uint8))
    assert np.isnan(empty.mean)


def test_unlabelled_regions_make_no_boundary():
    labels = split_at(10)
    labels[:, 10:] = 255
    score = BoundaryScore(2)
    score.update(np.zeros((20, 20), np.uint8), labels)
    assert np.isnan(score.mean)
    # What the mask does in the unlabelled half is not judged.
    score.update(split_at(15), labels)
    assert np.isnan(score.mean)


def test_calibration_error_by_hand():
    error = ExpectedCalibrationError(bins=15)
    # Four pixels of confidence 1, three right: |3 - 4| = 1; two of 0.6, both right:
    # |2 - 1.2| = 0.8; one ignored.
    error.update(array([255, 255, 255, 255, 153, 153, 0]), array([0, 0, 0, 0, 1, 1, 1]),
                 array([0, 0, 0, 1, 1, 1, 255]))
    assert error.value == pytest.approx((1 + 0.8) / 6)


def test_calibration_bins_do_not_cancel_each_other():
    error = ExpectedCalibrationError(bins=15)
    # 0.2 and always right, 1.0 and never: over one bin these would cancel partly.
    error.update(array([51, 255]), array([0, 0]), array([0, 1]))
    assert error.value == pytest.approx((0.8 + 1.0) / 2)


def test_bins_are_closed_above():
    error = ExpectedCalibrationError(bins=15)
    # 17 / 255 is exactly 1 / 15, the last value of the first bin; 0 is in it too. Their
    # errors of opposite sign cancel, as they share the bin: |1 - 1/15| / 2.
    error.update(array([17, 0]), array([0, 0]), array([1, 0]))
    assert error.value == pytest.approx((1 - 1 / 15) / 2)
