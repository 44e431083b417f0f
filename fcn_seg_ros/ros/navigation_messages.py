"""Between ROS messages and what the core takes and returns, for navigation."""

from array import array
from collections.abc import Callable
from typing import Any

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Transform
import numpy as np
from sensor_msgs.msg import CameraInfo, PointCloud2, PointField
from std_msgs.msg import Header

from .messages import attach
from ..geometry.camera import CameraModel
from ..geometry.pose import Pose
from ..navigation.frame import NavigationFrame
from ..navigation.obstacles import Selection
from ..navigation.points import POINT, PointArray

_TYPES = {'f': PointField.FLOAT32, 'u': PointField.UINT8}
_FIELDS = [PointField(name=name, offset=field[1], datatype=_TYPES[field[0].kind], count=1)
           for name, field in (POINT.fields or {}).items()]


def model_from_info(info: CameraInfo, rectified: bool = False) -> CameraModel:
    """
    Return the :class:`.CameraModel` of a CameraInfo.

    :param info: the message.
    :param rectified: the images are rectified.
    :raises CalibrationError: when it cannot be used.
    """
    return CameraModel.from_calibration(rectified=rectified, r=info.r, **calibration_numbers(info))


def pose_from_transform(transform: Transform) -> Pose:
    """
    Return the :class:`.Pose` of the child frame in its parent.

    :param transform: the message.
    :raises CalibrationError: when its numbers make no transform.
    """
    t, q = transform.translation, transform.rotation
    return Pose.from_quaternion((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))


def seconds(stamp: Time) -> float:
    """
    Return a stamp in seconds; exact to a microsecond for centuries.

    :param stamp: the message.
    """
    return stamp.sec + stamp.nanosec * 1e-9


def points_message(frame: NavigationFrame, header: Header) -> PointCloud2:
    """
    Return the organised cloud of a frame, in the optical frame.

    :param frame: the frame.
    :param header: the image's.
    """
    height, width = frame.class_mask.shape
    return _cloud(header, height, width, frame.points)


def selection_message(frame: NavigationFrame, selection: Selection, header: Header) -> PointCloud2:
    """
    Return the cloud of some points of a frame, in the optical frame.

    :param frame: the frame.
    :param selection: ``frame.marked`` or ``frame.cleared``.
    :param header: the image's.
    """
    return _cloud(header, 1, len(selection.pixels), lambda out: frame.cloud(selection, out))


def calibration_numbers(info: CameraInfo) -> dict[str, Any]:
    """
    Return what a CameraInfo says of the camera, as :class:`.CameraModel` takes it.

    :param info: the message.
    :returns: equal for messages of the same calibration.
    """
    roi = info.roi
    return {
        'width': info.width, 'height': info.height, 'k': tuple(info.k), 'd': tuple(info.d),
        'p': tuple(info.p), 'distortion_model': info.distortion_model,
        'binning_x': info.binning_x, 'binning_y': info.binning_y,
        'roi': (roi.x_offset, roi.y_offset, roi.width, roi.height)}


def _cloud(header: Header, height: int, width: int, fill: Callable[[PointArray], object]
           ) -> PointCloud2:
    """Return a PointCloud2 whose points ``fill`` writes into its own buffer."""
    count = height * width
    data = array('B', bytes(1)) * (count * POINT.itemsize)
    if count:
        fill(np.frombuffer(data, POINT))
    # An empty cloud is worth publishing: nothing to mark is an observation too.
    msg = PointCloud2(
        header=header, height=height, width=width, fields=list(_FIELDS), is_bigendian=False,
        point_step=POINT.itemsize, row_step=POINT.itemsize * width, is_dense=height == 1)
    attach(msg, data)
    return msg
