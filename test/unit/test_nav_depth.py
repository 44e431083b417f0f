"""Depth per mask pixel: from depth images and from the ground plane."""

import math

from fcn_seg_ros.errors import ImageError
from fcn_seg_ros.geometry.camera import MaskCamera
from fcn_seg_ros.geometry.pose import Pose
from fcn_seg_ros.navigation.depth import depth_for_mask, view_depth
from fcn_seg_ros.navigation.plane import plane_depth, PlaneDepthCache, within_range
import numpy as np
import pytest

CAMERA = MaskCamera(height=5, width=5, fx=2.0, fy=2.0, cx=2.0, cy=2.0)
"""Rays of -1, -0.5, 0, 0.5, 1 either way."""


def test_millimetres_become_metres_and_zero_is_nothing():
    samples = np.array([[0, 1500], [65535, 1]], '<u2')
    view, unit = view_depth(samples.tobytes(), 2, 2, '16UC1', 4)
    depth = depth_for_mask(view, unit, (2, 2), (2, 2))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [[np.nan, 1.5], [65.535, 0.001]], rtol=1e-6)


def test_what_is_no_distance_in_metres_is_nothing():
    samples = np.array([[np.nan, np.inf, -np.inf], [0.0, -1.0, 2.5]], '<f4')
    view, unit = view_depth(samples.tobytes(), 2, 3, '32FC1', 12)
    depth = depth_for_mask(view, unit, (2, 3), (2, 3))
    np.testing.assert_array_equal(depth, [[np.nan] * 3, [np.nan, np.nan, 2.5]])


def test_padded_rows_and_the_other_byte_order():
    rows = np.array([[1000, 2000, 9], [3000, 4000, 9]], '>u2')
    view, unit = view_depth(rows.tobytes(), 2, 2, '16UC1', 6, is_bigendian=True)
    np.testing.assert_allclose(depth_for_mask(view, unit, (2, 2), (2, 2)), [[1, 2], [3, 4]])


def test_the_last_row_needs_no_padding():
    view, _ = view_depth(bytes(4 + 2), 2, 1, '16UC1', 4)
    assert view.shape == (2, 1)


@pytest.mark.parametrize(('arguments', 'kind'), [
    ((bytes(8), 2, 2, '8UC1', 4), 'encoding'), ((bytes(8), 2, 2, 'rgb8', 4), 'encoding'),
    ((bytes(8), 2, 2, '16UC1', 3), 'step'), ((bytes(7), 2, 2, '16UC1', 4), 'truncated'),
    ((bytes(8), 2, 2, '32FC1', 4), 'step'), ((bytes(0), 0, 2, '16UC1', 4), 'size')])
def test_a_malformed_depth_image_is_refused_by_kind(arguments, kind):
    with pytest.raises(ImageError) as caught:
        view_depth(*arguments)
    assert caught.value.kind == kind
    assert '\n' not in str(caught.value)


def test_depth_of_another_size_gives_the_sample_under_each_pixels_centre():
    samples = np.arange(1, 9, dtype=np.float32).reshape(2, 4)
    # twice as many mask pixels: each sample four times
    grown = depth_for_mask(samples, 1.0, (4, 8), (100, 200))
    np.testing.assert_array_equal(grown, np.kron(samples, np.ones((2, 2))))
    # three columns over four samples: centres at 0.67, 2, 3.33
    shrunk = depth_for_mask(samples, 1.0, (1, 3), (100, 200))
    np.testing.assert_array_equal(shrunk, [[5, 7, 8]])


def test_a_mask_of_another_aspect_still_covers_the_same_view():
    samples = np.ones((48, 64), np.float32)
    assert depth_for_mask(samples, 1.0, (256, 512), (480, 640)).shape == (256, 512)


def test_depth_of_another_field_of_view_is_refused():
    with pytest.raises(ImageError, match='register') as caught:
        depth_for_mask(np.ones((480, 848), np.float32), 1.0, (480, 640), (480, 640))
    assert caught.value.kind == 'size'


def test_an_odd_size_is_not_another_aspect():
    depth_for_mask(np.ones((240, 321), np.float32), 1.0, (480, 641), (480, 641))


def test_the_ground_from_a_camera_that_looks_down_by_45_degrees():
    # The middle ray falls one metre a metre: the ground is sqrt(2) along it from 1 m height.
    pose = Pose.from_mount(height=1.0, pitch=math.pi / 4)
    depth = plane_depth(CAMERA.rays, pose)
    assert depth.dtype == np.float32
    assert depth[2, 2] == pytest.approx(math.sqrt(2), rel=1e-6)
    # ray (0, 0.5, 1) falls 1.5 / sqrt(2) per unit of depth
    assert depth[3, 2] == pytest.approx(math.sqrt(2) / 1.5, rel=1e-6)
    assert (depth[3] == depth[3, 2]).all()
    # the top row looks along the horizon
    assert np.isnan(depth[0]).all()
    point = pose.apply(np.array([0.0, 0.5, 1.0]) * depth[3, 2])
    np.testing.assert_allclose(point, (1 / 3, 0.0, 0.0), atol=1e-6)


def test_above_the_horizon_there_is_no_ground():
    depth = plane_depth(CAMERA.rays, Pose.from_mount(height=1.0))
    assert np.isnan(depth[:3]).all()
    np.testing.assert_allclose(depth[3:, 0], [2.0, 1.0], rtol=1e-6)


def test_a_camera_below_the_ground_sees_none():
    pose = Pose(Pose.from_mount(height=1.0).rotation, np.array([0.0, 0.0, -1.0]))
    assert np.isnan(plane_depth(CAMERA.rays, pose)).all()


def test_the_ground_may_lie_at_another_height():
    depth = plane_depth(CAMERA.rays, Pose.from_mount(height=1.0).over_ground(0.5))
    np.testing.assert_allclose(depth[4], 0.5, rtol=1e-6)


def test_a_roll_tilts_the_horizon():
    depth = plane_depth(CAMERA.rays, Pose.from_mount(height=1.0, roll=math.pi / 4))
    # leaning right: the right side of the image sees ground, the left sky
    assert np.isfinite(depth[2]).tolist() == [False, False, False, True, True]


def test_no_ray_no_ground():
    rays = CAMERA.rays.copy()
    rays[4, 0] = np.nan
    assert np.isnan(plane_depth(rays, Pose.from_mount(height=1.0))[4, 0])


def test_range_is_measured_from_the_lens():
    lengths = np.array([1.0, 2.0, 1.0], np.float32)
    depth = np.array([3.0, 3.0, np.nan], np.float32)
    assert within_range(depth, lengths, 0.0, 5.0).tolist()[:2] == [3.0, pytest.approx(
        np.nan, nan_ok=True)]
    assert np.isnan(within_range(depth, lengths, 4.0, 9.0)).tolist() == [True, False, True]


def test_the_ground_of_a_rigid_mount_is_computed_once():
    cache = PlaneDepthCache(0.0, 10.0)
    first = cache.get(CAMERA, Pose.from_mount(height=1.0, pitch=0.3))
    assert cache.get(CAMERA, Pose.from_mount(height=1.0, pitch=0.3)) is first
    assert cache.get(CAMERA, Pose.from_mount(height=1.1, pitch=0.3)) is not first
    other = MaskCamera(height=5, width=5, fx=2.0, fy=2.0, cx=2.0, cy=2.0)
    assert cache.get(other, Pose.from_mount(height=1.1, pitch=0.3)) is not first
    assert not first.flags.writeable


@pytest.mark.filterwarnings('error')
def test_absurd_depth_is_out_of_range_without_a_warning():
    depth, lengths = np.float32([3e38, 1.0]), np.float32([1e9, 1.0])
    assert np.isnan(within_range(depth, lengths, 0.0, 5.0)).tolist() == [True, False]
