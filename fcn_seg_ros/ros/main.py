"""Entry point of the executable ``segmentation_node``."""

from collections.abc import Callable
from contextlib import suppress
import logging
import os
import signal
import sys
import threading
import time
from typing import NoReturn, TYPE_CHECKING

from ..support.process import keep_memory, share_cores

if TYPE_CHECKING:  # importing them takes time that signals must not wait for
    from rclpy.executors import Executor

    from .node import SegmentationNode

_GRACE = 1.2
"""Seconds after a signal in which the process may end in its own way."""


class _Signals:
    """
    What Python does at SIGINT and SIGTERM, besides rclpy, which shuts the context down.

    Until rclpy does, the process ends at once: what is imported first may turn a
    KeyboardInterrupt into an error of its own, as rclpy's library does, or lose it.

    :ivar handed_over: whether rclpy answers signals.
    :ivar interrupted: whether SIGINT has interrupted the main thread since then.
    """

    def __init__(self) -> None:
        self.handed_over = self.interrupted = False
        self._report = sys.unraisablehook
        sys.unraisablehook = self._report_others
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._answer)

    def _answer(self, number: int, frame: object) -> None:
        if not self.handed_over:
            os._exit(0)
        if number == signal.SIGINT:
            self.interrupted = True
            raise KeyboardInterrupt

    def _report_others(self, what: 'sys.UnraisableHookArgs') -> None:
        """Say nothing of a KeyboardInterrupt that comes in a callback: the context ends, too."""
        if not issubclass(what.exc_type, KeyboardInterrupt):
            self._report(what)


def main(args: list[str] | None = None) -> NoReturn:
    """
    Run the node until it is told to stop, and end the process.

    Its exit status is 0, or 1 when ``autostart`` could not start the node or a fault
    ended it.

    :param args: the command line, program name and all; None is the process's own.
    """
    signals = _Signals()
    try:
        status = _run(args, signals)
    except KeyboardInterrupt:  # before there was anything to end
        status = 0
    # A load or a frame in work must not hold the process back, and its native threads
    # must not meet a half torn-down interpreter.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _run(args: list[str] | None, signals: _Signals) -> int:
    import rclpy
    from rclpy.exceptions import ParameterException
    from rclpy.executors import ExternalShutdownException

    from .dds import profile_environment

    os.environ.update(profile_environment())  # Fast DDS reads it at init
    share_cores()
    keep_memory()
    try:
        rclpy.init(args=args)
    except RuntimeError as error:  # arguments that are none of ROS's
        return _complain(error)
    signals.handed_over = True
    node: SegmentationNode | None = None
    executor: Executor | None = None

    def end_in_time() -> None:
        """End the process soon after the context, whatever holds it back."""
        while rclpy.ok():
            time.sleep(0.1)
        time.sleep(_GRACE)
        os._exit(node.exit_status if node is not None else 0)

    threading.Thread(target=end_in_time, daemon=True).start()
    try:
        # PyTorch takes seconds to import: not before signals are taken care of.
        from . import node as nodes
        from .executor import ServiceThreadExecutor
        from .throttle import RosLogHandler
        node = nodes.SegmentationNode()
        core = logging.getLogger('fcn_seg_ros')
        core.setLevel(logging.INFO)
        core.addHandler(RosLogHandler(node.get_logger()))
        executor = ServiceThreadExecutor()
        executor.add_node(node)
        node.start()
        _spin(executor, rclpy.ok)
    except ExternalShutdownException:
        pass
    except BaseException as error:
        # A signal interrupts whatever is being done, or shuts the context down under it, and
        # native libraries may have errors of their own for that: no error of ours.
        if signals.interrupted:
            _wait_for_shutdown()
        elif isinstance(error, ParameterException):
            return _complain(error)
        elif rclpy.ok():
            raise
    finally:
        _close(node, executor)
    return node.exit_status if node is not None else 0


def _spin(executor: 'Executor', keep_on: Callable[[], bool]) -> None:
    """
    Execute callbacks until the context is shut down.

    While one thread destroys a subscription or a publisher, another may be about to wait
    for it, which rclpy answers with an InvalidHandle that its executor does not expect
    (github.com/ros2/rclpy, issues 1206, 1284 and 1355).
    """
    from rclpy.exceptions import InvalidHandle
    while keep_on():
        with suppress(InvalidHandle):
            executor.spin()


def _wait_for_shutdown() -> None:
    """
    Wait until the context is shut down, after a KeyboardInterrupt.

    Python raises it as soon as the signal is there, rclpy's thread for signals shuts the
    context down a moment later, and what breaks off then (a download) asks the context.
    """
    import rclpy
    end = time.monotonic() + _GRACE
    while rclpy.ok() and time.monotonic() < end:
        time.sleep(0.01)


def _complain(error: Exception) -> int:
    print(f'segmentation_node: {str(error).splitlines()[0]}', file=sys.stderr)
    return 1


def _close(node: 'SegmentationNode | None', executor: 'Executor | None') -> None:
    """
    Leave the graph: other nodes would find out much later.

    When nothing of the node is in use any more, Fast DDS also removes its segments of
    shared memory (config/fastdds.xml: 64 MiB), which would outlive the process.
    """
    import rclpy
    from rclpy.signals import uninstall_signal_handlers
    try:
        if not rclpy.ok():  # the process ends soon, whatever holds it back
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
        # This waits for rclpy's thread for signals, which may be about to trigger the
        # executor's guard conditions: destroyed meanwhile, they end the process with SIGSEGV.
        uninstall_signal_handlers()
        if executor is not None:
            # It holds on to what it waited for last.  A service may be in a long load.
            executor.shutdown(timeout_sec=0)
        if node is not None:
            node.close()
        rclpy.try_shutdown()
    except (RuntimeError, KeyboardInterrupt):
        pass


if __name__ == '__main__':
    main()
