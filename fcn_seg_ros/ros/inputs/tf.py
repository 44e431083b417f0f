"""Poses of frames at an image's stamp, from TF where tf2_ros is installed."""

import re
import time
from typing import Any

from builtin_interfaces.msg import Time as StampMessage
from rclpy.node import Node
from rclpy.time import Time

from ..navigation_messages import pose_from_transform
from ...errors import CalibrationError
from ...geometry.pose import Pose

try:
    import tf2_ros
except ImportError:  # not among the ROS 2 packages of PyPI
    tf2_ros = None

_REMEMBERED = 10.0
"""Seconds that tf2 keeps transforms for, unless told otherwise."""


class TransformError(CalibrationError):
    """
    A transform cannot be had.

    :param message: what is wrong and what to do, one line.
    :param late: it may be on its way: asking again makes sense.
    :param expected: it cannot be otherwise, as TF is not listened to for long enough: nothing is
        wrong.
    :ivar late: the same.
    :ivar expected: the same.
    """

    def __init__(self, message: str, late: bool = False, expected: bool = False) -> None:
        super().__init__(message)
        self.late, self.expected = late, expected


def check_stamp(stamp: StampMessage) -> None:
    """
    Make sure that a stamp tells a time.

    :param stamp: the message.
    :raises TransformError: when it is zero, which TF takes for "latest".
    """
    if stamp.sec == 0 and stamp.nanosec == 0:
        raise TransformError('images come with a zero stamp: set it in the camera driver, for '
                             'the place at that time to be known')


class Transforms:
    """
    Listens to TF while it is wanted.

    :param node: the node to subscribe with.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._listener: Any = None
        self._buffer: Any = None
        self._heard = 0.0  # seconds of listening while the node's clock ran
        self._looked, self._clock = 0.0, 0  # the last look: time.monotonic(), the node's clock

    def follow(self, wanted: bool) -> None:
        """
        Listen while transforms are wanted, else not; cheap when nothing changed.

        :param wanted: whether they are.
        """
        if not wanted:
            self.close()
        elif tf2_ros is not None and self._listener is None:
            self._heard = 0.0
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, self._node)
        now, clock = time.monotonic(), self._node.get_clock().now().nanoseconds
        if self._listener is not None and self._looked and clock != self._clock:
            self._heard += now - self._looked
        self._looked, self._clock = now, clock

    def pose(self, target: str, source: str, stamp: StampMessage) -> Pose:
        """
        Return the :class:`.Pose` of the frame ``source`` in the frame ``target``.

        :param target: name of the frame.
        :param source: name of the frame.
        :param stamp: the time.
        :raises TransformError: when there is none at that time.
        :raises CalibrationError: when it is none.
        """
        check_stamp(stamp)
        if not source:
            raise TransformError('images come with an empty frame_id: set it in the camera '
                                 'driver, for its transform to be found')
        if tf2_ros is None:
            raise TransformError(f'the transform from {source} to {target} cannot be had, as '
                                 'tf2_ros is not installed: install it, or set mount.height')
        buffer = self._buffer
        if buffer is None:
            raise TransformError('TF is not listened to yet', late=True, expected=True)
        try:
            found = buffer.lookup_transform_core(target, source, Time.from_msg(stamp))
        except (tf2_ros.TransformException, ValueError, OverflowError) as error:
            late = isinstance(error, tf2_ros.ExtrapolationException)
            raise TransformError(
                f'no transform from {source} to {target}: {" ".join(str(error).split())}', late,
                late and self._heard_later(buffer, target, source, stamp)) from None
        return pose_from_transform(found.transform)

    def _heard_later(self, buffer: Any, target: str, source: str, stamp: StampMessage) -> bool:
        """Tell whether a stamp is from before TF was listened to: after it, its buffer is full."""
        if self.listening_for() >= _REMEMBERED:
            return False
        try:
            newest = buffer.get_latest_common_time(target, source)
        except tf2_ros.TransformException:
            return False
        return Time.from_msg(stamp).nanoseconds < newest.nanoseconds

    def listening_for(self) -> float:
        """
        Return the seconds that TF has been listened to, 0 while it is not.

        Those in which simulated time stands still do not count: others are silent, too.
        """
        return self._heard if self._buffer is not None else 0.0

    def parent_of(self, frame: str) -> tuple[str, Pose] | None:
        """
        Return the parent of a frame and the newest pose in it, or None while TF tells none.

        :param frame: name of the frame.
        """
        buffer = self._buffer
        if buffer is None:
            return None
        # Searched, not parsed: a robot has hundreds of frames, and this is asked all the time.
        entry = re.search(rf"^{re.escape(frame)}: *\n +parent: '(.+)'$",
                          buffer.all_frames_as_yaml(), re.MULTILINE)
        if entry is None:
            return None
        pose = self.newest_pose(entry[1], frame)
        return None if pose is None else (entry[1], pose)

    def newest_pose(self, target: str, source: str) -> Pose | None:
        """
        Return the newest pose of the frame ``source`` in ``target``, or None while TF tells none.

        :param target: name of the frame.
        :param source: name of the frame.
        """
        buffer = self._buffer
        if buffer is None:
            return None
        try:
            found = buffer.lookup_transform_core(target, source, Time())
            return pose_from_transform(found.transform)
        except (tf2_ros.TransformException, CalibrationError):
            return None  # nothing yet that could be used

    def forget(self) -> None:
        """Forget what moves: time was set back, and TF takes the new for the older."""
        buffer = self._buffer  # another thread may close
        if buffer is not None:
            buffer.clear()

    def close(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.unregister()
        self._listener = self._buffer = None
