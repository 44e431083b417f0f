"""A process that makes, sends and reads image messages, and prints how long each took."""

import argparse
from collections.abc import Sequence
import json
import time

import numpy as np
import rclpy
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from ...ros.messages import image_message, image_to_rgb
from ...support.arrays import UInt8Array

_PERIOD = 0.02
"""Seconds between rounds, for the listener to keep up."""


def main(argv: Sequence[str] | None = None) -> None:
    """
    Measure for some seconds; print {step: [seconds]}.

    :param argv: the command line without the program, None for the process's own.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--width', type=int, required=True)
    parser.add_argument('--height', type=int, required=True)
    parser.add_argument('--seconds', type=float, default=2.0)
    args = parser.parse_args(argv)
    rclpy.init()
    node = rclpy.create_node('bench_publisher')
    shapes = {'mono8': (args.height, args.width), 'rgb8': (args.height, args.width, 3)}
    pictures = {name: np.zeros(shape, np.uint8) for name, shape in shapes.items()}
    publishers = {name: node.create_publisher(Image, f'/messages/{name}', QoSProfile(depth=1))
                  for name in pictures}
    while not all(publisher.get_subscription_count() for publisher in publishers.values()):
        time.sleep(0.05)
    durations: dict[str, list[float]] = {}
    end = time.monotonic() + args.seconds
    while not durations or time.monotonic() < end:
        for name, pixels in pictures.items():
            for step, seconds in _once(name, pixels, publishers[name]).items():
                durations.setdefault(f'{step} {name}', []).append(seconds)
        time.sleep(_PERIOD)
    print(json.dumps(durations), flush=True)
    rclpy.try_shutdown()


def _once(encoding: str, pixels: UInt8Array, publisher: Publisher) -> dict[str, float]:
    header = Header(frame_id='camera')
    times = [time.perf_counter()]
    message = image_message(pixels, encoding, header)
    times.append(time.perf_counter())
    publisher.publish(message)
    times.append(time.perf_counter())
    data = serialize_message(message)
    times.append(time.perf_counter())
    received = deserialize_message(data, Image)
    times.append(time.perf_counter())
    image_to_rgb(received)
    made, published, _, read, _ = np.diff([*times, time.perf_counter()]).tolist()
    return {'make message': made, 'publish': published, 'read message': read}


if __name__ == '__main__':
    main()
