"""Subscriptions that ask for as much as their publishers offer."""

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.subscription import Subscription

from ..events import when_incompatible
from ..qos import newest, offered, RELIABLE


class FollowingSubscriptions:
    """
    Some subscriptions, each as reliable and durable as all publishers of its topic are.

    :param node: the node to subscribe with.
    :param on_change: called, without arguments, when a publisher came that offers less than
        what a subscription asks for; call :meth:`follow` then.
    """

    def __init__(self, node: Node, on_change: Callable[[], None]) -> None:
        self._node = node
        self._on_change = on_change
        # name -> (subscription, what it asks for)
        self._held: dict[str, tuple[
            Subscription, tuple[ReliabilityPolicy, DurabilityPolicy]]] = {}

    def follow(self, name: str, message_type: type[Any], callback: Callable[[Any], None]) -> None:
        """
        Subscribe, or subscribe anew when the publishers have changed what they offer.

        Cheap when nothing changed: call it often.

        :param name: the topic's, as the node writes it.
        :param message_type: of the topic.
        :param callback: given each message.
        """
        asked = offered(self._node, name)
        current = self._held.get(name)
        if current and current[1] == asked:
            return
        if current:
            self._node.destroy_subscription(current[0])
        # A group of its own: in older rclpy a callback that comes after the destruction of
        # its subscription blocks its group for ever.
        subscription = self._node.create_subscription(
            message_type, name, callback, newest(*asked),
            callback_group=MutuallyExclusiveCallbackGroup(),
            event_callbacks=when_incompatible(self._on_change))
        self._held[name] = (subscription, asked)

    def __contains__(self, name: str) -> bool:
        """Tell whether a topic is subscribed to."""
        return name in self._held

    def reliable(self, name: str) -> bool:
        """
        Tell whether a subscription exists and asks for reliable delivery.

        :param name: the topic's, as of :meth:`follow`.
        """
        return name in self._held and self._held[name][1][0] == RELIABLE

    def close(self) -> None:
        """Drop all subscriptions."""
        for subscription, _ in self._held.values():
            self._node.destroy_subscription(subscription)
        self._held.clear()
