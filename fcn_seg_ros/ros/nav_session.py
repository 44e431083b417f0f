"""What clouds and grids are made with, for one network and one set of parameters."""

from collections.abc import Collection

from std_msgs.msg import Header

from .inputs.tf import check_stamp, Transforms
from .mounted import Mounted
from .navigation import CameraPlaces, SharedGrid
from .settings import Settings
from ..geometry.pose import Pose
from ..navigation.roles import load_overrides, RoleTable
from ..networks.classes import ClassSet

_OF_THE_NODE = ('roles', 'rectified', 'ground_frame', 'ground_z', 'mounts', 'points', 'costmap')
"""What of the node's parameters a session depends on."""


class NavigationSession:
    """
    The roles of the classes, what is kept of each camera, and the grid of all.

    Whatever changes makes a new one, so that nothing of old parameters or of another
    network's classes is left.

    :param settings: the node's parameters, as of ``parameters.read``.
    :param classes: the network's :class:`.ClassSet`.
    :raises FcnSegError: for roles that make no sense, or not for this network.
    :raises ValueError: for parameters that do not go together.
    """

    def __init__(self, settings: Settings, classes: ClassSet) -> None:
        self.classes = classes
        self._settings = settings
        self._roles = RoleTable.from_classes(
            classes, load_overrides(settings.roles) if settings.roles else None)
        self.grid = SharedGrid(settings.costmap, settings.costmap.frame)
        self._mounts = {camera: pose for camera, mount in settings.mounts.items()
                        if (pose := mount.pose()) is not None}
        self._cameras: dict[str, CameraPlaces] = {}

    def camera(self, name: str) -> CameraPlaces:
        """
        Return what is kept of a camera.

        :param name: the camera's, '' for the only one.
        """
        if name not in self._cameras:
            self._cameras[name] = CameraPlaces(
                self.classes, self._roles, self._settings.points,
                self._settings.rectified)
        return self._cameras[name]

    def fits(self, settings: Settings, classes: ClassSet) -> bool:
        """
        Tell whether a session with other arguments would be the same.

        :param settings: the node's parameters.
        :param classes: the network's.
        """
        return classes is self.classes and all(
            getattr(settings, name) == getattr(self._settings, name) for name in _OF_THE_NODE)

    def needs_transforms(self, camera: str, outputs: Collection[str]) -> bool:
        """
        Tell whether making some outputs of a camera takes TF.

        :param camera: the camera's name.
        :param outputs: names of the outputs.
        """
        if not outputs:
            return False
        moves = self._settings.costmap.frame != self._settings.ground_frame
        return camera not in self._mounts or (moves and 'costmap' in outputs)

    def mounted(self, camera: str, frame: str) -> Mounted | None:
        """
        Return where a camera's mount puts it, or None without a mount.

        :param camera: the camera's name.
        :param frame: the images' frame_id, '' while it is not known.
        """
        settings, mount = self._settings, self._mounts.get(camera)
        if mount is None or not frame:
            return None
        return Mounted(settings.ground_frame, frame, mount.over_ground(-settings.ground_z),
                       settings.mounts[camera].publish_tf)

    def ground_pose(self, camera: str, header: Header, transforms: Transforms) -> Pose:
        """
        Return the :class:`.Pose` of an image's optical frame over the ground.

        :param camera: the camera's name.
        :param header: the image's.
        :param transforms: :class:`.Transforms`.
        :raises TransformError: when TF is asked and does not know.
        """
        mount = self._mounts.get(camera)
        if mount is not None:
            return mount
        settings = self._settings
        return transforms.pose(settings.ground_frame, header.frame_id,
                               header.stamp).over_ground(settings.ground_z)

    def grid_pose(self, ground_pose: Pose, header: Header, transforms: Transforms) -> Pose:
        """
        Return the :class:`.Pose` of an image's optical frame in the grid's frame.

        :param ground_pose: as of :meth:`ground_pose`.
        :param header: the image's.
        :param transforms: :class:`.Transforms`.
        :raises TransformError: for a zero stamp, since cells age by it; when TF is asked and
            does not know.
        """
        check_stamp(header.stamp)
        settings = self._settings
        if settings.costmap.frame == settings.ground_frame:
            return ground_pose
        robot = transforms.pose(settings.costmap.frame, settings.ground_frame, header.stamp)
        return robot @ ground_pose.over_ground(-settings.ground_z)
