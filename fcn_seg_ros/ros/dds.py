"""The Fast DDS profile for camera images, ``config/fastdds.xml``, for processes to start."""

from importlib.metadata import PackageNotFoundError, version
import os

from ..support.paths import share_dir

_NAME, _OLD_NAME = 'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'
_FIRST_WITHOUT_OLD_NAME = 9  # rclpy of ROS 2 Kilted, whose Fast DDS 3 warns of the old name


def profile_environment():
    """
    Return the environment variables that make Fast DDS use the package's profile.

    They are empty where the user has set a profile: it wins.
    """
    if os.environ.get(_NAME) or os.environ.get(_OLD_NAME):
        return {}
    path = str(share_dir() / 'config' / 'fastdds.xml')
    try:
        old = int(version('rclpy').partition('.')[0]) < _FIRST_WITHOUT_OLD_NAME
    except PackageNotFoundError:
        old = False
    return {_NAME: path, _OLD_NAME: path} if old else {_NAME: path}
