"""Regions of the image and their class fractions."""

from fcn_seg_ros.fractions import class_fractions, count_ids, pixel_roi, region_fractions
import numpy as np
import pytest

MASK = np.array([[0, 0, 1, 1], [0, 2, 1, 255]], np.uint8)


def test_fractions_and_unknown_sum_to_one():
    fractions = class_fractions(count_ids(MASK), 3)
    assert fractions.classes.dtype == np.float32
    assert fractions.classes.tolist() == [0.375, 0.375, 0.125]
    assert fractions.unknown == 0.125
    assert fractions.pixels == 8


def test_ids_beyond_the_network_are_unknown():
    assert class_fractions(count_ids(MASK), 2).unknown == 0.25


@pytest.mark.parametrize('shape', [(480, 640), (225, 400), (7, 13)])
def test_the_sum_is_one_for_odd_counts(shape):
    mask = np.random.default_rng(3).integers(0, 12, shape).astype(np.uint8)
    fractions = class_fractions(count_ids(mask), 11)
    total = fractions.classes.sum(dtype=np.float64) + fractions.unknown
    assert total == pytest.approx(1, abs=1e-6)


def test_regions_count_their_own_pixels():
    result = region_fractions(MASK, {'left': (0, 0, 0.5, 1), 'right': (0.5, 0, 1, 1)}, 3)
    assert list(result) == ['left', 'right']
    roi, left = result['left']
    assert roi == (0, 0, 2, 2)
    assert left.classes.tolist() == [0.75, 0.0, 0.25]
    roi, right = result['right']
    assert roi == (2, 0, 2, 2)
    assert (right.classes.tolist(), right.unknown) == ([0.0, 0.75, 0.0], 0.25)


@pytest.mark.parametrize('width', [1, 2, 3, 5, 7, 640, 641])
def test_regions_that_share_an_edge_share_no_pixel(width):
    edges = [0.0, 0.25, 0.5, 1.0]
    spans = [pixel_roi((a, 0.0, b, 1.0), 10, width) for a, b in zip(edges, edges[1:])]
    assert all(span[2] >= 1 for span in spans)
    assert all(span[0] + span[2] <= width for span in spans)
    if width >= 4:
        assert spans[0][0] == 0
        assert all(a[0] + a[2] == b[0] for a, b in zip(spans, spans[1:]))
        assert sum(span[2] for span in spans) == width


@pytest.mark.parametrize('box', [(0.5, 0, 0.5, 1), (0.6, 0, 0.5, 1), (-0.1, 0, 1, 1),
                                 (0, 0, 1, 1.1), (0, float('nan'), 1, 1)])
def test_what_is_no_rectangle_is_refused(box):
    with pytest.raises(ValueError, match='x0 < x1'):
        pixel_roi(box, 10, 10)
