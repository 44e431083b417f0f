"""
A segmentation node written the usual way, to compare with.

What a good tutorial comes to: one callback does everything, cv_bridge's conversions (as its
Python source does them), torchvision's transforms, the network in eager PyTorch and fp32,
its scores brought to the picture's size, softmax and argmax there, colours by indexing a
palette.  Nothing in it is slowed down, and it has the same outputs and the same Fast DDS
profile as the package's own node.
"""

import argparse
from collections.abc import Sequence

import cv2
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header
import torch
import torch.nn.functional as F
from torchvision.transforms import v2

from ...inference.engines import resolve_device
from ...msg import ClassFraction, ClassFractions
from ...networks.loading import load_installed
from ...support.arrays import UInt8Array


class UsualNode(Node):
    """
    Subscribes to ``image``, publishes five outputs of every frame.

    :param network: its name.
    :param weights: file of other weights than its own, or ''.
    :param models_dir: where weights are looked for first, or ''.
    :param device: where it runs, as :func:`.resolve_device` takes it.
    """

    def __init__(self, network: str, weights: str, models_dir: str, device: str) -> None:
        super().__init__('segmentation', namespace='usual')
        entry, model, self.classes, _ = load_installed(network, weights, models_dir)
        self.network = entry.name
        self.device = resolve_device(device).torch()
        self.model = model.eval().to(self.device)
        self.transform = v2.Compose([
            v2.Resize(entry.size, antialias=True),
            v2.ToDtype(torch.float32, scale=True), v2.Normalize(entry.mean, entry.std)])
        self.outputs = {name: self.create_publisher(Image, f'~/{name}', 1)
                        for name in ('class_mask', 'color_mask', 'overlay', 'confidence')}
        self.fractions = self.create_publisher(ClassFractions, '~/class_fractions', 1)
        self.create_subscription(Image, 'image', self.on_image, QoSProfile(depth=1))
        self.get_logger().info('waiting for images')

    def on_image(self, message: Image) -> None:
        """
        Segment a picture and publish everything.

        :param message: the picture, in rgb8.
        """
        picture = np.ndarray((message.height, message.width, 3), np.uint8, message.data)
        batch = self.transform(torch.from_numpy(picture).permute(2, 0, 1).to(self.device))
        with torch.no_grad():
            scores = F.interpolate(self.model(batch[None]), size=picture.shape[:2],
                                   mode='bilinear', align_corners=False)
            probability, class_ids = scores.softmax(dim=1)[0].max(dim=0)
        class_mask = class_ids.to(torch.uint8).cpu().numpy()
        confidence = (probability * 255).round().to(torch.uint8).cpu().numpy()
        color_mask = self.classes.colors[class_mask]
        overlay = np.asarray(cv2.addWeighted(color_mask, 0.5, picture, 0.5, 0), np.uint8)
        for name, pixels in (('class_mask', class_mask), ('color_mask', color_mask),
                             ('overlay', overlay), ('confidence', confidence)):
            self.outputs[name].publish(self.to_message(pixels, message.header))
        counts = np.bincount(class_mask.ravel(), minlength=256) / class_mask.size
        self.fractions.publish(ClassFractions(
            header=message.header, network=self.network, pixels=class_mask.size,
            classes=[ClassFraction(class_id=i, label=label, fraction=counts[i])
                     for i, label in enumerate(self.classes.labels)]))

    @staticmethod
    def to_message(pixels: UInt8Array, header: Header) -> Image:
        """
        Do what cv_bridge's cv2_to_imgmsg does.

        :param pixels: uint8 array H x W or H x W x 3, RGB.
        :param header: of the picture.
        """
        message = Image(header=header, height=pixels.shape[0], width=pixels.shape[1],
                        encoding='rgb8' if pixels.ndim == 3 else 'mono8',
                        step=pixels.strides[0])
        message.data.frombytes(pixels.tobytes())
        return message


def main(argv: Sequence[str] | None = None) -> None:
    """
    Run the node until told to stop.

    :param argv: the command line without the program, None for the process's own.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ('network', 'weights', 'models-dir', 'device'):
        parser.add_argument(f'--{name}', default='')
    parser.add_argument('--threads', type=int, default=0)
    args = parser.parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    rclpy.init()
    node = UsualNode(args.network, args.weights, args.models_dir, args.device)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()
