"""
A process that listens to outputs and prints when they came, as JSON.

It takes messages as they were serialised: what a subscriber makes of them is its own affair,
and in Python would be a good part of the latency.
"""

import argparse
from collections.abc import Sequence
from functools import partial
import json
import math
import time

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Empty

from .arrivals import Arrivals, read_stamp
from .camera import ACK
from ...msg import ClassFractions
from ...support.process import keep_memory

FRACTIONS = 'class_fractions'
_LEAST = 3
"""Rounds to listen to, however long they take."""


def main(argv: Sequence[str] | None = None) -> None:
    """
    Listen for some seconds, or some rounds, after the warm-up; print the times.

    :param argv: the command line without the program, None for the process's own.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--cameras', required=True,
                        help='prefixes of the outputs, with commas between them')
    parser.add_argument('--outputs', required=True, help='names, with commas between them')
    parser.add_argument('--seconds', type=float, default=0.0)
    parser.add_argument('--rounds', type=int, default=0)
    parser.add_argument('--warm-up', type=int, default=5, help='rounds that do not count')
    parser.add_argument('--patience', type=float, default=math.inf,
                        help='seconds in which the warm-up must end, or nothing is measured')
    parser.add_argument('--best-effort', action='store_true')
    args = parser.parse_args(argv)
    cameras, outputs = args.cameras.split(','), args.outputs.split(',')
    arrivals = Arrivals(cameras, len(outputs), args.warm_up)
    keep_memory()
    rclpy.init()
    node = rclpy.create_node('bench_listener')
    answer = node.create_publisher(Empty, ACK, QoSProfile(depth=1))

    def on_output(camera: str, data: bytes) -> None:
        if arrivals.add(camera, read_stamp(data), time.time()):
            answer.publish(Empty())

    qos = QoSProfile(depth=1, reliability=(
        ReliabilityPolicy.BEST_EFFORT if args.best_effort else ReliabilityPolicy.RELIABLE))
    for camera in cameras:
        for output in outputs:
            node.create_subscription(
                ClassFractions if output == FRACTIONS else Image, f'{camera}{output}',
                partial(on_output, camera), qos, raw=True)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    give_up = time.time() + args.patience
    try:
        while rclpy.ok() and not _enough(arrivals, args, give_up):
            executor.spin_once(timeout_sec=0.1)
    except (KeyboardInterrupt, ExternalShutdownException):
        return
    print(json.dumps(arrivals.to_dict()), flush=True)
    rclpy.try_shutdown()


def _enough(arrivals: Arrivals, args: argparse.Namespace, give_up: float) -> bool:
    if arrivals.began is None:
        return time.time() >= give_up
    if args.rounds:
        return len(arrivals.rounds) >= args.rounds
    return time.time() - arrivals.began >= args.seconds and len(arrivals.rounds) >= _LEAST


if __name__ == '__main__':
    main()
