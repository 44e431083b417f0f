"""The id-to-name map as a vision_msgs/LabelInfo, where vision_msgs is installed."""

from collections.abc import Callable
import threading
import time
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node

from ..events import when_matched
from ..qos import latched
from ..topic_specs import LABEL_INFO
from ...networks.classes import ClassSet

try:
    from vision_msgs.msg import LabelInfo, VisionClass
except ImportError:  # not among the ROS 2 packages of PyPI
    LabelInfo = None

_HOLD = 0.5
"""Seconds in which the names are on their way to a new subscriber."""
_ASKING = 0.1
"""Seconds that a new subscriber of masks may take to ask for the names as well."""
_POLL = 0.005
"""Seconds between looks whether it has."""


class LabelInfoOutput:
    """
    Publish the classes once per network, and anew for those who come later.

    A mask must not come before the names of its classes: Nav2's semantic_segmentation_layer ends
    Nav2's process then.

    :param node: the node to publish with.
    :param on_change: called, without arguments, when a subscriber came or went; call
        :meth:`renew` then.
    """

    def __init__(self, node: Node, on_change: Callable[[], None]) -> None:
        self._node = node
        self._lock = threading.Lock()  # masks are published in a thread of their own
        self._message: Any = None
        self._subscribers = 0
        self._held_until = 0.0  # time.monotonic()
        self._topic = node.resolve_topic_name(f'~/{LABEL_INFO}')
        if LabelInfo is None:
            node.get_logger().info(
                'vision_msgs is not installed, so that there is no ~/label_info: install it '
                "before you use Nav2's semantic_segmentation_layer, which without it ends "
                "Nav2's process at the first mask")
        self._publisher = LabelInfo and node.create_publisher(
            LabelInfo, f'~/{LABEL_INFO}', latched(), event_callbacks=when_matched(on_change),
            callback_group=MutuallyExclusiveCallbackGroup())

    @property
    def missed(self) -> str:
        """Return what is wrong when somebody waits for a label_info that cannot come, or ''."""
        if self._publisher is not None or not self._node.count_subscribers(self._topic):
            return ''
        return (f'somebody subscribes to {self._topic}, which needs vision_msgs: install it and '
                "start the node again. Nav2's semantic_segmentation_layer ends Nav2's process "
                'at the first mask without it')

    def publish(self, classes: ClassSet, min_confidence: float) -> None:
        """
        Publish the classes of a network.

        :param classes: the classes.
        :param min_confidence: the threshold below which pixels are unknown, 0 to 1.
        """
        if self._publisher is None:
            return
        msg = LabelInfo(threshold=float(min_confidence), class_map=[
            VisionClass(class_id=index, class_name=label)
            for index, label in enumerate(classes.labels)])
        msg.header.stamp = self._node.get_clock().now().to_msg()
        self._message = msg
        self._publisher.publish(msg)

    def renew(self) -> None:
        """Publish anew when somebody has come to subscribe; cheap otherwise: call it often."""
        if self._publisher is None or self._message is None:
            return
        with self._lock:
            subscribers, before = self._publisher.get_subscription_count(), self._subscribers
            self._subscribers = subscribers
            if subscribers > before:
                self._held_until = time.monotonic() + _HOLD
                self._publisher.publish(self._message)

    def is_on_its_way(self, new_reader: bool) -> bool:
        """
        Tell whether a new subscriber may still wait for the names.

        :param new_reader: somebody has just come to subscribe to masks, and is waited for a
            moment, as it may be about to subscribe to the names.
        """
        end = time.monotonic() + (_ASKING if new_reader and self._publisher is not None else 0.0)
        while True:
            self.renew()
            now = time.monotonic()
            if now < self._held_until:
                return True
            if now >= end:
                return False
            time.sleep(_POLL)

    def close(self) -> None:
        """Destroy the publisher."""
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
