"""A warning means that somebody should do something: none comes when subscribers leave."""

from types import SimpleNamespace

from fcn_seg_ros.ros.inputs.tf import TransformError
from fcn_seg_ros.ros.outputs.navigation import NavigationOutputs
from fcn_seg_ros.ros.statistics import Statistics
import numpy as np
import pytest
from std_msgs.msg import Header


class Rig:
    """One camera's navigation outputs, on a clock that the test turns."""

    def __init__(self, monkeypatch):
        self.now, self.warnings, self.error = 100.0, [], None
        monkeypatch.setattr('fcn_seg_ros.ros.outputs.navigation.time.monotonic',
                            lambda: self.now)
        node = SimpleNamespace(
            create_publisher=lambda *args, **kwargs: SimpleNamespace(
                get_subscription_count=lambda: 1),
            resolve_topic_name=lambda name: f'/{name}', count_publishers=lambda topic: 0,
            create_subscription=lambda *args, **kwargs: None,
            destroy_subscription=lambda subscription: None,
            get_publishers_info_by_topic=lambda topic: [])
        self.statistics = Statistics()
        self.outputs = NavigationOutputs(
            node, '~/', lambda: None, '', transforms=None, costmap=None,
            statistics=self.statistics,
            throttle=SimpleNamespace(warning=lambda key, text: self.warnings.append(text)))

    def ground_pose(self, camera, header, transforms):
        if self.error is not None:
            raise self.error

    def camera(self, name):
        return SimpleNamespace(frame=lambda *args, **kwargs: (None, {} if self.error else {
            'calibration': 'no camera_info has come yet'}))

    def publish(self):
        """Publish a frame whose calibration or transform is missing; return the warnings."""
        header = Header()
        header.stamp.sec = 7
        self.outputs.publish(SimpleNamespace(
            header=header, navigation=self, info=None, hurry=lambda: True,
            result=SimpleNamespace(image_size=(2, 2), class_mask=np.zeros((2, 2), np.uint8)),
            settings=SimpleNamespace(points=SimpleNamespace(patience=0.0, depth_slop=0.1),
                                     costmap=SimpleNamespace(time_jump=2.0))), {'points'})
        return self.warnings


@pytest.fixture
def rig(monkeypatch):
    return Rig(monkeypatch)


@pytest.mark.parametrize('error', [None, TransformError('no transform from eye to base', True)])
def test_what_is_missing_is_warned_of_while_somebody_wants_it(rig, error):
    rig.error = error
    rig.outputs.follow(True)
    assert not rig.publish()  # it may still come
    rig.now += 2.1
    assert len(rig.publish()) == 1
    # The last subscriber has left, and the inputs with it, while a frame is in work.
    rig.outputs.follow(False)
    assert len(rig.publish()) == 1
    assert rig.statistics.total('nav:') == 1


def test_what_cannot_be_known_yet_is_no_problem(rig):
    rig.error = TransformError('TF is not listened to yet', late=True, expected=True)
    rig.outputs.follow(True)
    rig.now += 60.0
    assert not rig.publish()
    assert rig.statistics.total('nav:') == 0
