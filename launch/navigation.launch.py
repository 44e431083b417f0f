"""
Clouds and a grid for Nav2 from one camera.

    ros2 launch fcn_seg_ros navigation.launch.py image:=/camera/image_raw depth:=/camera/depth
    ros2 launch fcn_seg_ros navigation.launch.py image:=/camera/image_raw \
        mount.height:=0.6 mount.pitch:=0.2

Takes the arguments of segmentation.launch.py, too.  Masks, and with them the clouds, are
400x225 unless ``mask_size`` says otherwise.  The node publishes the static transform that
``mount.*`` gives once images come; with ``camera_frame`` it is there from the start.
"""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError
from fcn_seg_ros.errors import CalibrationError
from fcn_seg_ros.geometry.pose import Pose
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import SubstitutionFailure
from launch_ros.actions import Node
from launch_ros.substitutions import ExecutableInPackage

ARGUMENTS = {
    'mask_size': ('400x225', "Size of masks and clouds: 'input', 'network' or WxH."),
    'ground_frame': ('base_footprint', 'Frame over whose origin the robot stands, z up.'),
    'camera_frame': ('', (
        "The images' frame_id, to publish its static transform from ground_frame as mount.* "
        'says, from the start. Empty: the node does, once images come.')),
}
PROGRAM = 'static_transform_publisher'
MOUNT = ('height', 'x', 'y', 'roll', 'pitch', 'yaw')


def generate_launch_description():
    """Return the arguments and what they start."""
    segmentation = IncludeLaunchDescription(PythonLaunchDescriptionSource(
        str(Path(__file__).with_name('segmentation.launch.py'))))
    return LaunchDescription([
        # Before those of segmentation.launch.py, which would leave them to the parameter file.
        *(DeclareLaunchArgument(name, default_value=default, description=description)
          for name, (default, description) in ARGUMENTS.items()),
        # Refused before anything starts, not when the node is running already.
        OpaqueFunction(function=_check_mount), segmentation,
        OpaqueFunction(function=_publish_mount)])


def _check_mount(context):
    """Fail if the camera's transform is asked for and cannot be published."""
    if _publish_mount(context):
        try:
            ExecutableInPackage(PROGRAM, 'tf2_ros').perform(context)
        except (PackageNotFoundError, SubstitutionFailure) as error:
            raise RuntimeError(f'argument camera_frame needs tf2_ros: {error}') from None


def _publish_mount(context):
    """Return the publisher of the camera's transform, if it is asked for."""
    given = context.launch_configurations
    if not given['camera_frame']:
        return []
    try:
        pose = Pose.from_mount(**{name: float(given.get(f'mount.{name}') or 0) for name in MOUNT})
    except (CalibrationError, ValueError) as error:
        raise RuntimeError(f'argument camera_frame needs the mount.* of the camera: {error}') \
            from None
    x, y, z = pose.over_ground(-float(given.get('ground_z') or 0)).translation
    values = dict(zip(('x', 'y', 'z', 'qx', 'qy', 'qz', 'qw'), (x, y, z, *pose.quaternion)))
    return [Node(
        package='tf2_ros', executable=PROGRAM, output='screen',
        arguments=[*(word for name, value in values.items()
                     for word in (f'--{name}', f'{value:.9f}')),
                   '--frame-id', given['ground_frame'], '--child-frame-id',
                   given['camera_frame']])]
