"""The executor of the segmentation node."""

import threading
import time
from typing import Any

from rclpy.context import Context
from rclpy.executors import Executor, ShutdownException, TimeoutException
from rclpy.node import Node
from rclpy.subscription import Subscription

_POLL = 1e-4
"""Seconds between looks whether a thread has taken its callback up."""


class ServiceThreadExecutor(Executor):
    """
    Run services in a thread of their own, all other callbacks in the one that spins.

    Images, timers and events so go on while a service is loading a network.  What runs
    apart are the callbacks of the nodes' default groups, in which rclpy puts services, one
    at a time as in any such group.

    Not rclpy's MultiThreadedExecutor: until a thread of its pool has taken a callback up, it
    hands that out again and again, and keeps the thread from the interpreter by it
    (github.com/ros2/rclpy, issue 1452).  Every few images come half a second late then.

    :param context: the ROS context, None for the default one.
    """

    def __init__(self, *, context: Context | None = None) -> None:
        super().__init__(context=context)
        self._failure: BaseException | None = None

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """
        Wait for a callback and run it, or see it taken up by another thread.

        :param timeout_sec: to wait, None: for ever.
        :raises Exception: what a callback has raised, in whichever thread.
        """
        try:
            handler, entity, node = self.wait_for_ready_callbacks(timeout_sec)
        except (ShutdownException, TimeoutException):
            return
        if _may_take_long(entity, node):
            threading.Thread(target=self._run, args=(handler,), daemon=True).start()
            # It would be handed out again as long as it waits.
            while not (handler.executing() or handler.done()):
                time.sleep(_POLL)
        else:
            handler()
            handler.result()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _run(self, handler: Any) -> None:
        handler()
        if handler.exception() is not None:
            self._failure = handler.exception()
            self.wake()


def _may_take_long(entity: Any, node: Node | None) -> bool:
    """Tell services, and what else excludes them, from the clock's ticks in the same group."""
    return (node is not None and entity.callback_group is node.default_callback_group
            and not isinstance(entity, Subscription))
