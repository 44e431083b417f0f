"""Build with colcon, as in a ROS 2 workspace, and use what it installs."""

from pathlib import Path

from environment import PACKAGE, REPOSITORY
import pytest


@pytest.fixture(scope='module', params=[(), ('--symlink-install',)], ids=['copy', 'symlink'])
def workspace(request, bare_environment, tmp_path_factory):
    """Return a workspace in which the package was built."""
    folder = tmp_path_factory.mktemp('workspace')
    (folder / 'src').mkdir()
    (folder / 'src' / PACKAGE).symlink_to(REPOSITORY)
    bare_environment.run(
        f'colcon --log-base {folder}/log build {" ".join(request.param)} --cmake-args '
        f' -DROS_WHEELS_PREFIX={bare_environment.prefix}'
        f' -DPython3_EXECUTABLE={bare_environment.python}'
        f' -DCMAKE_PROJECT_INCLUDE={REPOSITORY}/cmake/ros_wheels.cmake', cwd=folder)
    return folder


@pytest.fixture
def in_workspace(workspace, bare_environment):
    """Return a function that runs a shell command where the workspace is sourced."""
    def run(command):
        return bare_environment.run(f'. {workspace}/install/setup.sh; {command}', cwd='/').strip()
    return run


def python(code):
    """Return the shell command that runs some Python."""
    return f"python3 -c '{code}'"


def test_messages_and_modules_make_one_package(workspace, in_workspace):
    printed = in_workspace(python(
        'import fcn_seg_ros.errors, fcn_seg_ros.msg; '
        'print(fcn_seg_ros.errors.__file__, fcn_seg_ros.msg.__file__, '
        'fcn_seg_ros.msg.ClassFractions().classes)'))
    modules, messages, value = printed.split(' ', 2)
    assert Path(modules).is_relative_to(workspace / 'install')
    assert Path(messages).is_relative_to(workspace / 'install')
    assert value == '[]'


def test_type_checkers_find_the_types(in_workspace):
    assert in_workspace(python(
        'from pathlib import Path; import fcn_seg_ros; '
        'print((Path(fcn_seg_ros.__file__).parent / "py.typed").is_file())')) == 'True'


def test_a_message_survives_serialization(in_workspace):
    assert in_workspace(python(
        'from fcn_seg_ros.msg import ClassFraction, ClassFractions as M; '
        'from rclpy.serialization import deserialize_message, serialize_message; '
        'm = M(network="n", classes=[ClassFraction(class_id=7, label="road", fraction=0.5)]); '
        'print(deserialize_message(serialize_message(m), M) == m)')) == 'True'


def test_the_ament_index_knows_package_and_messages(workspace, in_workspace):
    printed = in_workspace(python(
        'from ament_index_python import get_package_share_directory, get_resource; '
        'print(get_package_share_directory("fcn_seg_ros")); '
        'print(get_resource("rosidl_interfaces", "fcn_seg_ros")[0])'))
    share, interfaces = printed.split('\n', 1)
    assert Path(share).is_relative_to(workspace / 'install')
    assert {'msg/ClassFraction.msg', 'msg/ClassFractions.msg', 'msg/RegionFractions.msg'} <= set(
        interfaces.split())


def test_data_is_found_beside_the_modules(workspace, in_workspace):
    share = in_workspace(python(
        'from fcn_seg_ros.support.paths import share_dir; print(share_dir())'))
    assert Path(share) == workspace / 'install' / PACKAGE / 'share' / PACKAGE


def test_the_node_is_an_executable_of_the_package(workspace, in_workspace):
    node = workspace / 'install' / PACKAGE / 'lib' / PACKAGE / 'segmentation_node'
    printed = in_workspace(
        f'{node} --ros-args -p network:=no-such-network || echo exit status $?')
    assert 'no-such-network' in printed
    assert printed.endswith('exit status 1')


def test_the_command_line_is_an_executable_of_the_package(workspace, in_workspace):
    command = workspace / 'install' / PACKAGE / 'lib' / PACKAGE / 'fcn-seg'
    assert 'fcn-resnet18-street' in in_workspace(f'{command} networks')


def test_tests_that_need_pip_say_so(in_workspace):
    """``colcon test`` runs the unit tests where pip has not installed the package."""
    printed = in_workspace(
        f'python3 -m pytest -q -p no:cacheprovider -rs {REPOSITORY}/test/unit/test_packaging.py')
    assert 'the package was not installed by pip' in printed
    assert ' passed' in printed
