"""A picture that tells which colour is which class, for RViz and other viewers."""

from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from ..messages import image_message
from ..qos import latched
from ..topic_specs import LEGEND
from ...images.drawing import draw_legend, legend_entries
from ...networks.classes import ClassSet

WIDTH, TEXT_HEIGHT = 480, 16


class LegendOutput:
    """
    Publish the legend once per network; those who come later get it, too.

    :param node: the node to publish with.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(Image, f'~/{LEGEND}', latched())

    def publish(self, classes: ClassSet) -> None:
        """
        Publish the legend of a network, an rgb8 picture without a frame.

        :param classes: the classes.
        """
        entries = legend_entries(classes, unknown=True)
        pixels = draw_legend(entries, WIDTH, text_height=TEXT_HEIGHT)
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._publisher.publish(image_message(pixels, 'rgb8', header))

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)
