"""
What launch_testing runs for test_launch_running.py: a launch file, and what must come of it.

The environment variable LAUNCH_FILE names the file, LAUNCH_ARGUMENTS its arguments (JSON).
"""

import json
import os
from pathlib import Path
import unittest

from fcn_seg_ros.support.paths import share_dir
from graph import Graph, image_message, picture
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
import launch_testing
import launch_testing.actions
import launch_testing.asserts
from sensor_msgs.msg import Image

FILE = Path(share_dir(), 'launch', os.environ['LAUNCH_FILE'])
ARGUMENTS = json.loads(os.environ['LAUNCH_ARGUMENTS'])


def generate_test_description():
    """Launch the file."""
    return LaunchDescription([
        IncludeLaunchDescription(AnyLaunchDescriptionSource(str(FILE)),
                                 launch_arguments=ARGUMENTS.items()),
        launch_testing.actions.ReadyToTest()])


class TestRunning(unittest.TestCase):
    """What the launched processes do together."""

    def test_overlays_arrive(self):
        """The demo has a camera of its own; the others get one here."""
        has_camera = FILE.name == 'demo.launch.py'
        graph = Graph(int(os.environ['ROS_DOMAIN_ID']))
        self.addCleanup(graph.close)
        overlays = graph.listen(
            Image, f"/{ARGUMENTS['namespace']}/{ARGUMENTS['name']}/overlay")
        camera = None if has_camera else graph.camera(ARGUMENTS['image'])

        def arrived():
            if camera is not None:
                camera.publish(image_message(picture()))
            return overlays.messages

        graph.wait_until(arrived, 'an overlay')
        size = overlays.messages[0].width, overlays.messages[0].height
        self.assertEqual(size, (768, 576) if has_camera else (64, 48))


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    """How the processes end."""

    def test_every_process_ends_cleanly(self, proc_info):
        """Ctrl-C, which is what launch sends, is no error."""
        launch_testing.asserts.assertExitCodes(proc_info)
