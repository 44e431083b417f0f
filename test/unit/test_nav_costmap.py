"""The evidence grid, vote by vote."""

from dataclasses import replace
import math

from fcn_seg_ros.geometry.pose import FARTHEST
from fcn_seg_ros.navigation.costmap import EvidenceGrid, GridSettings, Observation
import numpy as np
import pytest

SETTINGS = GridSettings(width=2.0, height=1.0, resolution=0.25, half_life=1.0)
"""Four rows of eight cells; centred on 0, 0 its corner is (-1, -0.5)."""


def grid(**changes):
    """Return a grid around the origin."""
    result = EvidenceGrid(replace(SETTINGS, **changes))
    result.center_on(0.0, 0.0)
    return result


def seen(ground=(), obstacle=()):
    """Return an observation of (x, y, cost, confidence) and (x, y, confidence)."""
    g = np.array(ground, np.float32).reshape(-1, 4)
    o = np.array(obstacle, np.float32).reshape(-1, 3)
    return Observation(g[:, :2], g[:, 2], g[:, 3], o[:, :2], o[:, 2])


def value_at(result, x, y):
    """Return the grid's value at a place, through its origin."""
    column, row = (math.floor((v - o) / 0.25) for v, o in zip((x, y), result.origin))
    return result.data()[row, column]


def test_the_grid_starts_unobserved_and_centred():
    result = grid()
    assert result.data().shape == (4, 8)
    assert result.data().dtype == np.int8
    assert (result.data() == -1).all()
    assert result.origin == (-1.0, -0.5)
    assert (grid(unobserved=0).data() == 0).all()


def test_ground_has_its_cost_and_obstacles_have_100():
    result = grid()
    result.add(seen([(0.1, 0.1, 30, 0.9), (-0.9, -0.4, 98, 1.0)], [(0.9, 0.3, 0.8)]), 5.0)
    assert value_at(result, 0.1, 0.1) == 30
    assert result.data()[0, 0] == 98
    assert result.data()[3, 7] == 100
    assert (result.data() == -1).sum() == 29


def test_the_first_row_is_the_lowest_y():
    result = grid()
    result.add(seen([(-0.9, 0.4, 7, 1.0)]), 0.0)
    assert result.data()[3, 0] == 7


def test_a_grid_works_as_far_away_as_poses_may_be():
    result = EvidenceGrid(replace(SETTINGS, resolution=0.001, width=0.1, height=0.1))
    result.center_on(FARTHEST, -FARTHEST)
    here, one = np.array([[FARTHEST + 0.01, 0.01 - FARTHEST]]), np.ones(1, np.float32)
    result.add(Observation(here, 7 * one, one, np.empty((0, 2)), one[:0]), 0.0)
    assert (result.data() == 7).sum() == 1
    assert np.abs(result.unhit_centers(here) - here).max() < 0.1


def test_costs_in_a_cell_are_averaged_by_confidence():
    result = grid()
    result.add(seen([(0.1, 0.1, 0, 0.5), (0.2, 0.2, 60, 1.0)]), 0.0)
    assert value_at(result, 0.1, 0.1) == 40  # 60 / 1.5


def test_an_obstacle_in_a_cell_outweighs_the_ground_before_it():
    result = grid()
    result.add(seen([(0.1, 0.1, 0, 1.0)] * 50, [(0.2, 0.2, 0.9)]), 0.0)
    assert value_at(result, 0.1, 0.1) == 100


def test_too_little_evidence_is_none():
    result = grid(min_evidence=0.8)
    result.add(seen([(0.1, 0.1, 30, 0.5)] * 9), 0.0)  # one frame, one vote
    assert value_at(result, 0.1, 0.1) == -1
    result.add(seen([(0.1, 0.1, 30, 0.5)]), 0.0)
    assert value_at(result, 0.1, 0.1) == 30


def test_evidence_decays_by_half_a_half_life():
    result = grid(min_evidence=0.5)
    result.add(seen([(0.1, 0.1, 30, 0.9)]), 10.0)
    result.add(seen(), 10.8)  # 0.9 / 2 ** 0.8 = 0.517
    assert value_at(result, 0.1, 0.1) == 30
    result.add(seen(), 10.9)  # 0.9 / 2 ** 0.9 = 0.482
    assert value_at(result, 0.1, 0.1) == -1


def test_an_endless_half_life_forgets_nothing():
    result = grid(half_life=math.inf)
    result.add(seen([(0.1, 0.1, 30, 0.9)]), 0.0)
    result.add(seen(), 1e9)
    assert value_at(result, 0.1, 0.1) == 30


def test_a_cell_seen_for_long_changes_its_mind_within_a_few_frames():
    result = grid(half_life=math.inf, max_evidence=3.0)
    for _ in range(100):
        result.add(seen([(0.1, 0.1, 40, 1.0)]), 0.0)
    values = []
    for _ in range(4):
        result.add(seen([], [(0.1, 0.1, 1.0)]), 0.0)
        values.append(value_at(result, 0.1, 0.1).item())
    # shares of obstacle 1 / 4, (3/4 + 1) / 4 = 7 / 16, (21/16 + 1) / 4 = 37 / 64
    assert values == [40, 40, 100, 100]
    for _ in range(100):
        result.add(seen([], [(0.1, 0.1, 1.0)]), 0.0)
    values = []
    for _ in range(4):
        result.add(seen([(0.1, 0.1, 40, 1.0)]), 0.0)
        values.append(value_at(result, 0.1, 0.1).item())
    assert values == [100, 100, 40, 40]


def test_capping_keeps_the_mean_cost():
    result = grid(half_life=math.inf)
    for cost in [20] * 50 + [80] * 50:
        result.add(seen([(0.1, 0.1, cost, 1.0)]), 0.0)
    # of the first cost 0.75 ** 50 is left
    assert value_at(result, 0.1, 0.1) == 80


def test_costs_never_reach_inscribed():
    result = grid()
    result.add(seen([(0.1, 0.1, 98, 1.0)]), 0.0)
    assert value_at(result, 0.1, 0.1) == 98


def test_two_cameras_vote_in_one_grid_a_little_out_of_order():
    result = grid(min_evidence=0.4)
    result.add(seen([(0.1, 0.1, 30, 1.0)]), 10.0)
    result.add(seen([(-0.6, -0.1, 50, 1.0)]), 9.0)  # one half-life old: half a vote
    assert result.stamp == 10.0
    assert value_at(result, 0.1, 0.1) == 30
    assert value_at(result, -0.6, -0.1) == 50
    result.add(seen(), 10.5)
    assert value_at(result, 0.1, 0.1) == 30
    assert value_at(result, -0.6, -0.1) == -1  # 0.5 / 2 ** 0.5 = 0.35


def test_time_set_back_starts_the_grid_over():
    result = grid(half_life=math.inf)
    result.add(seen([(0.1, 0.1, 30, 1.0)]), 100.0)
    result.add(seen([(-0.6, -0.1, 50, 1.0)]), 1.0)
    assert (result.stamp, result.restarts) == (1.0, 1)
    assert value_at(result, 0.1, 0.1) == -1
    assert value_at(result, -0.6, -0.1) == 50


def test_the_grid_moves_by_whole_cells_and_keeps_what_stays_inside():
    result = EvidenceGrid(GridSettings(width=4.0, height=4.0, resolution=0.25))
    result.center_on(0.0, 0.0)
    places = [(-1.9, 0.1, 10), (1.9, 0.1, 20), (0.1, -1.9, 30), (0.1, 1.9, 40)]
    result.add(seen([(x, y, c, 1.0) for x, y, c in places]), 0.0)
    result.center_on(1.13, -0.9)  # floor(1.13 / 0.25) = 4, floor(-0.9 / 0.25) = -4
    assert result.origin == (-1.0, -3.0)
    assert value_at(result, 1.9, 0.1) == 20
    assert value_at(result, 0.1, -1.9) == 30
    assert sorted(result.data()[result.data() >= 0].tolist()) == [20, 30]
    # what fell off stays off
    result.center_on(0.0, 0.0)
    assert sorted(result.data()[result.data() >= 0].tolist()) == [20, 30]
    assert value_at(result, 1.9, 0.1) == 20


def test_a_jump_further_than_the_grid_empties_it():
    result = grid()
    result.add(seen([(0.1, 0.1, 10, 1.0)]), 0.0)
    result.center_on(1000.0, -1000.0)
    assert (result.data() == -1).all()
    result.add(seen([(1000.1, -999.9, 10, 1.0)]), 0.0)
    assert value_at(result, 1000.1, -999.9) == 10


def test_small_moves_leave_the_origin_alone():
    result = EvidenceGrid(GridSettings(width=4.0, height=4.0, resolution=0.25))
    result.center_on(0.0, 0.0)
    result.center_on(0.45, -0.45)
    assert result.origin == (-2.0, -2.0)


def test_points_outside_change_nothing():
    result = grid()
    result.add(seen([(5.0, 0.0, 9, 1.0), (0.0, -0.51, 9, 1.0)], [(-1.01, 0.0, 1.0)]), 0.0)
    assert (result.data() == -1).all()


def test_unhit_centers_are_the_other_cells():
    centers = grid().unhit_centers(np.array([[-0.9, -0.4], [-0.8, -0.3], [7.0, 7.0]]))
    assert centers.shape == (31, 2)
    assert centers[0].tolist() == [-0.625, -0.375]
    assert centers[-1].tolist() == [0.875, 0.375]


@pytest.mark.parametrize('values', [
    {'width': 0.0}, {'resolution': -1.0}, {'resolution': 0.0001}, {'height': 0.01},
    {'half_life': 0.0}, {'min_evidence': 0.0}, {'max_evidence': 0.1}, {'unobserved': 50},
    {'obstacle_share': 0.0}, {'obstacle_share': 1.5}, {'time_jump': 0.0},
    {'width': float('nan')}, {'max_evidence': math.inf}])
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(ValueError, match='.'):
        replace(SETTINGS, **values)


def test_a_grid_that_is_looked_at_later_has_forgotten():
    result = grid(min_evidence=0.4)
    result.add(seen([(0.1, 0.1, 30, 0.9)], [(0.9, 0.3, 0.8)]), 5.0)
    assert (result.data(0.9) == result.data()).all()
    assert (result.data(2.0) == -1).all()
    assert value_at(result, 0.1, 0.1) == 30  # looking changes nothing
