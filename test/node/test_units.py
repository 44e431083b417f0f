"""Parts of the node that need ROS's Python but no graph."""

import sys
from types import ModuleType, SimpleNamespace

from fcn_seg_ros.networks.classes import ClassSet
from fcn_seg_ros.ros import qos
from fcn_seg_ros.ros.inputs import image as inputs
from fcn_seg_ros.ros.outputs import label_info
from fcn_seg_ros.ros.statistics import Statistics
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
VOLATILE, TRANSIENT_LOCAL = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL


class FakeNode:
    """What CameraInput and LabelInfoOutput ask of a node."""

    def __init__(self):
        self.published = []
        self.said = []
        self.subscribers = 0

    def get_logger(self):
        return SimpleNamespace(info=self.said.append)

    def resolve_topic_name(self, name):
        return f'/{name}'

    def count_subscribers(self, topic):
        return self.subscribers

    def get_name(self):
        return 'node'

    def get_namespace(self):
        return '/'

    def create_publisher(self, message_type, topic, profile, **kwargs):
        self.profile = profile
        return SimpleNamespace(publish=self.published.append,
                               get_subscription_count=lambda: self.subscribers)

    def get_clock(self):
        from rclpy.clock import Clock
        return Clock()

    def get_publishers_info_by_topic(self, topic):
        return [SimpleNamespace(qos_profile=SimpleNamespace(
            reliability=reliability, durability=durability))
            for reliability, durability in self.offers]


@pytest.mark.parametrize(('camera_rate', 'max_rate', 'expected'), [
    (30, 0.0, 300), (30, 30.0, 300), (30, 20.0, 200), (30, 10.0, 100), (30, 25.0, 250),
    (30, 100.0, 300), (10, 0.5, 5)])
def test_a_rate_limit_lets_that_many_through(monkeypatch, camera_rate, max_rate, expected):
    now = [0.0]
    monkeypatch.setattr(inputs.time, 'monotonic', lambda: now[0])
    statistics = Statistics(lambda: now[0])
    source = inputs.CameraInput(FakeNode(), '', 'raw', statistics, lambda: None, lambda: None)
    jitter = np.random.default_rng(0)
    taken = 0
    for i in range(10 * camera_rate):
        now[0] = (i + jitter.uniform(-0.04, 0.04)) / camera_rate
        source._on_image(object())
        taken += source.take(max_rate) is not None
    assert taken == pytest.approx(expected, rel=0.03, abs=1)
    assert statistics.total('drop:max_rate') == 10 * camera_rate - taken


def test_a_new_limit_is_obeyed_at_once(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(inputs.time, 'monotonic', lambda: now[0])
    source = inputs.CameraInput(FakeNode(), '', 'raw', Statistics(), lambda: None, lambda: None)
    for now[0], rate, taken in ((0, 0.01, True), (1, 0.01, False), (2, 10.0, True)):
        source._on_image(object())
        assert (source.take(rate) is not None) == taken


@pytest.mark.parametrize(('offers', 'expected'), [
    ((), RELIABLE), ((RELIABLE,), RELIABLE), ((BEST_EFFORT,), BEST_EFFORT),
    ((RELIABLE, BEST_EFFORT), BEST_EFFORT)])
def test_reliable_only_where_every_camera_is(offers, expected):
    node = FakeNode()
    node.offers = [(reliability, VOLATILE) for reliability in offers]
    assert qos.offered(node, 'image') == (expected, VOLATILE)


@pytest.mark.parametrize(('offers', 'expected'), [
    ((), VOLATILE), ((VOLATILE,), VOLATILE), ((TRANSIENT_LOCAL,), TRANSIENT_LOCAL),
    ((TRANSIENT_LOCAL, VOLATILE), VOLATILE)])
def test_what_was_published_before_is_asked_for_only_where_every_camera_keeps_it(
        offers, expected):
    node = FakeNode()
    node.offers = [(RELIABLE, durability) for durability in offers]
    assert qos.offered(node, 'image') == (RELIABLE, expected)


def test_label_info_names_the_classes(monkeypatch):
    """vision_msgs is not among PyPI's packages: its two messages are stood in for."""
    from std_msgs.msg import Header

    class LabelInfo(SimpleNamespace):
        def __init__(self, **fields):
            super().__init__(header=Header(), **fields)

    stand_in = ModuleType('vision_msgs.msg')
    stand_in.LabelInfo, stand_in.VisionClass = LabelInfo, SimpleNamespace
    monkeypatch.setitem(sys.modules, 'vision_msgs', ModuleType('vision_msgs'))
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', stand_in)
    import importlib
    importlib.reload(label_info)
    try:
        node = FakeNode()
        classes = ClassSet.from_list(
            [{'label': 'road', 'color': [1, 2, 3]}, {'label': 'sky', 'color': [4, 5, 6]}],
            'test', 'here')
        output = label_info.LabelInfoOutput(node, lambda: None)
        output.publish(classes, 0.25)
        message, = node.published
        # Masks wait while the names are on their way to who has just come.
        output.renew()
        assert len(node.published) == 1 and not output.is_on_its_way(False)
        node.subscribers = 1
        output.renew()
        output.renew()
        assert node.published == [message, message] and output.is_on_its_way(False)
        # Who comes for masks may be about to ask for the names.
        late = FakeNode()
        output = label_info.LabelInfoOutput(late, lambda: None)
        output.publish(classes, 0.25)
        assert not output.is_on_its_way(True)
        monkeypatch.setattr(label_info.time, 'sleep',
                            lambda seconds: setattr(late, 'subscribers', 1))
        assert output.is_on_its_way(True) and len(late.published) == 2
        assert message.threshold == 0.25
        assert [(c.class_id, c.class_name) for c in message.class_map] == [(0, 'road'), (1, 'sky')]
        assert message.header.stamp.sec > 0
        assert node.profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert node.profile.reliability == RELIABLE
    finally:
        monkeypatch.undo()
        importlib.reload(label_info)


def test_without_vision_msgs_there_is_no_label_info():
    if label_info.LabelInfo is not None:
        pytest.skip('vision_msgs is installed')
    node = FakeNode()
    output = label_info.LabelInfoOutput(node, lambda: None)
    output.publish(None, 0.0)
    output.close()
    assert node.published == []
    text, = node.said
    assert 'vision_msgs' in text and 'semantic_segmentation_layer' in text
    assert not output.missed  # nobody asks for it
    node.subscribers = 1
    assert 'vision_msgs' in output.missed


def test_a_callback_of_what_is_being_destroyed_does_not_end_the_process():
    from fcn_seg_ros.ros.main import _spin
    from rclpy.exceptions import InvalidHandle
    rounds = []

    class Executor:
        def spin(self):
            rounds.append(len(rounds))
            if len(rounds) < 3:
                raise InvalidHandle('cannot use Destroyable because destruction was requested')
            if len(rounds) == 4:
                raise RuntimeError('something else')

    _spin(Executor(), lambda: len(rounds) < 3)
    assert len(rounds) == 3
    with pytest.raises(RuntimeError, match='something else'):
        _spin(Executor(), lambda: True)


def test_a_message_is_made_without_copying_its_picture():
    from fcn_seg_ros.ros.messages import image_message
    from rclpy.serialization import deserialize_message, serialize_message
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    message = image_message(pixels, 'rgb8', Header(frame_id='camera'))
    pixels[0, 0] = 200
    read = deserialize_message(serialize_message(message), Image)
    assert bytes(read.data) == pixels.tobytes()
    assert (read.height, read.width, read.step, read.encoding) == (2, 4, 12, 'rgb8')
    assert read.header.frame_id == 'camera'
