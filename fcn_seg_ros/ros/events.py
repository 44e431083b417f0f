"""Callbacks for what happens to publishers and subscriptions, as each distribution has them."""

from collections.abc import Callable
import inspect

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble, where the module has another name
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks


def when_matched(on_change: Callable[[], None]) -> PublisherEventCallbacks:
    """
    Return event callbacks for a publisher.

    Humble has no such event: there the node finds out when it next looks who subscribes, which
    it does twice a second.

    :param on_change: called, without arguments, when a subscriber came or went.
    """
    if 'matched' not in inspect.signature(PublisherEventCallbacks).parameters:
        return PublisherEventCallbacks()
    return PublisherEventCallbacks(matched=lambda event: on_change())


def when_incompatible(on_change: Callable[[], None]) -> SubscriptionEventCallbacks:
    """
    Return event callbacks for a subscription.

    They replace rclpy's own, which warn of what the node is about to mend.

    :param on_change: called, without arguments, when a publisher came that offers less than the
        subscription asks for.
    """
    return SubscriptionEventCallbacks(incompatible_qos=lambda event: on_change())
