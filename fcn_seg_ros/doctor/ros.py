"""ROS 2 and the package's messages, in processes of their own: the core imports neither."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
import os
from pathlib import Path
import re

from .finding import Finding, Level
from .probe import probe

_DISTRIBUTIONS = {'3': 'humble', '7': 'jazzy', '9': 'kilted'}
"""Those whose rclpy has these major versions."""
_LOG = re.compile(r'^(\[\w+\] )?\[[\d.]+\] \[\w+\]: |, at \S+:\d+$')
"""What rcl's log puts around a message."""
_PROFILES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')


def check_ros() -> list[Finding]:
    """Return what is found of ROS 2; a machine without it has the core, which is fine."""
    if find_spec('rclpy') is None:
        return [Finding(Level.OK, 'ROS 2', 'not here: the core and fcn-seg work, the node and '
                                           '"fcn-seg camera" do not')]
    return [check_rclpy(), check_messages(), check_profile(), check_vision_msgs()]


def check_rclpy() -> Finding:
    """Tell whether rclpy starts with the middleware that is chosen."""
    tried = probe('import rclpy; rclpy.init(); '
                  'print(rclpy.get_rmw_implementation_identifier()); rclpy.shutdown()')
    name = os.environ.get('ROS_DISTRO', '')
    here = _distribution()
    if name and here and name != here:
        return Finding(Level.FAULT, 'ROS 2', f'ROS_DISTRO is {name}, and rclpy is that of {here}',
                       'open a new shell and source the setup.bash of one distribution alone')
    if not tried.works:
        return Finding(Level.FAULT, 'ROS 2', f'{name or "ROS_DISTRO not set"}: '
                       f'{_LOG.sub("", tried.reason)}', _remedy(tried.reason))
    return Finding(Level.OK, 'ROS 2', f'{name or "ROS_DISTRO not set"}, '
                                      f'{tried.output.splitlines()[-1]}')


def _distribution() -> str:
    """Return the name of the ROS distribution that rclpy is of, '' where it does not tell."""
    spec = find_spec('rclpy')
    installed = re.search(r'/opt/ros/(\w+)/', spec.origin or '') if spec else None
    if installed:
        return installed[1]
    if os.environ.get('ROS_DISTRO') not in _DISTRIBUTIONS.values():
        return ''  # Rolling has had each of these versions, once
    try:
        return _DISTRIBUTIONS.get(version('rclpy').split('.')[0], '')
    except PackageNotFoundError:
        return ''


def _remedy(reason: str) -> str:
    """Return what to do about an rclpy that does not start."""
    rmw = os.environ.get('RMW_IMPLEMENTATION', '')
    if rmw and 'rmw' in reason.lower():
        return (f'unset RMW_IMPLEMENTATION, or install {rmw} '
                f'(apt install ros-$ROS_DISTRO-{rmw.replace("_", "-")})')
    if 'log directory' in reason:
        return 'set ROS_LOG_DIR to a folder that this user can write'
    return "source ROS 2's setup.bash in this shell"


def check_messages() -> Finding:
    """Tell where the package's messages are, and that they are there once."""
    import fcn_seg_ros
    folders = [Path(folder) for folder in dict.fromkeys(
        os.path.realpath(folder) for folder in fcn_seg_ros.__path__)]
    found = [folder for folder in folders if (folder / 'msg' / '__init__.py').is_file()]
    if not found:
        return Finding(Level.FAULT, 'messages', 'fcn_seg_ros.msg is not installed',
                       'colcon build, or FCN_SEG_ROS=on pip install .')
    if len(found) > 1:
        return Finding(Level.FAULT, 'messages', 'found more than once: '
                       + ', '.join(map(str, found)), 'pip uninstall fcn_seg_ros, or do not '
                       'source the other workspace')
    tried = probe('from fcn_seg_ros.msg import ClassFractions; ClassFractions()')
    if not tried.works:
        return Finding(Level.FAULT, 'messages', tried.reason, 'build the package again')
    return Finding(Level.OK, 'messages', str(found[0] / 'msg'))


def check_profile() -> Finding:
    """Tell whether large pictures get through what DDS is set to."""
    named = next((os.environ[name] for name in _PROFILES if os.environ.get(name)), '')
    if not named:
        return Finding(Level.OK, 'DDS profile', 'none set: the node uses config/fastdds.xml, '
                                                'set it for your camera driver too')
    if not Path(named).is_file():
        return Finding(Level.FAULT, 'DDS profile', f'{named} does not exist',
                       f'unset {" ".join(_PROFILES)}, or name a file that exists')
    return Finding(Level.OK, 'DDS profile', named)


def check_vision_msgs() -> Finding:
    """Tell whether the class names can be published."""
    if find_spec('vision_msgs') is None:
        return Finding(Level.OK, 'vision_msgs', 'not installed: there is no ~/label_info, without '
                       "which Nav2's semantic_segmentation_layer ends Nav2's process at the first "
                       'mask')
    return Finding(Level.OK, 'vision_msgs', 'installed')
