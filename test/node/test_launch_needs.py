"""What a launch file needs is looked for before anything starts."""

from launch_files import FOLDER, load
import pytest

# A folder called launch/ makes `import launch` succeed without the package.
pytest.importorskip('launch.actions', reason="ROS 2's launch is not installed here")
pytest.importorskip('launch_ros.actions', reason="ROS 2's launch_ros is not installed here")


def processes_before_the_failure(description, **arguments):
    """Return (the processes that a launch gets to before it fails, the failure)."""
    from launch import LaunchContext
    from launch.actions import ExecuteProcess
    context = LaunchContext()
    context.launch_configurations.update(arguments)
    found, waiting = [], list(description.entities)
    try:
        while waiting:
            entity = waiting.pop(0)
            if isinstance(entity, ExecuteProcess):
                found.append(entity)
            else:
                waiting = list(entity.visit(context) or []) + waiting
    except Exception as error:
        return found, error
    return found, None


@pytest.fixture
def nothing_installed(monkeypatch):
    """Let no other package of ROS 2 be found."""
    from ament_index_python import packages
    from launch_ros.substitutions import find_package

    def fail(name):
        if name == 'fcn_seg_ros':
            return str(FOLDER.parent)
        raise packages.PackageNotFoundError(f"package '{name}' not found")

    for name in ('get_package_prefix', 'get_package_share_directory'):
        if hasattr(find_package, name):
            monkeypatch.setattr(find_package, name, fail)


@pytest.mark.parametrize(('file', 'arguments', 'words'), [
    ('navigation.launch.py', {'camera_frame': 'eye', 'mount.height': '1'}, 'tf2_ros'),
    ('navigation.launch.py', {'camera_frame': 'eye'}, 'mount'),
    ('segmentation.launch.py', {'rviz': 'true'}, 'rviz2'),
    ('demo.launch.py', {'rviz': 'true'}, 'rviz2'),
])
def test_nothing_starts_without_what_it_needs(nothing_installed, file, arguments, words):
    found, error = processes_before_the_failure(
        load(file).generate_launch_description(), **arguments)
    assert words in str(error)
    assert not found


def test_the_node_is_not_started_without_a_manager(nothing_installed):
    pytest.importorskip('launch_xml', reason="ROS 2's launch_xml is not installed here")
    from launch.launch_description_sources import AnyLaunchDescriptionSource
    from launch import LaunchContext
    description = AnyLaunchDescriptionSource(
        str(FOLDER / 'lifecycle_manager.launch.xml')).get_launch_description(LaunchContext())
    found, error = processes_before_the_failure(description)
    assert 'nav2_lifecycle_manager' in str(error)
    assert not found
