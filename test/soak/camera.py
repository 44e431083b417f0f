"""
A camera for the load test: pictures of changing sizes and encodings.

Each picture's frame_id says what it is, as 'serial/width/height/encoding', so that whoever
gets a mask of it can tell what the mask must be like.
"""

import argparse
from pathlib import Path
import random
import sys
import time

import cv2
import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

sys.path.append(str(Path(__file__).parents[1] / 'node'))

_FROM_RGB = {
    'rgb8': None, 'bgr8': cv2.COLOR_RGB2BGR, 'mono8': cv2.COLOR_RGB2GRAY,
    'rgba8': cv2.COLOR_RGB2RGBA, 'yuv422_yuy2': cv2.COLOR_RGB2YUV_YUY2,
}


def main():
    """Publish until killed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--domain', type=int, required=True)
    parser.add_argument('--topic', required=True)
    parser.add_argument('--rate', type=float, required=True)
    parser.add_argument('--sizes', required=True, help='such as 640x480,1280x720')
    parser.add_argument('--serial', type=int, default=0, help='where to begin to count')
    parser.add_argument('--best-effort', action='store_true')
    args = parser.parse_args()
    from graph import to_array

    context = Context()
    rclpy.init(context=context, domain_id=args.domain)
    node = rclpy.create_node('soak_camera', context=context)
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT if args.best_effort
                     else ReliabilityPolicy.RELIABLE)
    images = node.create_publisher(Image, f'{args.topic}/image', qos)
    infos = node.create_publisher(CameraInfo, f'{args.topic}/camera_info', qos)
    dice = random.Random(args.serial)
    sizes = [tuple(map(int, size.split('x'))) for size in args.sizes.split(',')]
    serial, until = args.serial, 0.0
    due = time.monotonic()
    while True:
        if time.monotonic() > until:
            until = time.monotonic() + dice.uniform(3, 15)
            width, height = dice.choice(sizes)
            encoding = dice.choice(list(_FROM_RGB))
            coarse = np.random.default_rng(serial).integers(0, 256, (9, 16, 3), np.uint8)
            pixels = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
            if _FROM_RGB[encoding] is not None:
                pixels = cv2.cvtColor(pixels, _FROM_RGB[encoding])
        serial += 1
        header = Header(frame_id=f'{serial}/{width}/{height}/{encoding}',
                        stamp=node.get_clock().now().to_msg())
        message = Image(header=header, height=height, width=width, encoding=encoding,
                        step=pixels.strides[0])
        # One in a hundred is damaged.
        message.data = to_array(pixels) if dice.random() > 0.01 else to_array(pixels)[:100]
        info = CameraInfo(header=header, height=height, width=width)
        info.k = [float(width), 0.0, width / 2, 0.0, float(width), height / 2, 0.0, 0.0, 1.0]
        infos.publish(info)
        images.publish(message)
        due = max(due + 1 / args.rate, time.monotonic() - 1)
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == '__main__':
    main()
