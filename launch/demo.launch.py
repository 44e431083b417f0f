"""
Segment a video, pictures, a webcam or a recording, and look at it.

    ros2 launch fcn_seg_ros demo.launch.py rviz:=true                    # the bundled clip
    ros2 launch fcn_seg_ros demo.launch.py rviz:=true source:=/dev/video0
    ros2 launch fcn_seg_ros demo.launch.py rviz:=true source:=my_bag image:=/camera/image_raw

Takes the arguments of segmentation.launch.py, too.
"""

import argparse
from pathlib import Path

from fcn_seg_ros.cli import camera
from fcn_seg_ros.errors import FcnSegError
from fcn_seg_ros.offline.bag_metadata import only_image_topic
from fcn_seg_ros.offline.sources import kind_of
from fcn_seg_ros.support.paths import share_dir
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, LogInfo, OpaqueFunction,
    RegisterEventHandler, Shutdown)
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node
import yaml

CLIP = str(share_dir() / 'demo' / 'walkers.mp4')
CLIP_ARGUMENTS = {
    'hfov': '35', 'params_file': str(share_dir() / 'demo' / 'walkers.yaml'),
    'roles': str(share_dir() / 'demo' / 'walkers_roles.yaml'),
    'rviz_frame': 'base_footprint', 'rviz_distance': '60'}
"""What fits the clip: demo/README.md says why."""
OTHERWISE = {'hfov': ('calibration',), 'roles': ('network', 'params_file')}
"""The user's arguments that some of these do not go with."""
ARGUMENTS = {
    'source': (CLIP,
               'Video, picture, folder or glob of pictures, /dev/videoN, or rosbag2 recording.'),
    'rate': ('', "Pictures a second. Empty: the source's own, 10 for pictures."),
    'size': ('', 'WIDTHxHEIGHT of the pictures. Empty: as they are.'),
    'hfov': ('', 'Horizontal field of view in degrees, for camera_info. Empty: uncalibrated.'),
    'calibration': ('', 'YAML file of camera_calibration, for camera_info.'),
}


def generate_launch_description():
    """Return the arguments and what they start."""
    arguments = [DeclareLaunchArgument(name, default_value=default, description=description)
                 for name, (default, description) in ARGUMENTS.items()]
    node = IncludeLaunchDescription(PythonLaunchDescriptionSource(
        str(Path(__file__).with_name('segmentation.launch.py'))))
    # In this order, all arguments have been checked before the first process starts.
    return LaunchDescription([
        *arguments, OpaqueFunction(function=_check),
        RegisterEventHandler(OnProcessExit(on_exit=_end)),
        node, OpaqueFunction(function=_play)])


def _check(context):
    """Fail if the source cannot be played; choose the topics of a bag."""
    given = context.launch_configurations
    if _is_bag(given):
        for name in ('rate', 'size', 'hfov', 'calibration'):
            if given[name]:
                raise RuntimeError(f'argument {name}: does not apply to the bag '
                                   f"'{given['source']}'")
        given.setdefault('use_sim_time', 'true')
        if 'image' not in given and not given.get('cameras'):
            try:
                given['image'], transport = only_image_topic(given['source'])
            except FcnSegError as error:
                raise RuntimeError(f'argument image: {error}') from None
            given.setdefault('image_transport', transport)
        return
    if given['source'] == CLIP:
        given.update({name: value for name, value in CLIP_ARGUMENTS.items()
                      if not any(map(given.get, (name, *OTHERWISE.get(name, ()))))})
    elif not (given['hfov'] or given['calibration']):
        given.setdefault('rviz_clouds', 'false')  # nobody knows where anything is
    _Parser.check(_camera_arguments(given))


def _play(context):
    """Return the camera: a process that publishes the source, again and again."""
    given = context.launch_configurations
    if _is_bag(given):
        # The recorded TF tree, for RViz, comes with the images.
        players = [ExecuteProcess(
            cmd=['ros2', 'bag', 'play', given['source'], '--loop', '--clock'],
            output='screen')]
    else:
        names = yaml.safe_load(given['cameras'] or '[]')
        topics = {name: f'{name}/image' for name in names} or {'camera': given['image']}
        players = [Node(
            package='fcn_seg_ros', executable='fcn-seg', name=f'{name}_source',
            namespace=given['namespace'], output='screen',
            arguments=[*_camera_arguments(given), '--topic', topic,
                       '--frame-id', f'{name}_optical_frame', '--transport', 'both'],
        ) for name, topic in topics.items()]
    hint = [] if given['rviz'] == 'true' else [LogInfo(
        msg='Nothing is computed before somebody looks: rviz:=true opens RViz.')]
    return [*players, *hint]


def _end(event, context):
    """End all when a part of it ends; not again, when that ends because all do."""
    respawns = context.launch_configurations['respawn'] == 'true'
    if context.is_shutdown or (respawns and event.process_name.startswith('segmentation_node')):
        return []
    return [Shutdown(reason=f'{event.process_name} has ended')]


def _is_bag(given):
    try:
        return kind_of(given['source']) == 'bag'
    except FcnSegError as error:
        raise RuntimeError(f'argument source: {error}') from None


def _camera_arguments(given):
    options = [f'--{name}={given[name]}' for name in ('rate', 'size', 'hfov', 'calibration')
               if given[name]]
    return ['camera', given['source'], *options]


class _Parser(argparse.ArgumentParser):
    """The parser of ``fcn-seg camera``, with exceptions instead of an exit."""

    def error(self, message):
        raise RuntimeError(message.replace('argument --', 'argument '))

    @classmethod
    def check(cls, arguments):
        """Fail with the reason if ``fcn-seg`` would not take the arguments."""
        parser = cls()
        camera.add_parser(parser.add_subparsers())
        calibration = parser.parse_args(arguments).calibration
        if calibration and not Path(calibration).is_file():
            raise RuntimeError(f"argument calibration: '{calibration}' does not exist")
