"""Which transforms of fixed mounts are published when, with a TF that the test tells."""

from dataclasses import dataclass, field
from types import SimpleNamespace

from fcn_seg_ros.geometry.pose import Pose
from fcn_seg_ros.ros.inputs import tf
from fcn_seg_ros.ros.mounted import Mounted
from fcn_seg_ros.ros.outputs import mount_transforms
from fcn_seg_ros.ros.throttle import Throttle
import numpy as np
import pytest
from rclpy.time import Time

POSE = Pose.from_mount(height=1.0, pitch=0.4)
EYE = Mounted('base_footprint', 'eye', POSE)


@dataclass
class Message:
    """Stands in for tf2_msgs/TFMessage, which is not installed everywhere."""

    transforms: list = field(default_factory=list)


class Node:
    """What is asked of a node; its clock stands still unless told otherwise."""

    def __init__(self):
        self.published, self.warnings, self.said, self.nanoseconds = [], [], [], 10**9

    def create_publisher(self, message_type, topic, profile):
        assert (message_type, topic) == (Message, '/tf_static')
        return SimpleNamespace(publish=self.published.append)

    def destroy_publisher(self, publisher):
        self.published.append('destroyed')

    def get_logger(self):
        return SimpleNamespace(info=self.said.append, warning=self.warnings.append)

    def get_clock(self):
        return SimpleNamespace(now=lambda: Time(nanoseconds=self.nanoseconds))

    def names(self):
        """Return the frames that the last message tells."""
        return [transform.child_frame_id for transform in self.published[-1].transforms]


class TF:
    """What others have said, and for how long it was listened to."""

    def __init__(self):
        self.parents, self.seconds = {}, 0.0
        self.places = {}  # those of frames whose parent is another one

    def parent_of(self, frame):
        return self.parents.get(frame)

    def newest_pose(self, target, source):
        parent, pose = self.parents.get(source, (None, None))
        return pose if parent == target else self.places.get((target, source))

    def listening_for(self):
        return self.seconds


@pytest.fixture
def rig(monkeypatch):
    monkeypatch.setattr(mount_transforms, 'TFMessage', Message)
    node, listened = Node(), TF()
    throttle = Throttle(node.get_logger(), clock=lambda: node.nanoseconds * 1e-9)
    return node, listened, mount_transforms.MountTransforms(node, listened, throttle)


def test_others_have_three_seconds_to_tell_a_parent(rig):
    node, listened, mounts = rig
    for listened.seconds in (0.0, 2.9):
        mounts.follow({'': EYE})
        assert not node.published and 'waiting' in mounts.states['']
    listened.seconds = 3.0
    mounts.follow({'': EYE})
    assert node.names() == ['eye'] and not node.warnings
    mounts.follow({'': EYE})
    assert len(node.published) == 1
    mounts.close()
    assert node.published[-1] == 'destroyed'


def test_a_published_transform_puts_the_ground_where_it_is(rig):
    """By the rules of REP-103 and of quaternions, written down once more."""
    node, listened, mounts = rig
    listened.seconds = 9.0
    mounts.follow({'': EYE})
    transform, = node.published[0].transforms
    assert transform.header.frame_id == 'base_footprint'
    t, q = transform.transform.translation, transform.transform.rotation
    vector, scalar = np.array([q.x, q.y, q.z]), q.w
    # a point 2 m ahead and 0.5 m to the left: x right, y down, z ahead for a lens that looks down
    place = np.array([2.0, 0.5, 0.0])
    ahead, down = np.array([np.cos(0.4), 0.0, -np.sin(0.4)]), np.array(
        [-np.sin(0.4), 0.0, -np.cos(0.4)])
    seen = place - (0.0, 0.0, 1.0)
    optical = np.array([-seen[1], seen @ down, seen @ ahead])
    cross = np.cross(vector, optical) * 2.0
    turned = optical + scalar * cross + np.cross(vector, cross)
    np.testing.assert_allclose(turned + (t.x, t.y, t.z), place, atol=1e-9)


def test_another_parent_takes_over_and_the_log_says_so_once(rig):
    node, listened, mounts = rig
    listened.seconds = 9.0
    rear = Mounted('base_footprint', 'rear_eye', POSE)
    mounts.follow({'front': EYE, 'rear': rear})
    assert node.names() == ['eye', 'rear_eye']
    listened.parents = {'eye': ('base_footprint', POSE)}  # its own, as TF gives it back
    mounts.follow({'front': EYE, 'rear': rear})
    assert len(node.published) == 1
    listened.parents = {'eye': ('chassis', POSE)}
    for _ in range(3):
        mounts.follow({'front': EYE, 'rear': rear})
    # What late listeners get is the last message: it must not tell the old one any more.
    assert node.names() == ['rear_eye'] and len(node.published) == 2
    warning, = node.warnings
    assert 'chassis' in warning and 'mount.publish_tf' in warning


def test_a_parent_that_is_there_is_left_alone_without_a_warning(rig):
    node, listened, mounts = rig
    listened.parents, listened.seconds = {'eye': ('chassis', POSE)}, 9.0
    mounts.follow({'': EYE})
    assert not node.published and not node.warnings
    for _ in range(3):
        mounts.follow({'': EYE})
    line, = node.said
    assert 'base_footprint and chassis connected' in line
    assert 'left to another node' in mounts.states['']


def test_a_mount_that_changes_or_is_taken_out_is_followed(rig):
    node, listened, mounts = rig
    listened.seconds = 9.0
    mounts.follow({'': EYE})
    moved = Mounted('base_footprint', 'eye', Pose.from_mount(height=2.0))
    mounts.follow({'': moved})
    listened.parents = {'eye': ('base_footprint', POSE)}  # TF is a moment behind
    mounts.follow({'': moved})
    assert [m.transforms[0].transform.translation.z for m in node.published] == [1.0, 2.0]
    mounts.follow({'': Mounted('base_footprint', 'other_eye', POSE)})
    assert node.names() == ['other_eye']
    mounts.follow({})
    assert node.names() == [] and not node.warnings


def turned(metres, degrees):
    """Return where TF has the camera: moved ahead, and looking further down."""
    return Pose.from_mount(height=1.0, x=metres, pitch=0.4 + np.radians(degrees))


def test_a_camera_that_tf_has_elsewhere_is_warned_of_while_that_is_so(rig):
    node, listened, mounts = rig
    listened.seconds = 9.0
    listened.parents = {'eye': ('chassis', POSE)}
    listened.places = {('base_footprint', 'eye'): turned(0.12, 3.0)}
    for _ in range(3):  # within the five seconds of one line
        mounts.follow({'front': EYE})
    line, = node.warnings
    assert line.startswith('front: TF has eye 0.12 m and 3.0 degrees from where mount.* puts it')
    assert mounts.differences['front'] in line
    node.nanoseconds += 6 * 10**9
    mounts.follow({'front': EYE})
    assert len(node.warnings) == 2
    listened.places = {('base_footprint', 'eye'): POSE}
    mounts.follow({'front': EYE})
    assert not mounts.differences


@pytest.mark.parametrize(('place', 'differs'), [
    (turned(0.04, 1.9), False), (turned(0.06, 0.0), True), (turned(0.0, 2.1), True)])
def test_a_calibration_is_no_difference(rig, place, differs):
    node, listened, mounts = rig
    listened.parents = {'eye': ('base_footprint', place)}
    mounts.follow({'': EYE})
    assert bool(mounts.differences) is differs
    assert len(node.warnings) == differs and not node.published


def test_another_place_is_told_of_where_mounts_are_not_to_be_published(rig):
    node, listened, mounts = rig
    listened.seconds, listened.parents = 9.0, {'eye': ('base_footprint', turned(0.0, 90.0))}
    silent = Mounted('base_footprint', 'eye', POSE, publish=False)
    mounts.follow({'': silent})
    assert '0.00 m and 90.0 degrees' in mounts.differences['']
    listened.parents = {}
    mounts.follow({'': silent})
    assert not mounts.differences and not node.published and not mounts.states


def test_what_was_published_here_is_no_other_place(rig):
    node, listened, mounts = rig
    listened.seconds = 9.0
    mounts.follow({'': EYE})
    assert mounts.publishes
    listened.parents = {'eye': ('base_footprint', POSE)}
    moved = Mounted('base_footprint', 'eye', turned(1.0, 20.0))
    mounts.follow({'': moved})  # TF is a moment behind
    assert not mounts.differences and len(node.published) == 2
    # Taken back, it is what listeners of TF go on with.
    for _ in range(2):
        mounts.follow({'': Mounted('base_footprint', 'eye', moved.pose, publish=False)})
    assert '1.00 m and 20.0 degrees' in mounts.differences[''] and not mounts.publishes


@pytest.mark.parametrize(('cameras', 'words'), [
    ({'': Mounted('eye', 'eye', POSE)}, 'ground_frame'),
    ({'front': EYE, 'rear': Mounted('base_footprint', 'eye', Pose.from_mount(
        height=1.0, yaw=3.0))}, 'several cameras send the frame_id eye')])
def test_frames_that_cannot_be_are_refused_and_warned_of_once(rig, cameras, words):
    node, listened, mounts = rig
    listened.seconds = 9.0
    for _ in range(3):
        mounts.follow(cameras)
    assert not node.published
    warning, = node.warnings
    assert words in warning
    assert all(words in state for state in mounts.states.values())


def test_without_tf2_ros_one_line_says_what_is_missing(rig, monkeypatch):
    node, listened, mounts = rig
    monkeypatch.setattr(mount_transforms, 'TFMessage', None)
    listened.seconds = 9.0
    for _ in range(3):
        mounts.follow({'': EYE})
    line, = node.said
    assert 'tf2_ros' in line and not node.published and not node.warnings


class Extrapolation(Exception):
    """Stands in for tf2's."""


class Buffer:
    """A buffer of TF that begins after what it is asked for."""

    newest = Time(seconds=100)

    def lookup_transform_core(self, target, source, time):
        raise Extrapolation('Lookup would require extrapolation into the past')

    def get_latest_common_time(self, target, source):
        return self.newest

    def all_frames_as_yaml(self):
        return ("odom: \n  parent: 'map'\n  broadcaster: 'a'\n"
                "eye: \n  parent: 'it's mine'\n  broadcaster: 'b'\n")


@pytest.fixture
def transforms(monkeypatch):
    """Return (node, its Transforms, a list of the seconds that time.monotonic() tells)."""
    listener = SimpleNamespace(unregister=lambda: None)
    monkeypatch.setattr(tf, 'tf2_ros', SimpleNamespace(
        Buffer=Buffer, TransformListener=lambda buffer, node: listener,
        TransformException=Extrapolation, ExtrapolationException=Extrapolation))
    now = [50.0]
    monkeypatch.setattr(tf.time, 'monotonic', lambda: now[0])
    node = Node()
    return node, tf.Transforms(node), now


def listen(node, listening, now, seconds, runs=True):
    """Let time pass, with a clock of the node's that runs or does not."""
    now[0] += seconds
    node.nanoseconds += runs * round(seconds * 1e9)
    listening.follow(True)


def test_a_clock_that_stands_still_is_no_time_in_which_others_could_speak(transforms):
    node, listening, now = transforms
    assert listening.listening_for() == 0.0
    listening.follow(True)
    listen(node, listening, now, 1.0)
    listen(node, listening, now, 60.0, runs=False)
    listen(node, listening, now, 0.5)
    assert listening.listening_for() == 1.5
    listening.follow(False)
    assert listening.listening_for() == 0.0
    listening.follow(True)
    assert listening.listening_for() == 0.0


def test_an_image_from_before_tf_was_heard_is_no_problem_at_the_start_alone(transforms):
    node, listening, now = transforms
    listening.follow(True)
    for stamp, expected in ((99, True), (101, False)):
        with pytest.raises(tf.TransformError) as caught:
            listening.pose('odom', 'eye', Time(seconds=stamp).to_msg())
        assert caught.value.late
        assert caught.value.expected is expected
    listen(node, listening, now, 11.0)
    with pytest.raises(tf.TransformError) as caught:
        listening.pose('odom', 'eye', Time(seconds=99).to_msg())
    assert not caught.value.expected


def test_a_frames_parent_is_found_by_its_whole_name(transforms, monkeypatch):
    node, listening, _ = transforms
    identity = SimpleNamespace(transform=EYE.message(node).transform)
    monkeypatch.setattr(Buffer, 'lookup_transform_core', lambda *asked: identity)
    assert listening.parent_of('eye') is None  # not listened to
    listening.follow(True)
    parent, pose = listening.parent_of('eye')
    assert parent == "it's mine" and pose.same_as(POSE, 1e-6)
    assert listening.parent_of('ey') is None
    assert listening.parent_of('od.m') is None
