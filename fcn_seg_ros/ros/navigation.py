"""What the node keeps to make clouds and grids: one thing for each camera, one grid."""

from array import array
import math
import threading
from typing import Any

from builtin_interfaces.msg import Time
from nav_msgs.msg import OccupancyGrid
import numpy as np
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from .navigation_messages import calibration_numbers, model_from_info, seconds
from ..errors import CalibrationError, FcnSegError
from ..geometry.camera import CameraModel
from ..geometry.pose import Pose
from ..navigation.costmap import EvidenceGrid, GridSettings
from ..navigation.depth import DepthSamples, view_depth
from ..navigation.frame import CameraNavigation, NavigationFrame
from ..navigation.obstacles import CloudLimits
from ..navigation.points import rgb_table
from ..navigation.roles import RoleTable
from ..networks.classes import ClassSet
from ..segmenter import Segmentation


class CameraPlaces:
    """
    Gives the pixels of one camera's frames their places, from what its messages say.

    The work is the core's :class:`.CameraNavigation`, which knows neither messages nor what to
    do without some: here CameraInfo and depth are read, and bad depth gives way to the ground.
    Whatever is wrong with calibration, depth or pose ends up in ``problems``, as one-line
    texts by kind, and costs only what depends on it.

    :param classes: the network's :class:`.ClassSet`.
    :param roles: its :class:`.RoleTable`.
    :param limits: :class:`.CloudLimits`.
    :param rectified: the images are rectified.
    """

    def __init__(self, classes: ClassSet, roles: RoleTable, limits: CloudLimits,
                 rectified: bool = False) -> None:
        self._navigation = CameraNavigation(roles, rgb_table(classes.colors), limits)
        self._rectified = rectified
        self._numbers: dict[str, Any] | None = None
        # What came of these numbers: a model, or what is wrong with them.
        self._calibration: CameraModel | CalibrationError | None = None

    def frame(self, result: Segmentation, image_size: tuple[int, int], *, info: CameraInfo | None,
              depth: Image | None = None, pose: Pose | None = None
              ) -> tuple[NavigationFrame | None, dict[str, str]]:
        """
        Give the pixels of a segmented frame their places.

        :param result: :class:`.Segmentation` with ``class_mask`` and ``confidence``.
        :param image_size: (height, width) of the camera's image.
        :param info: the camera's CameraInfo, or None while none has come.
        :param depth: registered depth of the same time, an Image, or None.
        :param pose: :class:`.Pose` of the optical frame in the ground frame, or None.
        :returns: (frame or None, problems), problems as {kind: message} with the kinds
            'calibration', 'depth' and 'pose'.  Depth that cannot be used is left out: with a
            pose there is a frame all the same.  So there is where no ground is in view.
        """
        problems: dict[str, str] = {}
        try:
            model = self._calibrated(info)
            model.check_image_size(*image_size)
        except CalibrationError as error:
            return None, {'calibration': str(error)}
        if depth is not None:
            try:
                return self._frame(model, result, image_size, _samples(depth), pose), problems
            except FcnSegError as error:
                problems['depth'] = str(error)
        try:
            frame = self._frame(model, result, image_size, None, pose)
        except CalibrationError as error:
            problems['pose'] = str(error)
            return None, problems
        if not np.isfinite(frame.geometry.depth).any():
            problems['pose'] = _sees_no_ground(frame.geometry.pose_of_camera)
        return frame, problems

    def _frame(self, model: CameraModel, result: Segmentation, image_size: tuple[int, int],
               depth: DepthSamples | None, pose: Pose | None) -> NavigationFrame:
        assert result.confidence is not None  # NavigationOutputs.needs_confidence() asks for it
        return self._navigation.frame(model, result.class_mask, result.confidence, image_size,
                                      depth=depth, pose=pose)

    def _calibrated(self, info: CameraInfo | None) -> CameraModel:
        """Return the model, checking a calibration only when its numbers change."""
        if info is None:
            raise CalibrationError('no camera_info has come yet: publish it beside the image, '
                                   'or remap camera_info')
        numbers = calibration_numbers(info)
        if self._calibration is None or numbers != self._numbers:
            self._numbers = numbers
            try:
                self._calibration = model_from_info(info, self._rectified)
            except CalibrationError as error:
                self._calibration = error
        if isinstance(self._calibration, CalibrationError):
            raise self._calibration
        return self._calibration


class SharedGrid:
    """
    The grid of all cameras.

    :param settings: :class:`.GridSettings`.
    :param frame_id: the grid's frame, with fixed axes while the robot drives (``odom``).
    """

    def __init__(self, settings: GridSettings, frame_id: str) -> None:
        self.grid = EvidenceGrid(settings)
        self._frame_id = frame_id
        # One thread adds frames, another publishes the grid while none come.
        self._lock = threading.Lock()
        self._stamp: Time | None = None

    def add(self, frame: NavigationFrame, stamp: Time, grid_pose: Pose,
            robot_xy: tuple[float, float]) -> None:
        """
        Let a frame vote.

        :param frame: :class:`.NavigationFrame`.
        :param stamp: the image's stamp, builtin_interfaces/Time.
        :param grid_pose: :class:`.Pose` of the optical frame in the grid's frame.
        :param robot_xy: the robot's place in the grid's frame, m.
        """
        with self._lock:
            self.grid.center_on(*robot_xy)
            self.grid.add(frame.observe(self.grid, grid_pose), seconds(stamp))
            if self.grid.stamp == seconds(stamp):
                self._stamp = stamp

    def message(self, age: float = 0.0) -> OccupancyGrid | None:
        """
        Return the grid, or None before the first frame.

        :param age: seconds since its newest frame.  The grid is as old then as it says, and
            stamped with that time.
        """
        with self._lock:
            return None if self._stamp is None else self._message(self._stamp, age)

    def _message(self, newest: Time, age: float) -> OccupancyGrid:
        grid, stamp = self.grid, _later(newest, age)
        msg = OccupancyGrid(header=Header(stamp=stamp, frame_id=self._frame_id))
        msg.info.map_load_time = stamp
        msg.info.resolution = grid.settings.resolution
        msg.info.width, msg.info.height = grid.columns, grid.rows
        msg.info.origin.position.x, msg.info.origin.position.y = grid.origin
        msg.info.origin.orientation.w = 1.0
        msg.data = array('b', grid.data(age).tobytes())
        return msg


def _later(stamp: Time, age: float) -> Time:
    """Return the stamp some seconds after another."""
    second, nanosecond = divmod(stamp.sec * 10**9 + stamp.nanosec + round(age * 1e9), 10**9)
    return Time(sec=second, nanosec=nanosecond)


def robot_in_grid(grid_pose: Pose, ground_pose: Pose) -> tuple[float, float]:
    """
    Return (x, y) of the ground frame in the grid's frame, m.

    :param grid_pose: of the camera in the grid's frame.
    :param ground_pose: of the camera in the ground frame.
    """
    x, y = (grid_pose @ ground_pose.inverse()).translation[:2].tolist()
    return x, y


def _sees_no_ground(pose: Pose) -> str:
    down = math.degrees(math.asin(np.clip(-pose.rotation[2, 2], -1.0, 1.0)))
    return (f'no ground is in view: as the pose says, the lens is {pose.translation[2]:.2f} m '
            f'above it and looks {down:.0f} degrees down. Should that be wrong, mend the mount or '
            "the transform; the image's frame has to be an optical one, z ahead")


def _samples(depth: Image) -> DepthSamples:
    return view_depth(depth.data, depth.height, depth.width, depth.encoding, depth.step,
                      bool(depth.is_bigendian))
