"""A picture that tells which colour is which class, for RViz and other viewers."""

from sensor_msgs.msg import Image
from std_msgs.msg import Header

from ..messages import image_message
from ..qos import latched
from ...images.drawing import draw_legend, legend_entries

WIDTH, TEXT_HEIGHT = 480, 16


class LegendOutput:
    """Publish the legend once per network; those who come later get it, too."""

    def __init__(self, node):
        self._node = node
        self._publisher = node.create_publisher(Image, '~/legend', latched())

    def publish(self, classes):
        """Publish the legend of a :class:`.ClassSet`: rgb8, no frame."""
        entries = legend_entries(classes, unknown=True)
        pixels = draw_legend(entries, WIDTH, text_height=TEXT_HEIGHT)
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._publisher.publish(image_message(pixels, 'rgb8', header))

    def close(self):
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)
