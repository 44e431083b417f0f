"""A camera on its mount, as a transform of TF."""

from dataclasses import dataclass

from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.node import Node

from ..geometry.pose import Pose


@dataclass(frozen=True, eq=False)
class Mounted:
    """
    A camera on its mount.

    :ivar parent: the ground frame.
    :ivar frame: the images' frame_id.
    :ivar pose: of the optical frame in the ground frame.
    :ivar publish: the node is to publish it, unless TF has another.
    """

    parent: str
    frame: str
    pose: Pose
    publish: bool = True

    def same_as(self, other: 'Mounted') -> bool:
        """
        Tell whether two are of the same frames and place.

        :param other: the other one.
        """
        return (self.parent, self.frame) == (other.parent, other.frame) \
            and self.pose.same_as(other.pose)

    def message(self, node: Node) -> TransformStamped:
        """
        Return the transform, stamped with the node's time.

        :param node: the node.
        """
        x, y, z = self.pose.translation.tolist()
        qx, qy, qz, qw = self.pose.quaternion.tolist()
        message = TransformStamped(child_frame_id=self.frame, transform=Transform(
            translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)))
        message.header.frame_id = self.parent
        message.header.stamp = node.get_clock().now().to_msg()
        return message
