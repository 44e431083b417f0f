"""The camera's pose from TF: at the image's stamp, or not at all."""

from fcn_seg_ros.geometry.pose import Pose
from fcn_seg_ros.ros.navigation_messages import pose_from_transform
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from graph import new_header, picture
from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from robot import calibration, places, read_cloud, Robot
from sensor_msgs.msg import Image, PointCloud2
import synthetic_world as synthetic

CAMERA = synthetic.Camera(64, 48, 48.0, z=1.0, pitch=0.4)
MOUNT = Pose.from_mount(height=1.0, pitch=0.4)


def test_without_tf2_ros_the_diagnostics_say_what_to_do(nodes):
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip('tf2_ros is installed')
    robot = Robot(nodes)
    robot.listen(Image, 'class_mask')
    robot.listen(PointCloud2, 'points')
    robot.film(picture(), calibration(CAMERA), 'class_mask',
               until=lambda: robot.problems('transform') > 0)
    assert 'tf2_ros is not installed: install it, or set mount.height' in \
        robot.values()['last problem: transform']
    assert robot.status().level == robot.status().WARN
    assert not robot.arrived('points')


def test_without_tf2_ros_a_mount_says_that_nobody_publishes_it(nodes):
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip('tf2_ros is installed')
    robot = Robot(nodes, mount__height=1.0, mount__pitch=0.4)
    robot.listen(PointCloud2, 'points')
    robot.film(picture(), calibration(CAMERA), 'points', until=lambda: (
        'tf2_ros is not installed' in robot.values().get('transform of the mount', '')))
    assert robot.status().level == robot.status().OK


class MountedRobot(Robot):
    """A robot with a plain camera on a mount, and what is said on /tf_static."""

    def __init__(self, nodes):
        pytest.importorskip('tf2_ros')
        from tf2_msgs.msg import TFMessage
        self._message = TFMessage
        self.said = nodes.graph.listen(TFMessage, '/tf_static', latched=True).messages
        self._static = nodes.graph.node.create_publisher(TFMessage, '/tf_static', QoSProfile(
            depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        super().__init__(nodes, mount__height=1.0, mount__pitch=0.4, ground_z=-0.25)
        self.listen(PointCloud2, 'points')

    def say(self, parent, pose=MOUNT):
        """Publish a transform of the camera's frame as another node."""
        self._static.publish(self._message(transforms=[
            _transform(parent, 'camera_optical', pose.translation, pose.quaternion)]))

    def film_until(self, condition):
        """Film until a condition holds; return the cloud of the last picture."""
        cloud, = self.film(picture(), calibration(CAMERA), 'points', until=condition)
        return cloud

    def state(self):
        """Return what the diagnostics say of the mount's transform."""
        return self.values().get('transform of the mount', '')


def test_a_mounts_transform_is_published_until_another_node_has_one(nodes):
    robot = MountedRobot(nodes)
    cloud = robot.film_until(lambda: robot.said)
    transform, = robot.said[-1].transforms
    assert (transform.header.frame_id, transform.child_frame_id) == (
        'base_footprint', cloud.header.frame_id)
    ground = places(read_cloud(cloud))
    ground = ground[np.isfinite(ground[..., 2])]
    # By TF the ground is where the parameter says that it lies in base_footprint.
    np.testing.assert_allclose(
        pose_from_transform(transform.transform).apply(ground)[:, 2], -0.25, atol=1e-4)

    said = len(robot.said)
    assert robot.request(mount__x=0.5) == (True, '')
    robot.film_until(lambda: len(robot.said) > said)
    assert robot.said[-1].transforms[0].transform.translation.x == 0.5
    # What the node itself said a moment ago is not another node's word.
    robot.film_until(lambda: 'published' in robot.state())
    assert robot.said[-1].transforms

    robot.say('chassis')
    robot.film_until(lambda: not robot.said[-1].transforms)
    robot.film_until(lambda: 'left to another node' in robot.state())


def test_a_frame_that_has_a_parent_is_left_alone(nodes):
    robot = MountedRobot(nodes)
    robot.say('chassis')
    robot.film_until(lambda: 'left to another node' in robot.state())
    assert {message.transforms[0].header.frame_id for message in robot.said} == {'chassis'}


def test_a_camera_that_tf_has_elsewhere_is_said_in_log_and_diagnostics(nodes):
    robot = MountedRobot(nodes)
    # 0.3 m higher than the mount over a ground that lies at z = -0.25, and 0.1 rad further down
    robot.say('base_footprint', Pose.from_mount(height=1.05, pitch=0.5))
    robot.film_until(lambda: robot.status() and robot.status().level == robot.status().WARN)
    text = 'TF has camera_optical 0.30 m and 5.7 degrees from where mount.* puts it'
    assert robot.status().message.startswith(text)
    assert robot.node.wait_for_log(text)

    assert robot.request(mount__height=1.3, mount__pitch=0.5) == (True, '')
    robot.film_until(lambda: robot.status().level == robot.status().OK)
    assert 'left to another node' in robot.state()


def test_a_published_mount_follows_its_parameters_while_nobody_wants_clouds(nodes):
    robot = MountedRobot(nodes)
    robot.film_until(lambda: robot.said)
    robot.close('points')
    robot.graph.wait_until(
        lambda: robot.values().get('subscribed outputs') == 'none', 'nobody who subscribes')
    assert robot.request(mount__height=2.0) == (True, '')
    robot.graph.wait_until(lambda: robot.said[-1].transforms[0].transform.translation.z == 1.75,
                           'the new mount on /tf_static')


def test_a_mounts_transform_is_published_on_request_only(nodes):
    robot = MountedRobot(nodes)
    assert robot.request(mount__publish_tf=False) == (True, '')
    robot.film_until(lambda: robot.status() is not None)
    assert not robot.said and not robot.state()
    assert robot.request(mount__publish_tf=True) == (True, '')
    robot.film_until(lambda: robot.said)
    assert robot.request(mount__publish_tf=False) == (True, '')
    robot.film_until(lambda: not robot.said[-1].transforms)


class MovingRobot(Robot):
    """A robot whose odometry is known at some times only."""

    def __init__(self, nodes, **params):
        pytest.importorskip('tf2_ros')
        from tf2_msgs.msg import TFMessage
        self._message = TFMessage
        node = nodes.graph.node
        self._tf = node.create_publisher(TFMessage, '/tf', 100)
        self._static = node.create_publisher(TFMessage, '/tf_static', QoSProfile(
            depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        x, y, z = MOUNT.translation
        self._static.publish(TFMessage(transforms=[_transform(
            'base_footprint', 'camera_optical', (x, y, z), MOUNT.quaternion)]))
        super().__init__(nodes, **params)

    def drive(self, stamp, x):
        """Tell where the robot is at a time, on its way along x, once the node listens."""
        self.graph.wait_for_subscribers(self._tf)
        transform = _transform('odom', 'base_footprint', (x, 20.0, 0.0), (0.0, 0.0, 0.0, 1.0))
        transform.header.stamp = stamp
        self._tf.publish(self._message(transforms=[transform]))


def _transform(parent, child, translation, quaternion):
    x, y, z = map(float, translation)
    qx, qy, qz, qw = map(float, quaternion)
    message = TransformStamped(child_frame_id=child, transform=Transform(
        translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)))
    message.header.frame_id = parent
    return message


def later(header, seconds):
    """Return a header whose stamp is whole seconds later."""
    moved = new_header(header.frame_id)
    moved.stamp.sec, moved.stamp.nanosec = header.stamp.sec + seconds, header.stamp.nanosec
    return moved


@pytest.fixture(scope='module')
def robot(shared_nodes):
    robot = MovingRobot(shared_nodes)
    robot.listen(Image, 'class_mask')
    robot.listen(PointCloud2, 'points')
    robot.listen(OccupancyGrid, 'costmap', latched=True)
    return robot


def film_between(robot, header, first, second):
    """Film until the grid comes, with the robot at two places a second before and after."""
    robot.drive(later(header, -1).stamp, first)
    robot.drive(later(header, 1).stamp, second)
    return robot.film(picture(), calibration(CAMERA), 'class_mask', 'points', 'costmap',
                      header=header)


def test_the_pose_is_that_of_the_images_stamp(robot):
    header = new_header()
    mask, points, grid = film_between(robot, header, 100.0, 102.0)
    assert points.header == mask.header
    ground = places(read_cloud(points))
    ground = ground[np.isfinite(ground[..., 2])]
    assert len(ground) > 100
    np.testing.assert_allclose((ground @ CAMERA.rotation.T)[:, 2], -1.0, atol=1e-4)
    # half-way between, and neither at the latest nor at the last place before
    assert grid.header.frame_id == 'odom'
    assert grid.info.origin.position.x + 5.0 == pytest.approx(101.0, abs=0.06)
    assert grid.info.origin.position.y + 5.0 == pytest.approx(20.0, abs=0.06)


def test_a_gap_in_tf_pauses_the_grid_alone(robot):
    before = robot.problems('transform')
    header = later(new_header(), 500)
    robot.film(picture(), calibration(CAMERA), 'class_mask', 'points', header=header,
               until=lambda: robot.reports('transform', 'extrapolation', before))
    assert header.stamp not in robot.arrived('costmap')
    film_between(robot, later(new_header(), 600), 110.0, 110.0)


@pytest.mark.parametrize(('frame_id', 'zero', 'word'), [
    ('', False, 'empty frame_id'), ('nowhere', False, 'nowhere'),
    ('camera_optical', True, 'zero stamp')])
def test_headers_that_tell_no_pose_cost_the_clouds_alone(robot, frame_id, zero, word):
    before = robot.problems('transform')
    header = later(new_header(frame_id), 700)
    if zero:
        header.stamp.sec = header.stamp.nanosec = 0
    robot.film(picture(), calibration(CAMERA), 'class_mask', header=header,
               until=lambda: robot.reports('transform', word, before))
    assert header.stamp not in robot.arrived('points')


def test_time_may_be_set_back(robot):
    film_between(robot, later(new_header(), 2000), 150.0, 150.0)

    def starts_over():
        """Go on as a recording that starts over, longer ago than TF remembers."""
        header = later(new_header(), -2000)
        for seconds in (-1, 1):
            robot.drive(later(header, seconds).stamp, 30.0)
        robot.film(picture(), calibration(CAMERA), 'class_mask', header=header)
        robot.graph.spin_for(0.3)
        return header.stamp in robot.arrived('costmap')

    # The first picture tells that time was set back, and what TF says from then on counts.
    robot.graph.wait_until(starts_over, 'a grid of the time before')
    grid = robot.received('costmap')[-1]
    assert grid.info.origin.position.x + 5.0 == pytest.approx(30.0, abs=0.06)


def test_what_is_a_little_late_is_waited_for_after_the_masks(robot):
    assert robot.request(points__patience=1.0) == (True, '')
    header = later(new_header(), 3000)
    film_between(robot, header, 200.0, 200.0)

    def late_odometry_counts():
        late = later(new_header(), 3100)
        robot.film(picture(), calibration(CAMERA), 'class_mask', header=late)
        robot.drive(later(late, 1).stamp, 200.0)
        robot.graph.spin_for(1.0)
        return late.stamp in robot.arrived('costmap')

    robot.graph.wait_until(late_odometry_counts, 'a grid of late odometry')
