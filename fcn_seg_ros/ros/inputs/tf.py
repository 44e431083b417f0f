"""Poses of frames at an image's stamp, from TF where tf2_ros is installed."""

from rclpy.time import Time

from ..navigation import pose_from_transform
from ...errors import CalibrationError

try:
    import tf2_ros
except ImportError:  # not among the ROS 2 packages of PyPI
    tf2_ros = None


class TransformError(CalibrationError):
    """
    A transform cannot be had.

    :ivar late: it may be on its way: asking again makes sense.
    """

    def __init__(self, message, late=False):
        super().__init__(message)
        self.late = late


def check_stamp(stamp):
    """
    Make sure that a stamp tells a time.

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

    def __init__(self, node):
        self._node = node
        self._listener = None
        self._buffer = None

    def follow(self, wanted):
        """Listen while transforms are ``wanted``, else not; cheap when nothing changed."""
        if not wanted:
            self.close()
        elif tf2_ros is not None and self._listener is None:
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, self._node)

    def pose(self, target, source, stamp):
        """
        Return the :class:`.Pose` of the frame ``source`` in the frame ``target``.

        :param stamp: builtin_interfaces/Time.
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
            raise TransformError('TF is not listened to yet', late=True)
        try:
            found = buffer.lookup_transform_core(target, source, Time.from_msg(stamp))
        except (tf2_ros.TransformException, ValueError, OverflowError) as error:
            raise TransformError(
                f'no transform from {source} to {target}: {" ".join(str(error).split())}',
                late=isinstance(error, tf2_ros.ExtrapolationException)) from None
        return pose_from_transform(found.transform)

    def forget(self):
        """Forget what moves: time was set back, and TF takes the new for the older."""
        buffer = self._buffer  # another thread may close
        if buffer is not None:
            buffer.clear()

    def close(self):
        """Listen no more."""
        if self._listener is not None:
            self._listener.unregister()
        self._listener = self._buffer = None
