"""Clouds and grids as messages: what their readers rely on, without a running node."""

from types import SimpleNamespace

from builtin_interfaces.msg import Time
from fcn_seg_ros.errors import CalibrationError
from fcn_seg_ros.geometry.pose import Pose
from fcn_seg_ros.navigation.costmap import GridSettings
from fcn_seg_ros.navigation.obstacles import CloudLimits
from fcn_seg_ros.navigation.roles import RoleTable
from fcn_seg_ros.ros.navigation import CameraPlaces, robot_in_grid, SharedGrid
from fcn_seg_ros.ros.navigation_messages import (
    points_message, pose_from_transform, selection_message)
from geometry_msgs.msg import Quaternion, Transform, Vector3
import numpy as np
import pytest
from robot import depth_message, read_cloud
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header
import synthetic_world as synthetic

CLASSES = SimpleNamespace(labels=synthetic.LABELS, roles=synthetic.ROLES, costs=synthetic.COSTS,
                          colors=np.array(synthetic.COLORS, np.uint8))
CAMERA = synthetic.Camera(160, 120, 120.0, z=1.0, pitch=0.3)
VIEW = synthetic.render(
    synthetic.World(boxes=((2.5, -0.5, 0, 3.0, 0.5, 0.8, synthetic.BOX),)), CAMERA, samples=1)
POSE = Pose.from_mount(height=1.0, pitch=0.3)
HEADER = Header(stamp=Time(sec=12, nanosec=345678901), frame_id='camera_optical_frame')
RESULT = SimpleNamespace(class_mask=VIEW.class_mask,
                         confidence=np.full(VIEW.class_mask.shape, 255, np.uint8))


def info(**changes):
    """Return the CameraInfo of the synthetic camera."""
    fields = {'width': 160, 'height': 120, 'k': CAMERA.k, 'd': [0.0] * 5, 'p': [0.0] * 12,
              'distortion_model': 'plumb_bob', 'header': HEADER}
    return CameraInfo(**{**fields, **changes})


def depth_image(depth=VIEW.depth):
    """Return a depth image in metres."""
    return depth_message(depth, HEADER)


def places():
    """Return what a camera needs, fresh."""
    return CameraPlaces(CLASSES, RoleTable.from_classes(CLASSES), CloudLimits())


def frame(**arguments):
    """Return a frame and its problems."""
    return places().frame(RESULT, (120, 160), **{'info': info(), 'pose': POSE, **arguments})


def read(msg):
    """Return a cloud's points, one after the other."""
    return read_cloud(msg).reshape(-1)


def test_the_organised_cloud_reads_back_as_the_mask():
    made, problems = frame()
    msg = points_message(made, HEADER)
    cloud = read(msg)
    assert problems == {}
    assert msg.header == HEADER
    assert (msg.height, msg.width, msg.is_dense) == (120, 160, False)
    assert [f.name for f in msg.fields] == ['x', 'y', 'z', 'confidence', 'rgb', 'class_id']
    assert np.array_equal(cloud['class_id'].reshape(120, 160), VIEW.class_mask)
    assert (cloud['confidence'] == 1.0).all()
    road = cloud[cloud['class_id'] == synthetic.ROAD]
    assert set(road['rgb'].view('<u4').tolist()) == {0x804080}
    ground = (VIEW.class_mask == synthetic.ROAD).reshape(-1)
    xyz = np.stack([cloud[axis] for axis in 'xyz'], axis=1)[ground]
    known = np.isfinite(xyz).all(axis=1)
    assert known.sum() > 5000
    np.testing.assert_allclose(POSE.apply(xyz[known].astype(np.float64)),
                               VIEW.places.reshape(-1, 3)[ground][known], atol=1e-4)


def test_sensor_msgs_py_reads_our_clouds():
    point_cloud2 = pytest.importorskip('sensor_msgs_py.point_cloud2')
    made, _ = frame()
    msg = points_message(made, HEADER)
    points = point_cloud2.read_points(msg, field_names=['x', 'y', 'z', 'class_id'])
    assert np.array_equal(points['class_id'].reshape(120, 160), VIEW.class_mask)
    for axis in 'xyz':
        np.testing.assert_array_equal(points[axis].reshape(-1), read(msg)[axis])


def test_marking_and_clearing_clouds_are_dense_and_flat():
    made, _ = frame()
    for selection, kind in ((made.marked, synthetic.BOX), (made.cleared, synthetic.ROAD)):
        msg = selection_message(made, selection, HEADER)
        cloud = read(msg)
        assert (msg.height, msg.is_dense) == (1, True)
        assert len(cloud) > 10
        assert np.isfinite(cloud['z']).all()
        assert set(cloud['class_id'].tolist()) == {kind}


def test_nothing_to_mark_is_an_empty_cloud():
    clear = SimpleNamespace(class_mask=np.full((120, 160), synthetic.ROAD, np.uint8),
                            confidence=RESULT.confidence)
    made, _ = places().frame(clear, (120, 160), info=info(), pose=POSE)
    msg = selection_message(made, made.marked, HEADER)
    assert (msg.width, msg.height, len(msg.data)) == (0, 1, 0)
    assert msg.point_step == 24


def test_depth_replaces_the_plane():
    made, problems = frame(depth=depth_image(), pose=None)
    assert problems == {}
    assert made.geometry.measured
    np.testing.assert_allclose(read(points_message(made, HEADER))['z'],
                               np.where(made.geometry.depth > 0, VIEW.depth, np.nan).reshape(-1))


@pytest.mark.parametrize(('changes', 'kind', 'word'), [
    ({'info': None}, 'calibration', 'no camera_info'),
    ({'info': info(k=[0.0] * 9)}, 'calibration', 'uncalibrated'),
    ({'info': info(width=320, height=240)}, 'calibration', '320x240 images'),
    ({'info': info(roi=RegionOfInterest(width=80, height=60))}, 'calibration', '80x60 images'),
    ({'pose': None}, 'pose', 'neither depth nor a pose'),
])
def test_what_is_missing_or_wrong_is_reported_and_nothing_is_made_up(changes, kind, word):
    made, problems = frame(**changes)
    assert made is None
    assert list(problems) == [kind]
    assert word in problems[kind]


@pytest.mark.parametrize(('pose', 'words'), [
    (Pose.from_mount(height=1.0, pitch=-1.0), '1.00 m above it and looks -57 degrees down'),
    (POSE.over_ground(3.0), '-2.00 m above it and looks 17 degrees down'),
    # a body's frame, x ahead, that is taken for an optical one
    (Pose.from_quaternion((0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 1.0)), 'has to be an optical one')])
def test_a_camera_that_sees_no_ground_says_so(pose, words):
    made, problems = frame(pose=pose)
    assert list(problems) == ['pose']
    assert words in problems['pose']
    assert np.isnan(read(points_message(made, HEADER))['z']).all()


@pytest.mark.parametrize('depth', [
    depth_image(np.ones((100, 160), np.float32)), Image(encoding='8UC1', height=1, width=1),
    Image(encoding='16UC1', height=120, width=160, step=320)])
def test_depth_that_cannot_be_used_gives_way_to_the_plane(depth):
    made, problems = frame(depth=depth)
    assert list(problems) == ['depth']
    assert not made.geometry.measured
    made, problems = frame(depth=depth, pose=None)
    assert made is None
    assert sorted(problems) == ['depth', 'pose']


def test_a_calibration_is_checked_again_when_it_changes():
    camera = places()
    _, problems = camera.frame(RESULT, (120, 160), info=info(k=[0.0] * 9), pose=POSE)
    assert 'calibration' in problems
    first, problems = camera.frame(RESULT, (120, 160), info=info(), pose=POSE)
    assert problems == {}
    again, _ = camera.frame(RESULT, (120, 160), info=info(), pose=POSE)
    assert again.geometry.camera is first.geometry.camera
    assert again.geometry.depth is first.geometry.depth


def test_a_transform_becomes_a_pose():
    pose = pose_from_transform(Transform(
        translation=Vector3(x=0.3, y=-0.1, z=1.2),
        rotation=Quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5)))
    assert pose.same_as(Pose.from_mount(height=1.2, x=0.3, y=-0.1))
    with pytest.raises(CalibrationError):
        pose_from_transform(Transform(rotation=Quaternion(x=0.0, y=0.0, z=0.0, w=0.0)))


def test_the_grid_message_is_what_static_layer_takes():
    made, _ = frame()
    grid = SharedGrid(GridSettings(width=8.0, height=6.0, resolution=0.1), 'odom')
    assert grid.message() is None
    odom = Pose.from_quaternion((100.0, -50.0, 0.0), (0.0, 0.0, 1.0, 0.0))  # looks back
    robot = robot_in_grid(odom @ POSE, POSE)
    assert robot == pytest.approx((100.0, -50.0))
    grid.add(made, HEADER.stamp, odom @ POSE, robot)
    msg = grid.message()
    assert msg.header.frame_id == 'odom'
    assert msg.header.stamp == HEADER.stamp
    assert (msg.info.width, msg.info.height) == (80, 60)
    assert msg.info.resolution == pytest.approx(0.1)
    assert len(msg.data) == 80 * 60
    q = msg.info.origin.orientation
    assert (q.x, q.y, q.z, q.w) == (0.0, 0.0, 0.0, 1.0)
    data = np.array(msg.data).reshape(60, 80)
    assert set(np.unique(data).tolist()) == {-1, 10, 100}
    # the box, 2.5 m ahead of a robot that looks back
    row, column = np.argwhere(data == 100).mean(axis=0)
    assert msg.info.origin.position.x + (column + 0.5) * 0.1 == pytest.approx(97.5, abs=0.1)
    assert msg.info.origin.position.y + (row + 0.5) * 0.1 == pytest.approx(-50.0, abs=0.1)


def test_the_grid_carries_the_newest_stamp_of_several_cameras():
    made, _ = frame()
    grid = SharedGrid(GridSettings(), 'odom')
    for sec in (10, 12, 11):
        grid.add(made, Time(sec=sec), POSE, (0.0, 0.0))
    assert grid.message().header.stamp.sec == 12
