"""A camera's registered depth images."""

from collections.abc import Callable

from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import Image

from .subscriptions import FollowingSubscriptions
from ..topic_specs import DEPTH
from ...navigation.matching import StampBuffer


class DepthInput:
    """
    The last few depth images of one camera, to be found by their stamps.

    :param node: the node to subscribe with.
    :param camera: name of the camera, '' for the only one.
    :param on_change: called, without arguments, when a publisher came that offers less than
        what the subscription asks for.
    :ivar expected: whether somebody publishes depth.
    """

    def __init__(self, node: Node, camera: str, on_change: Callable[[], None]) -> None:
        self._node = node
        self._name = f'{camera}/{DEPTH}' if camera else DEPTH
        self.topic = node.resolve_topic_name(self._name)
        self._subscriptions = FollowingSubscriptions(node, on_change)
        self._images: StampBuffer[Image] = StampBuffer()
        self.expected = False

    def follow(self, wanted: bool) -> None:
        """
        Subscribe while depth is wanted, else not; note whether anybody publishes any.

        :param wanted: whether it is.
        """
        if not wanted:
            self.close()
            return
        self.expected = self._node.count_publishers(self.topic) > 0
        self._subscriptions.follow(self._name, Image, self._on_depth)

    def nearest(self, stamp: Time, slop: float) -> Image | None:
        """
        Return the depth image nearest to an image's stamp, or None.

        :param stamp: builtin_interfaces/Time.
        :param slop: largest difference, s.
        """
        return self._images.nearest(_nanoseconds(stamp), slop)

    def close(self) -> None:
        """Drop the subscription and what it has brought."""
        self._subscriptions.close()
        self._images.clear()
        self.expected = False

    def _on_depth(self, msg: Image) -> None:
        self._images.add(_nanoseconds(msg.header.stamp), msg)


def _nanoseconds(stamp: Time) -> int:
    return stamp.sec * 10**9 + stamp.nanosec
