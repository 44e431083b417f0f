"""
A camera process that costs as little as a driver: the same picture, serialised, with new stamps.

Publishes one image per topic and round.  Rounds come at a rate, or, without one, whenever
the listener says that the last one's outputs have arrived.
"""

import argparse
from collections.abc import Sequence
from contextlib import suppress
import threading
import time

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Empty, Header

from .arrivals import write_stamp
from ...ros.messages import image_message
from ...support.process import keep_memory

ACK = 'bench/ack'
_LOST = 3.0
"""Seconds after which a round without an answer counts as lost."""


def main(argv: Sequence[str] | None = None) -> None:
    """
    Publish until told to stop.

    :param argv: the command line without the program, None for the process's own.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--topics', required=True, help='names, with commas between them')
    parser.add_argument('--picture', required=True, help='.npy file, uint8 H x W x 3')
    parser.add_argument('--rate', type=float, default=0.0, help='rounds a second, 0: on answers')
    parser.add_argument('--best-effort', action='store_true')
    args = parser.parse_args(argv)
    reliability = (ReliabilityPolicy.BEST_EFFORT if args.best_effort
                   else ReliabilityPolicy.RELIABLE)
    keep_memory()
    rclpy.init()
    node = rclpy.create_node('bench_camera')
    qos = QoSProfile(depth=1, reliability=reliability)
    publishers = [node.create_publisher(Image, topic, qos) for topic in args.topics.split(',')]
    answered = threading.Event()
    node.create_subscription(Empty, ACK, lambda message: answered.set(), QoSProfile(depth=1))
    spinning = threading.Thread(target=_spin, args=(node,), daemon=True)
    spinning.start()
    message = serialize_message(
        image_message(np.load(args.picture), 'rgb8', Header(frame_id='camera')))
    try:
        _publish_rounds(publishers, bytearray(message), args.rate, answered)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
        spinning.join()


def _publish_rounds(publishers: Sequence[Publisher], message: bytearray, rate: float,
                    answered: threading.Event) -> None:
    while rclpy.ok() and not all(p.get_subscription_count() for p in publishers):
        time.sleep(0.02)
    due = time.monotonic()
    while rclpy.ok():
        answered.clear()
        for publisher in publishers:
            write_stamp(message, time.time_ns())
            publisher.publish(bytes(message))
        if rate:
            due = max(due + 1 / rate, time.monotonic() - 1 / rate)
            time.sleep(max(0.0, due - time.monotonic()))
        else:
            answered.wait(_LOST)


def _spin(node: Node) -> None:
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


if __name__ == '__main__':
    main()
