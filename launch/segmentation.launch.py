"""
Start the segmentation node on a camera topic.

    ros2 launch fcn_seg_ros segmentation.launch.py image:=/camera/image_raw

Arguments that are not given leave the parameter as it is in ``params_file``.
"""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError
from fcn_seg_ros.ros.dds import profile_environment
from fcn_seg_ros.ros.parameter_specs import SPECS
from fcn_seg_ros.ros.rviz import remappings, write_config
from fcn_seg_ros.support.paths import share_dir
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler, SetEnvironmentVariable)
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration, SubstitutionFailure
from launch_ros.actions import LifecycleNode, Node
from launch_ros.substitutions import ExecutableInPackage
import yaml

PARAMETERS = {spec.name: spec for spec in SPECS if spec.launch}
OTHERS = {
    'image': ('image', "The camera's image topic.", None),
    'camera_info': ('', 'Calibration topic; the one beside the image unless given.', None),
    'depth': ('', "Topic of depth registered to the camera; 'depth' unless given.", None),
    'name': ('segmentation', 'Name of the node.', None),
    'namespace': ('', 'Namespace of the node.', None),
    'params_file': (str(share_dir() / 'config' / 'segmentation.yaml'), 'Parameters.', None),
    'use_sim_time': ('false', 'Use the time of /clock.', ('true', 'false')),
    'log_level': ('info', 'What the node logs.', ('debug', 'info', 'warn', 'error', 'fatal')),
    'respawn': ('false', 'Start the node again when it ends.', ('true', 'false')),
    'rviz': ('false', "Open RViz as well, on the node's topics.", ('true', 'false')),
    'rviz_frame': ('base_link', 'Frame that RViz shows clouds and grid in.', None),
    'rviz_clouds': ('true', 'RViz shows clouds and grid, too.', ('true', 'false')),
    'rviz_distance': ('12', 'Distance of the eye in RViz, m.', None),
}


def generate_launch_description():
    """Return the arguments and what they start."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description,
                              **({'choices': list(choices)} if choices else {}))
        for name, (default, description, choices) in OTHERS.items()]
    arguments += [
        DeclareLaunchArgument(name, default_value='',
                              description=f'{spec.description} Empty: as in params_file.',
                              **_choices(spec))
        for name, spec in PARAMETERS.items()]
    environment = [SetEnvironmentVariable(*item) for item in profile_environment().items()]
    return LaunchDescription([*arguments, *environment, OpaqueFunction(function=_start)])


def _start(context):
    """Return the node and RViz, once all arguments are known to be good."""
    given = {name: LaunchConfiguration(name).perform(context) for name in (*OTHERS, *PARAMETERS)}
    if not Path(given['params_file']).is_file():
        raise RuntimeError(f"params_file '{given['params_file']}' does not exist")
    values = {name: _value(spec, given[name])
              for name, spec in PARAMETERS.items() if given[name]}
    values['use_sim_time'] = given['use_sim_time'] == 'true'
    names = [(name, given[name]) for name in ('image', 'camera_info', 'depth') if given[name]]
    node = LifecycleNode(
        package='fcn_seg_ros', executable='segmentation_node', name=given['name'],
        namespace=given['namespace'], output='screen', respawn=given['respawn'] == 'true',
        respawn_delay=2.0, parameters=[given['params_file'], values], remappings=names,
        ros_arguments=['--log-level', f"{given['name']}:={given['log_level']}"])
    return [node, *(_rviz(given, values, context) if given['rviz'] == 'true' else [])]


def _rviz(given, values, context):
    """
    Return RViz on the topics of the node, of its first camera if it has several.

    :raises RuntimeError: where it is not installed, before the node is started, and for a
        distance that is none.
    """
    try:
        ExecutableInPackage('rviz2', 'rviz2').perform(context)
    except (PackageNotFoundError, SubstitutionFailure) as error:
        raise RuntimeError(f'argument rviz needs rviz2: {error}') from None
    try:
        distance = float(given['rviz_distance'])
    except ValueError:
        raise RuntimeError(
            f"argument rviz_distance: '{given['rviz_distance']}' is no number") from None
    cameras = values.get('cameras', [])
    config = write_config(given['rviz_frame'], placed=given['rviz_clouds'] == 'true',
                          distance=distance)
    rviz = Node(
        package='rviz2', executable='rviz2', output='screen', arguments=['-d', str(config)],
        parameters=[{'use_sim_time': values['use_sim_time']}],
        remappings=remappings(name=given['name'], namespace=given['namespace'],
                              image=given['image'], camera=cameras[0] if cameras else ''))
    return [rviz, RegisterEventHandler(OnProcessExit(
        target_action=rviz, on_exit=lambda *event: config.unlink(missing_ok=True)))]


def _choices(spec):
    """Return what a parameter's argument may be, where that is a matter of a few words."""
    words = ('true', 'false') if isinstance(spec.default, bool) else spec.choices
    return {'choices': ['', *words]} if words else {}


def _value(spec, text):
    """Return an argument's value in its parameter's type, or fail before anything starts."""
    try:
        return spec.fitted(text if isinstance(spec.default, str) else yaml.safe_load(text))
    except ValueError as error:
        raise RuntimeError(f'argument {error}') from None
    except yaml.YAMLError:
        raise RuntimeError(f"argument {spec.name}: '{text}' is not YAML") from None
