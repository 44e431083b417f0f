"""Mounts, transforms and the cost of a pitch error, by hand."""

import math

from fcn_seg_ros.errors import CalibrationError
from fcn_seg_ros.geometry.pose import Pose, range_error
import numpy as np
import pytest

HALF = math.sqrt(0.5)


def test_a_level_camera_looks_ahead():
    pose = Pose.from_mount(height=1.2, x=0.3, y=-0.1)
    np.testing.assert_allclose(pose.apply([0.0, 0.0, 2.0]), (2.3, -0.1, 1.2), atol=1e-12)
    # right in the image is right of the robot, down is down
    np.testing.assert_allclose(pose.rotation @ (1.0, 0.0, 0.0), (0.0, -1.0, 0.0), atol=1e-12)
    np.testing.assert_allclose(pose.rotation @ (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), atol=1e-12)


@pytest.mark.parametrize(('angles', 'ahead', 'right'), [
    ({'pitch': math.pi / 2}, (0, 0, -1), (0, -1, 0)),    # looks straight down
    ({'yaw': math.pi / 2}, (0, 1, 0), (1, 0, 0)),        # looks left
    ({'roll': math.pi / 2}, (1, 0, 0), (0, 0, -1)),      # its right side hangs down
    ({'roll': math.pi / 2, 'pitch': math.pi / 2}, (0, 0, -1), (-1, 0, 0)),
])
def test_mount_angles_turn_as_in_urdf(angles, ahead, right):
    pose = Pose.from_mount(height=1.0, **angles)
    np.testing.assert_allclose(pose.rotation @ (0, 0, 1), ahead, atol=1e-12)
    np.testing.assert_allclose(pose.rotation @ (1, 0, 0), right, atol=1e-12)


def test_the_optical_frames_usual_quaternion_is_the_level_mount():
    pose = Pose.from_quaternion((0.3, -0.1, 1.2), (-0.5, 0.5, -0.5, 0.5))
    assert pose.same_as(Pose.from_mount(height=1.2, x=0.3, y=-0.1))


def test_a_quaternion_about_z_turns_left():
    pose = Pose.from_quaternion((1.0, 2.0, 0.0), (0.0, 0.0, HALF, HALF))
    np.testing.assert_allclose(pose.apply([1.0, 0.0, 0.0]), (1.0, 3.0, 0.0), atol=1e-12)


def test_poses_chain_and_invert():
    base = Pose.from_quaternion((10.0, 0.0, 0.0), (0.0, 0.0, HALF, HALF))
    chained = base @ Pose.from_mount(height=1.0, x=0.5)
    # half a metre ahead of a base that looks along y
    np.testing.assert_allclose(chained.translation, (10.0, 0.5, 1.0), atol=1e-12)
    assert (chained @ chained.inverse()).same_as(Pose(np.eye(3), np.zeros(3)))


@pytest.mark.parametrize('degrees', [0.0, 0.001, 2.0, 90.0, 179.0, 180.0])
def test_the_difference_of_poses_is_a_way_and_a_turn(degrees):
    pose = Pose.from_mount(height=1.0, pitch=0.4, yaw=-2.0)
    turn = Pose.from_mount(height=1.0, roll=math.radians(degrees)).rotation \
        @ Pose.from_mount(height=1.0).rotation.T
    moved = Pose(turn @ pose.rotation, pose.translation + (0.3, 0.0, -0.4))
    assert pose.difference(moved) == pytest.approx((0.5, degrees), abs=1e-5)
    assert moved.difference(pose) == pytest.approx((0.5, degrees), abs=1e-5)


def test_points_keep_single_precision():
    assert Pose(np.eye(3), np.zeros(3)).apply(np.zeros((2, 3), np.float32)).dtype == np.float32


@pytest.mark.parametrize(('translation', 'quaternion'), [
    ((0, 0, 0), (0, 0, 0, 0)), ((0, 0, 0), (0, 0, 0, 1.2)), ((0, 0, float('nan')), (0, 0, 0, 1)),
    ((0, 0, 0), (float('nan'), 0, 0, 1)), ((0, float('-inf'), 0), (0, 0, 0, 1)),
    ((0, 1e10, 0), (0, 0, 0, 1))])
def test_what_is_no_transform_is_refused(translation, quaternion):
    with pytest.raises(CalibrationError, match='transform'):
        Pose.from_quaternion(translation, quaternion)


@pytest.mark.parametrize('mount', [{'height': 0.0}, {'height': -1.0}, {'height': float('nan')},
                                   {'height': 1.0, 'pitch': float('inf')}])
def test_a_mount_that_sees_no_ground_is_refused(mount):
    with pytest.raises(CalibrationError, match='mount'):
        Pose.from_mount(**mount)


def test_range_error_is_that_of_the_geometry():
    # Looking 1 degree further down than told, from 1 m: 5 m seem 5.497 m.
    error = range_error(5.0, 1.0, math.radians(1.0))
    assert error == pytest.approx(1.0 / math.tan(math.atan2(1, 5) - math.radians(1)) - 5)
    assert error == pytest.approx(0.4972, abs=1e-4)
    assert range_error(5.0, 1.0, math.radians(-1.0)) < 0
    # first order: (25 + 1) / 1 per radian
    assert range_error(5.0, 1.0, 1e-6) == pytest.approx(26e-6, rel=1e-4)
    assert range_error(5.0, 1.0, 0.2) == math.inf


@pytest.mark.parametrize('angles', [
    {}, {'pitch': 0.3, 'yaw': -2.0, 'roll': 0.1}, {'roll': math.pi / 2}, {'yaw': math.pi},
    {'pitch': math.pi / 2}, {'roll': math.pi}])
def test_the_quaternion_is_that_of_the_rotation(angles):
    pose = Pose.from_mount(height=1.0, **angles)
    q = pose.quaternion
    assert np.linalg.norm(q) == pytest.approx(1.0)
    assert q[3] >= 0.0
    assert Pose.from_quaternion((0.0, 0.0, 1.0), q).same_as(pose)
