"""What the outputs of a camera have in common."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions

from ..events import when_matched
from ..frame import Frame
from ..qos import newest


class OutputGroup(Protocol):
    """
    Some outputs of one camera that are made together.

    Nothing is computed or published for an output that nobody subscribes to.
    """

    def wanted(self) -> set[str]:
        """Return the names of the outputs that somebody subscribes to."""

    def needs_confidence(self, wanted: Collection[str]) -> bool:
        """
        Tell whether making some outputs takes the frame's confidence.

        :param wanted: their names.
        """

    def publish(self, frame: Frame, wanted: Collection[str]) -> None:
        """
        Publish the wanted outputs of a frame.

        :param frame: the frame.
        :param wanted: names, as of :meth:`wanted`; not empty.
        """

    def close(self) -> None:
        """Destroy the publishers."""


class Publishers:
    """
    The publishers of some outputs, and who subscribes to them.

    :param node: the node to publish with.
    :param types: {name: message type}.
    :param prefix: of the topics, such as '~/' or '~/front/'.
    :param on_change: called, without arguments, when a subscriber came or went.
    :param qos: the publishers' profile, by default :func:`.newest`.
    """

    def __init__(self, node: Node, types: Mapping[str, type[Any]], prefix: str,
                 on_change: Callable[[], None], qos: QoSProfile | None = None) -> None:
        self._node = node
        # One callback group for them all: rclpy blocks a group for good when an entity in
        # it is destroyed with a callback pending.
        events_group = MutuallyExclusiveCallbackGroup()
        self._publishers: dict[str, Publisher] = {
            name: node.create_publisher(
                message_type, self._topic(node, prefix, name), qos or newest(),
                callback_group=events_group, event_callbacks=when_matched(on_change),
                qos_overriding_options=QoSOverridingOptions.with_default_policies())
            for name, message_type in types.items()}

    def _topic(self, node: Node, prefix: str, name: str) -> str:
        """Return the name of the topic of an output."""
        return prefix + name

    def wanted(self) -> set[str]:
        """Return the names of the outputs that somebody subscribes to."""
        return {name for name, publisher in self._publishers.items()
                if publisher.get_subscription_count()}

    def needs_confidence(self, wanted: Collection[str]) -> bool:
        """
        Return False: most outputs do without.

        :param wanted: names of the outputs that are to be made.
        """
        return False

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers = {}
