"""Marking and clearing points on small hand-made masks."""

import math

from fcn_seg_ros.geometry.camera import MaskCamera
from fcn_seg_ros.geometry.pose import Pose
from fcn_seg_ros.navigation import obstacles
from fcn_seg_ros.navigation.feet import Directions, find_feet
from fcn_seg_ros.navigation.obstacles import CloudLimits, Geometry, without_speckles
from fcn_seg_ros.navigation.plane import plane_depth, within_range
import numpy as np
import pytest

CAMERA = MaskCamera(height=8, width=6, fx=4.0, fy=4.0, cx=2.5, cy=-0.5)
"""Row r looks down by (r + 0.5) / 4: a level camera 1 m up sees 4 / (r + 0.5) m ahead."""
POSE = Pose.from_mount(height=1.0)
LIMITS = CloudLimits(max_range=100.0, voxel=0.0)


def mask(*rows):
    """Return a bool mask from text, # for True."""
    return np.array([[c == '#' for c in row] for row in rows])


def obstacle_points(geometry, obstacle, limits):
    """Return the marked points of a mask."""
    if geometry.measured:
        return obstacles.measured_points(geometry, obstacle, limits)[0]
    feet = find_feet(geometry.camera, obstacle, directions(geometry))
    return obstacles.foot_points(geometry, feet, limits)


def ground_points(geometry, ground, obstacle, limits):
    """Return the clearing points of a mask."""
    feet = find_feet(geometry.camera, obstacle, directions(geometry))
    return obstacles.ground_points(geometry, ground, feet, directions(geometry), limits)


def directions(geometry):
    """Return the directions of a geometry."""
    return Directions(geometry.pose.rotation if geometry.pose else None, CAMERA.fx)


def on_plane(limits=LIMITS):
    """Return the geometry of flat ground."""
    depth = within_range(plane_depth(CAMERA.rays, POSE), CAMERA.ray_lengths, limits.min_range,
                         limits.max_range)
    return Geometry(CAMERA, depth, False, POSE)


def measured(depth, pose=POSE):
    """Return a geometry with one measured depth everywhere."""
    return Geometry(CAMERA, np.full((8, 6), depth, np.float32), True, pose)


@pytest.mark.parametrize(('least', 'kept'), [(1, 7), (2, 5), (3, 3), (4, 0), (9, 0)])
def test_low_runs_of_obstacle_pixels_are_speckles(least, kept):
    assert without_speckles(mask('##.', '##.', '.#.', '#..', '..#'), least).sum() == kept


def test_a_foot_stands_where_its_pixels_bottom_edge_meets_the_ground():
    obstacle = np.zeros((8, 6), bool)
    obstacle[0:3, 1] = True
    found = obstacle_points(on_plane(), obstacle, LIMITS)
    # row 2's bottom edge: v = 2.5, (2.5 + 0.5) / 4 = 0.75 down per metre ahead
    assert found.pixels.tolist() == [2 * 6 + 1]
    ahead = 1 / 0.75
    np.testing.assert_allclose(found.xyz, [[(1 - 2.5) / 4 * ahead, 1.0, ahead]], rtol=1e-6)
    assert found.xyz.dtype == np.float32


def test_nothing_above_the_foot_is_marked():
    obstacle = np.zeros((8, 6), bool)
    obstacle[0:2, 3] = True   # something behind, seen above ...
    obstacle[4:6, 3] = True   # ... something in front
    found = obstacle_points(on_plane(), obstacle, LIMITS)
    assert found.pixels.tolist() == [5 * 6 + 3]


def test_an_obstacle_cut_by_the_bottom_border_stands_at_the_nearest_ground_in_view():
    obstacle = np.zeros((8, 6), bool)
    obstacle[3:, 2] = True
    found = obstacle_points(on_plane(), obstacle, LIMITS)
    # the border is v = 7.5: (7.5 + 0.5) / 4 = 2 down per metre ahead
    assert found.xyz[0, 2] == pytest.approx(0.5)


def test_an_obstacle_that_ends_above_the_horizon_has_no_foot():
    level = MaskCamera(height=8, width=6, fx=4.0, fy=4.0, cx=2.5, cy=3.5)
    depth = plane_depth(level.rays, POSE)
    obstacle = np.zeros((8, 6), bool)
    obstacle[0:3, :] = True
    assert len(obstacle_points(Geometry(level, depth, False, POSE), obstacle, LIMITS).xyz) == 0


def test_feet_out_of_range_are_left_out():
    obstacle = np.zeros((8, 6), bool)
    obstacle[0, 1] = obstacle[3, 4] = True
    limits = CloudLimits(max_range=2.0, voxel=0.0)
    # row 0's bottom edge is 4 m ahead, row 3's 1 m
    assert obstacle_points(on_plane(limits), obstacle, limits).pixels.tolist() == [3 * 6 + 4]


def test_measured_obstacles_are_all_their_pixels():
    obstacle = np.zeros((8, 6), bool)
    obstacle[0:2, 1] = True
    found = obstacle_points(measured(2.0), obstacle, LIMITS)
    assert found.pixels.tolist() == [1, 7]
    np.testing.assert_allclose(found.xyz[1], ((1 - 2.5) / 4 * 2, (1 + 0.5) / 4 * 2, 2.0))


def test_measured_points_too_high_or_low_are_left_out():
    obstacle = np.ones((8, 6), bool)
    # 2 m away, row r is 1 - (r + 0.5) / 2 m above the ground: 0.75, 0.25, -0.25, ...
    limits = CloudLimits(max_range=100.0, voxel=0.0, min_height=0.0, max_height=0.5)
    found = obstacle_points(measured(2.0), obstacle, limits)
    assert found.pixels.tolist() == list(range(6, 12))
    # without a pose there are no heights
    assert len(obstacle_points(measured(2.0, None), obstacle, limits).pixels) == 48


@pytest.mark.parametrize(('limits', 'high', 'low'), [
    ({}, [0, 1], [2]), ({'min_obstacle_height': 0.3}, [0], [1, 2]),
    ({'min_obstacle_height': -9.0, 'depth_noise': 0.0}, [0, 1, 2], []),
    # three standard deviations of ground that is seen from 1 m above it
    ({'depth_noise': 0.1}, [0], [1, 2])])
def test_what_lies_on_the_ground_is_no_obstacle(limits, high, low):
    obstacle = np.zeros((8, 6), bool)
    obstacle[:, 2] = True
    # 2 m away, row r is 1 - (r + 0.5) / 2 m above the ground: 0.75, 0.25, -0.25, -0.75, ...
    limits = CloudLimits(max_range=100.0, voxel=0.0, **limits)
    marked, left = obstacles.measured_points(measured(2.0), obstacle, limits)
    assert (marked.pixels // 6).tolist() == high
    assert (left.pixels // 6).tolist() == low
    # without a pose nobody knows what lies on the ground
    marked, left = obstacles.measured_points(measured(2.0, None), obstacle, limits)
    assert (len(marked.pixels), len(left.pixels)) == (8, 0)


def test_feet_on_the_ground_plane_stay_whatever_the_margin():
    obstacle = np.zeros((8, 6), bool)
    obstacle[0:3, 1] = True
    limits = CloudLimits(max_range=100.0, voxel=0.0, min_obstacle_height=1.0)
    assert obstacle_points(on_plane(), obstacle, limits).pixels.tolist() == [2 * 6 + 1]


def test_pixels_without_depth_mark_nothing():
    geometry = measured(2.0)
    geometry.depth[0] = np.nan
    obstacle = np.zeros((8, 6), bool)
    obstacle[0] = True
    assert len(obstacle_points(geometry, obstacle, LIMITS).xyz) == 0


def test_the_clearing_cloud_is_the_ground_in_front_of_obstacles():
    ground = mask('......', '......', '######', '######', '######', '######', '######', '######')
    obstacle = np.zeros((8, 6), bool)
    obstacle[4, 0] = True
    ground[4, 0] = False
    found = ground_points(on_plane(), ground, obstacle, LIMITS)
    column = found.pixels[found.pixels % 6 == 0] // 6
    assert column.tolist() == [5, 6, 7]
    # the direction beside it counts as well, those further off do not
    assert (found.pixels % 6 == 5).sum() == 6
    # on the plane: 1 m below the lens
    np.testing.assert_allclose(found.xyz[:, 1], 1.0, rtol=1e-6)


def test_measured_ground_is_cut_at_the_foot_as_well():
    obstacle = np.zeros((8, 6), bool)
    obstacle[4] = True
    found = ground_points(measured(0.75), ~obstacle, obstacle, LIMITS)
    assert set((found.pixels // 6).tolist()) == {5, 6}  # row 7 is too low


def test_a_stride_takes_every_nth_row_and_column():
    limits = CloudLimits(max_range=100.0, voxel=0.0, stride=3, min_height=-9.0,
                         min_obstacle_height=-9.0, depth_noise=0.0)
    found = obstacle_points(measured(2.0), np.ones((8, 6), bool), limits)
    assert found.pixels.tolist() == [0, 3, 18, 21, 36, 39]


@pytest.mark.parametrize(('shape', 'stride'), [((225, 400), 1), ((480, 640), 2), ((720, 1280), 3),
                                               ((1080, 1920), 5), ((8, 6), 1)])
def test_the_stride_bounds_the_work_on_large_masks(shape, stride):
    assert CloudLimits().stride_for(shape) == stride


def test_one_point_a_voxel_is_kept_the_first():
    limits = CloudLimits(max_range=100.0, voxel=1.0, min_height=-9.0,
                         min_obstacle_height=-9.0, depth_noise=0.0)
    found = obstacle_points(measured(2.2), np.ones((8, 6), bool), limits)
    cells = {tuple(cell) for cell in np.floor(found.xyz).astype(int).tolist()}
    assert len(cells) == len(found.pixels) == 4 * 5
    assert found.pixels.tolist() == sorted(found.pixels.tolist())
    assert found.pixels[0] == 0
    everything = obstacle_points(measured(2.2), np.ones((8, 6), bool),
                                 CloudLimits(max_range=100.0, voxel=0.0, min_height=-9.0,
                                             min_obstacle_height=-9.0, depth_noise=0.0))
    assert cells == {tuple(cell) for cell in np.floor(everything.xyz).astype(int).tolist()}


@pytest.mark.parametrize('values', [
    {'max_range': 0.0}, {'max_range': math.inf}, {'min_range': -1.0}, {'stride': -1},
    {'min_range': 10.0}, {'min_height': 2.0}, {'voxel': -0.1}, {'voxel': float('nan')},
    {'min_pixels': 0}, {'min_obstacle_height': 2.0}, {'depth_noise': -0.1}, {'depth_noise': 1.0},
    {'depth_noise': float('nan')}, {'max_range': 100.0, 'voxel': 0.01}])
def test_limits_that_make_no_sense_are_refused(values):
    with pytest.raises(ValueError, match='.'):
        CloudLimits(**values)
