"""The id-to-name map as a vision_msgs/LabelInfo, where vision_msgs is installed."""

from rclpy.node import Node

from ..qos import latched
from ...networks.classes import ClassSet

try:
    from vision_msgs.msg import LabelInfo, VisionClass
except ImportError:  # not among the ROS 2 packages of PyPI
    LabelInfo = None


class LabelInfoOutput:
    """
    Publish the classes once per network; those who come later get them, too.

    :param node: the node to publish with.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._topic = node.resolve_topic_name('~/label_info')
        if LabelInfo is None:
            node.get_logger().info(
                'vision_msgs is not installed, so that there is no ~/label_info: install it '
                "before you use Nav2's semantic_segmentation_layer, which without it ends "
                "Nav2's process at the first mask")
        self._publisher = LabelInfo and node.create_publisher(
            LabelInfo, '~/label_info', latched())

    @property
    def missed(self) -> str:
        """Return what is wrong when somebody waits for a label_info that cannot come, or ''."""
        if self._publisher is not None or not self._node.count_subscribers(self._topic):
            return ''
        return (f'somebody subscribes to {self._topic}, which needs vision_msgs: install it and '
                "start the node again. Nav2's semantic_segmentation_layer ends Nav2's process "
                'at the first mask without it')

    def publish(self, classes: ClassSet, min_confidence: float) -> None:
        """
        Publish the classes of a network.

        :param classes: the classes.
        :param min_confidence: the threshold below which pixels are unknown, 0 to 1.
        """
        if self._publisher is None:
            return
        msg = LabelInfo(threshold=float(min_confidence), class_map=[
            VisionClass(class_id=index, class_name=label)
            for index, label in enumerate(classes.labels)])
        msg.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(msg)

    def close(self) -> None:
        """Destroy the publisher."""
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
