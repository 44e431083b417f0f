"""The launch files for real, with launch_testing, where that is installed."""

import contextlib
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from graph import DEADLINE, Domain
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
from fcn_seg_ros.support.paths import share_dir
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


def test_one_sigint_to_the_command_ends_all_as_docker_and_systemd_send_it(models_dir, tmp_path):
    """To the command alone and without a terminal: nobody else tells those it started."""
    pytest.importorskip('ros2launch.api', reason="ROS 2's command line is not installed here")
    domain = Domain()
    log = tmp_path / 'log.txt'
    with log.open('wb') as file:
        launch = subprocess.Popen(
            ['ros2', 'launch', 'fcn_seg_ros', 'demo.launch.py', f'network:={TINY}',
             f'models_dir:={models_dir}', 'engine:=torch', 'device:=cpu', 'threads:=1'],
            env=dict(os.environ, ROS_DOMAIN_ID=str(domain.number), ROS_LOG_DIR=str(tmp_path)),
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    try:
        end = time.monotonic() + DEADLINE
        while not all(words in log.read_text() for words in ('waiting for images', 'publishing')):
            assert launch.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        launch.send_signal(signal.SIGINT)
        assert launch.wait(DEADLINE) == 0
        assert log.read_text().count('process has finished cleanly') == 2, log.read_text()
        with pytest.raises(ProcessLookupError):
            os.killpg(launch.pid, 0)  # nobody is left of its session
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(launch.pid, signal.SIGKILL)
        domain.release()
