"""The transforms of fixed mounts: published where nobody else tells them, else compared."""

from rclpy.node import Node
from rclpy.publisher import Publisher

from ..inputs.tf import Transforms
from ..mounted import Mounted
from ..qos import latched
from ..throttle import Throttle
from ..topic_specs import TF_STATIC
from ...geometry.pose import Pose

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # comes with tf2_ros
    TFMessage = None

_PATIENCE = 3.0
"""Seconds of listening to TF in which somebody else may give the frame its parent."""
_TOLERANCE = 1e-6
"""What numbers may lose on their way through TF, m and entries of the rotation."""
_FAR, _TURNED = 0.05, 2.0
"""Metres and degrees by which TF and a mount may differ: a calibration, a robot that nods."""


class MountTransforms:
    """
    Publishes where the cameras on fixed mounts are, for who takes their clouds by TF.

    A frame has one parent.  So TF is listened to first, and a frame that anybody else has given
    a parent is left to them.  That somebody else does so is seen by TF's saying another parent
    or another place than was published here.  Then clouds are worked out by the mount and placed
    by that transform: where the two differ, something is wrong, and warned of.

    :param node: the node to publish with.
    :param transforms: what listens to TF.
    :param throttle: :class:`.Throttle` for differences.

    :ivar states: {camera: what becomes of its transform}, as of the last :meth:`follow`.
    :ivar differences: {camera: how TF's place of it differs from the mount's}, as of the same.
    """

    def __init__(self, node: Node, transforms: Transforms, throttle: Throttle) -> None:
        self._node = node
        self._transforms = transforms
        self._throttle = throttle
        self._publisher: Publisher | None = None
        self._published: dict[str, Mounted] = {}  # by camera
        # All that was ever published: TF gives it back, and a little later than it changes.
        self._own: list[Mounted] = []
        self._left: dict[str, Mounted] = {}  # by camera: those that another node has a parent for
        self._told: set[str] = set()  # what the log has had already
        self.states: dict[str, str] = {}
        self.differences: dict[str, str] = {}

    @property
    def publishes(self) -> bool:
        """Tell whether any transform is published now."""
        return bool(self._published)

    def follow(self, cameras: dict[str, Mounted]) -> None:
        """
        Publish, or stop to publish, as TF says; cheap when nothing changed: call it often.

        :param cameras: {camera: where it is} of those whose transform is to be known.
        """
        self.states, self.differences = {}, {}
        for name, mounted in cameras.items():
            self._compare(name, mounted)
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
        if not mounted.publish:
            return False
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
        left, found = self._left.get(camera), self._transforms.parent_of(mounted.frame)
        is_left = left is not None and left.same_as(mounted)
        if not is_left and found is not None and not self._is_own(mounted.frame, *found):
            self._leave(camera, mounted, found[0])
            is_left = True
        if is_left:
            self.states[camera] = f'left to another node, which has a parent of {mounted.frame}'
            return False
        if camera not in self._published and self._transforms.listening_for() < _PATIENCE:
            self.states[camera] = 'waiting whether another node publishes it'
            return False
        self.states[camera] = f'published, from {mounted.parent} to {mounted.frame}'
        return True

    def _is_own(self, frame: str, parent: str, pose: Pose) -> bool:
        """Tell whether a transform that TF tells was published here."""
        return any((own.frame, own.parent) == (frame, parent)
                   and own.pose.same_as(pose, _TOLERANCE) for own in self._own)

    def _compare(self, camera: str, mounted: Mounted) -> None:
        """Note, and warn now and then, that TF has the camera in another place than its mount."""
        if mounted.frame == mounted.parent:
            return
        place = self._transforms.newest_pose(mounted.parent, mounted.frame)
        # What was published here is a moment behind the parameters.
        if place is None or (camera in self._published
                             and self._is_own(mounted.frame, mounted.parent, place)):
            return
        metres, degrees = place.difference(mounted.pose)
        if metres <= _FAR and degrees <= _TURNED:
            return
        self.differences[camera] = (
            f'TF has {mounted.frame} {metres:.2f} m and {degrees:.1f} degrees from where mount.* '
            f'puts it over {mounted.parent}: clouds and grid are worked out by mount.*, and Nav2 '
            'places clouds by TF. Correct the one that is wrong, or set mount.height to 0 to go '
            'by TF')
        self._throttle.warning((camera, 'mount'), (
            f'{camera}: {self.differences[camera]}' if camera else self.differences[camera]))

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
