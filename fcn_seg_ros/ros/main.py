"""Entry point of the executable ``segmentation_node``."""

import os
import sys

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn

from .node import SegmentationNode


def main(args=None):
    """
    Run the node until it is told to stop, and end the process.

    Its exit status is 0, or 1 when ``autostart`` could not start the node.
    """
    node = None
    status = 0
    try:
        rclpy.init(args=args)
        node = SegmentationNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        if node.get_parameter('autostart').value and not _start(node):
            status = 1 if rclpy.ok() else 0
        else:
            executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:  # RCLError when a signal invalidated the context in mid-call
        if rclpy.ok():
            raise
    finally:
        try:
            if node is not None:
                node.close()
            rclpy.try_shutdown()
        except (RuntimeError, KeyboardInterrupt):
            pass
    # A load or a frame in work must not hold the process back, and its native threads
    # must not meet a half torn-down interpreter.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _start(node):
    """Configure and activate; return whether both worked."""
    return (node.trigger_configure() == TransitionCallbackReturn.SUCCESS
            and node.trigger_activate() == TransitionCallbackReturn.SUCCESS)


if __name__ == '__main__':
    sys.exit(main())
