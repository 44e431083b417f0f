"""
What processes to start should have in their environment for Fast DDS.

The package's profiles for camera images, ``config/fastdds.xml`` and ``config/fastdds_local.xml``,
and how a host is closed to others.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
import os

from ..support.paths import share_dir

PROFILE_NAMES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
"""Variables that name a profile; the second is the older one."""
_FIRST_WITHOUT_OLD_NAME = 9  # rclpy of ROS 2 Kilted, whose Fast DDS 3 warns of the old name
_FIRST_WITH_RANGE = 4  # rclpy of ROS 2 Iron
_OPEN_RANGES = ('', 'NOT_SET', 'SYSTEM_DEFAULT', 'SUBNET')
"""Ranges of discovery that reach other hosts; ROS 2 takes a word that it does not know for
LOCALHOST."""


def profile_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """
    Return the environment variables that make Fast DDS use one of the package's profiles.

    Never one that lets a process talk to other hosts where the user has closed this one: that
    has shared memory alone, and ROS 2 adds what the user allows.

    :param environment: of the processes to start.
    :returns: none where the user has set a profile: it wins.
    """
    if any(environment.get(name) for name in PROFILE_NAMES):
        return {}
    name = 'fastdds_local.xml' if is_closed(environment) else 'fastdds.xml'
    path = str(share_dir() / 'config' / name)
    old = _rclpy_version() < _FIRST_WITHOUT_OLD_NAME
    return dict.fromkeys(PROFILE_NAMES if old else PROFILE_NAMES[:1], path)


def is_closed(environment: Mapping[str, str]) -> bool:
    """
    Tell whether an environment keeps ROS 2 from looking for others on the network.

    :param environment: variables of a process.
    """
    return (environment.get('ROS_LOCALHOST_ONLY') == '1'
            or environment.get('ROS_AUTOMATIC_DISCOVERY_RANGE', '') not in _OPEN_RANGES)


def closed(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return an environment with which processes see nobody on other hosts, and nobody sees them.

    :param environment: variables of a process; peers that it names are dropped, too.
    """
    names = ('ROS_LOCALHOST_ONLY', 'ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_STATIC_PEERS')
    kept = {name: value for name, value in environment.items() if name not in names}
    if _rclpy_version() < _FIRST_WITH_RANGE:
        return {**kept, 'ROS_LOCALHOST_ONLY': '1'}
    return {**kept, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}


def _rclpy_version() -> int:
    """Return the installed one's first number, or that of a new one where none is known."""
    try:
        return int(version('rclpy').partition('.')[0])
    except PackageNotFoundError:
        return _FIRST_WITHOUT_OLD_NAME
