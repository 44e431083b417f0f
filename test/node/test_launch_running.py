"""The launch files for real, with launch_testing, where that is installed."""

import json
import os
from pathlib import Path
import subprocess
import sys

from graph import Domain
from networks import TINY
import pytest

pytest.importorskip('launch_testing', reason="ROS 2's launch_testing is not installed here")
pytest.importorskip('launch_xml', reason="ROS 2's launch_xml is not installed here")

HERE = Path(__file__).parent
MANAGER = 'nav2_lifecycle_manager'
# Does with its parameters what the documentation of Nav2's lifecycle manager says.
STAND_IN = f"""#!{sys.executable}
from lifecycle_msgs.srv import ChangeState
import rclpy

rclpy.init()
node = rclpy.create_node('manager', automatically_declare_parameters_from_overrides=True)
value = {{name: node.get_parameter(name).value
          for name in ('autostart', 'bond_timeout', 'node_names', 'use_sim_time')}}
assert value['autostart'] is True and value['bond_timeout'] == 0.0, value
try:
    for name in value['node_names']:
        client = node.create_client(ChangeState, f'{{name}}/change_state')
        client.wait_for_service()
        for transition in (1, 3):  # configure, activate
            request = ChangeState.Request()
            request.transition.id = transition
            future = client.call_async(request)
            rclpy.spin_until_future_complete(node, future)
            assert future.result().success, transition
    rclpy.spin(node)
except (KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
    pass
"""


@pytest.fixture
def prefix(tmp_path):
    """Return a ROS 2 prefix with a stand-in for Nav2's lifecycle manager."""
    folder = tmp_path / 'prefix'
    marker = folder / 'share/ament_index/resource_index/packages' / MANAGER
    program = folder / 'lib' / MANAGER / 'lifecycle_manager'
    for path, text in ((marker, ''), (program, STAND_IN)):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize('file', [
    'demo.launch.py', 'segmentation.launch.xml', 'lifecycle_manager.launch.xml'])
def test_overlays_come_and_all_end_cleanly(file, prefix, models_dir, tmp_path):
    arguments = {'network': TINY, 'models_dir': str(models_dir), 'device': 'cpu',
                 'engine': 'torch', 'threads': '1', 'image': '/cam/image', 'name': 'seg',
                 'namespace': 'bot'}
    domain = Domain()
    environment = dict(
        os.environ, ROS_DOMAIN_ID=str(domain.number), ROS_LOG_DIR=str(tmp_path / 'log'),
        AMENT_PREFIX_PATH=f"{prefix}:{os.environ['AMENT_PREFIX_PATH']}",
        PYTHONPATH=f"{HERE}:{os.environ.get('PYTHONPATH', '')}",
        LAUNCH_FILE=file, LAUNCH_ARGUMENTS=json.dumps(arguments))
    done = subprocess.run(
        [sys.executable, '-m', 'launch_testing.launch_test', str(HERE / 'launched.py')],
        env=environment, cwd=tmp_path, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    domain.release()
    assert done.returncode == 0, done.stdout[-6000:]


def test_the_demo_ends_when_its_node_cannot_start(tmp_path):
    """A camera that plays on for nobody would hide the line that says why."""
    code = """
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
from fcn_seg_ros.paths import share_dir
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    AnyLaunchDescriptionSource(str(share_dir() / 'launch' / 'demo.launch.py')),
    launch_arguments={'network': 'nonsense'}.items())]))
service.run()
"""
    domain = Domain()
    environment = dict(os.environ, ROS_DOMAIN_ID=str(domain.number),
                       ROS_LOG_DIR=str(tmp_path / 'log'))
    done = subprocess.run([sys.executable, '-c', code], env=environment, cwd=tmp_path, timeout=120,
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    domain.release()
    assert "unknown network 'nonsense'" in done.stdout
    assert 'process has finished cleanly' in done.stdout, done.stdout
