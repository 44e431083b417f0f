"""The transforms that fixed mounts stand for, on /tf_static where nobody else tells them."""

from rclpy.node import Node
from rclpy.publisher import Publisher

from ..inputs.tf import Transforms
from ..mounted import Mounted
from ..qos import latched
from ..topic_specs import TF_STATIC

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # comes with tf2_ros
    TFMessage = None

_PATIENCE = 3.0
"""Seconds of listening to TF in which somebody else may give the frame its parent."""
_TOLERANCE = 1e-6
"""What numbers may lose on their way through TF, m and entries of the rotation."""


class MountTransforms:
    """
    Publishes where the cameras on fixed mounts are, for who takes their clouds by TF.

    A frame has one parent.  So TF is listened to first, and a frame that anybody else has given
    a parent is left to them.  That somebody else does so is seen by TF's saying another parent
    or another place than was published here.

    :param node: the node to publish with.
    :param transforms: what listens to TF.

    :ivar states: {camera: what becomes of its transform}, as of the last :meth:`follow`.
    """

    def __init__(self, node: Node, transforms: Transforms) -> None:
        self._node = node
        self._transforms = transforms
        self._publisher: Publisher | None = None
        self._published: dict[str, Mounted] = {}  # by camera
        # All that was ever published: TF gives it back, and a little later than it changes.
        self._own: list[Mounted] = []
        self._left: dict[str, Mounted] = {}  # by camera: those that another node has a parent for
        self._told: set[str] = set()  # what the log has had already
        self.states: dict[str, str] = {}

    def needs_transforms(self, camera: str, mounted: Mounted | None) -> bool:
        """
        Tell whether TF has to be listened to for a camera's sake.

        :param camera: the camera's name.
        :param mounted: where it is, or None where its transform is not to be published or
            not known yet.
        """
        if mounted is None or TFMessage is None:
            return False
        left = self._left.get(camera)
        return left is None or not left.same_as(mounted)

    def follow(self, cameras: dict[str, Mounted]) -> None:
        """
        Publish, or stop to publish, as TF says; cheap when nothing changed: call it often.

        :param cameras: {camera: where it is} of those whose transform is to be known.
        """
        self.states = {}
        wanted = {name: mounted for name, mounted in cameras.items()
                  if self._may_publish(name, mounted, cameras)}
        changed = [mounted for name, mounted in wanted.items()
                   if name not in self._published or not mounted.same_as(self._published[name])]
        if not changed and wanted.keys() == self._published.keys():
            return
        for mounted in changed:
            self._node.get_logger().info(
                f'TF has no other parent of {mounted.frame}: its transform from {mounted.parent} '
                'is published as mount.* says')
        self._published, self._own = wanted, [*self._own, *changed]
        if self._publisher is None:
            self._publisher = self._node.create_publisher(TFMessage, TF_STATIC, latched())
        self._publisher.publish(TFMessage(
            transforms=[mounted.message(self._node) for mounted in wanted.values()]))

    def _may_publish(self, camera: str, mounted: Mounted, cameras: dict[str, Mounted]) -> bool:
        """Tell whether a camera's transform is the node's to publish; note why not."""
        if TFMessage is None:
            self.states[camera] = 'not published: tf2_ros is not installed'
            if '' not in self._told:
                self._told.add('')
                self._node.get_logger().info(
                    'tf2_ros is not installed, so that the transform of mount.* is not published: '
                    'install it, or publish the transform otherwise, before Nav2 takes clouds')
            return False
        if mounted.frame == mounted.parent:
            self._refuse(camera, f'images come with the frame_id {mounted.frame}, which is '
                                 "ground_frame: give them one of the camera's own")
            return False
        if any(other.frame == mounted.frame and not other.same_as(mounted)
               for other in cameras.values()):
            self._refuse(camera, f'several cameras send the frame_id {mounted.frame} from '
                                 'different mounts: give each a frame of its own')
            return False
        found = self._transforms.parent_of(mounted.frame)
        if found is not None and not any(
                own.frame == mounted.frame and own.parent == found[0]
                and own.pose.same_as(found[1], _TOLERANCE) for own in self._own):
            self._leave(camera, mounted, found[0])
        if not self.needs_transforms(camera, mounted):
            self.states[camera] = f'left to another node, which has a parent of {mounted.frame}'
            return False
        if camera not in self._published and self._transforms.listening_for() < _PATIENCE:
            self.states[camera] = 'waiting whether another node publishes it'
            return False
        self.states[camera] = f'published, from {mounted.parent} to {mounted.frame}'
        return True

    def _refuse(self, camera: str, reason: str) -> None:
        """Note, and warn once, that something keeps a transform from being published."""
        self.states[camera] = f'not published: {reason}'
        if reason not in self._told:
            self._told.add(reason)
            self._node.get_logger().warning(
                f'the transform of mount.* is not published: {reason}')

    def _leave(self, camera: str, mounted: Mounted, parent: str) -> None:
        """Leave a frame to the node that gives it its parent."""
        self._left[camera] = mounted
        if camera not in self._published:
            self._node.get_logger().info(
                f'TF has {parent} as the parent of {mounted.frame}, so that mount.* is not '
                f'published: Nav2 needs {mounted.parent} and {parent} connected')
        else:
            self._node.get_logger().warning(
                f'another node publishes a transform of {mounted.frame}, from {parent}: that of '
                'mount.* is published no more. Set mount.publish_tf to false, and start Nav2 '
                'anew: of both transforms it goes by the one that it heard last')

    def close(self) -> None:
        """Publish nothing any more."""
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
        self._publisher = None
        self._published = {}
