"""The node's frame path in this process, for messages made up by a fuzzer."""

from collections import Counter
from pathlib import Path
import sys
import time

from fcn_seg_ros.ros.node import SegmentationNode
from fcn_seg_ros.ros.outputs.group import Publishers
from fcn_seg_ros.ros.pipeline import Pipeline
from fcn_seg_ros.ros.throttle import Throttle
import rclpy
from rclpy.context import Context
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage
import torch

REJECTIONS = {'size', 'step', 'encoding', 'truncated', 'compressed', 'too_large'}
"""What a message may be refused for; any other error is a bug."""
PROBLEMS = {'nav:calibration', 'nav:depth', 'nav:transform', 'nav:pose'}
"""What clouds and grid may be refused for, with the masks published all the same."""
MEMORY_BOUND = 512 << 20
"""Bytes that the process may grow by, whatever comes; the messages here are small."""


class Harness:
    """
    A configured node of which every output is wanted.

    :param folder: for the network.
    """

    def __init__(self, folder, domain):
        torch.set_num_threads(1)
        network, roles = _write_tiny_network(folder)
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.nodes, self._pipelines = {}, {}
        for transport in ('raw', 'compressed'):
            node = SegmentationNode(context=self._context, parameter_overrides=[
                Parameter(name, value=value) for name, value in {
                    'network': network, 'models_dir': str(folder), 'roles': roles, 'device': 'cpu',
                    'engine': 'torch', 'threads': 1, 'autostart': False,
                    # A grid without odometry, since there is no TF here.
                    'mount.height': 1.0, 'costmap.frame': 'base_footprint',
                    'points.patience': 0.0,
                    'image_transport': transport}.items()])
            assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
            self.nodes[transport] = node
            configured = node._configured
            for camera in configured.topics.cameras:
                camera.navigation._throttle = Throttle(_Silence())
                camera.navigation._wanted_since = 0.0  # long enough for complaints
            # Worked by hand, without its thread, so that each message has its outcome.
            self._pipelines[transport] = Pipeline(
                configured.topics.cameras, configured.settings, configured.guard,
                configured.navigation,
                Throttle(_Silence()), keep_on=lambda: True, on_fault=_lost)
        Publishers.wanted = lambda group: set(group._publishers)
        self.outcomes = Counter()
        self.images = self.others = 0
        self._memory = None
        self.started = time.monotonic()

    def close(self):
        """Leave ROS."""
        for node in self.nodes.values():
            node.destroy_node()
        rclpy.shutdown(context=self._context)

    def send(self, message, info=None, depth=None):
        """
        Let a camera's messages arrive, and check what the node makes of them.

        :returns: 'done', or why the image was rejected.
        """
        self.images += 1
        self.others += (info is not None) + (depth is not None)
        transport = 'compressed' if isinstance(message, CompressedImage) else 'raw'
        camera, = self.nodes[transport]._configured.topics.cameras
        statistics, navigation = camera.statistics, camera.navigation
        before = dict(statistics._totals)
        if info is not None:
            camera.input._on_info(info)
        if depth is not None:
            depth.header.stamp = message.header.stamp
            navigation.depth._on_depth(depth)
        navigation.depth.expected = depth is not None
        navigation.places_from = ''
        camera.input._on_image(message)
        assert self._pipelines[transport].work()
        new = {name: count - before.get(name, 0) for name, count in statistics._totals.items()
               if count != before.get(name, 0) and not name.startswith('note:')}
        assert new.pop('received') == 1
        problems = {name: new.pop(name) for name in list(new) if name.startswith('nav:')}
        # Exactly one outcome, counted once.
        (outcome, count), = new.items()
        assert count == 1
        if outcome != 'done':
            kind = outcome.removeprefix('error:')
            assert kind in REJECTIONS, f'{kind}: {statistics.last_error}'
            assert '\n' not in statistics.last_error
        self.outcomes[outcome] += 1
        self._check_navigation(outcome, problems, navigation)
        self._check_memory()
        return outcome

    def _check_navigation(self, outcome, problems, navigation):
        """Make sure that a mask has clouds, or that it is told why not."""
        for name, count in problems.items():
            assert outcome == 'done'
            assert name in PROBLEMS
            assert count == 1
            self.outcomes[name] += 1
        assert '\n' not in ''.join(navigation.problems.values())
        if outcome == 'done':
            made = bool(navigation.places_from)
            assert made == ('nav:calibration' not in problems)
            if made:
                self.outcomes[f'clouds from {navigation.places_from}'] += 1

    def _check_memory(self):
        """Compare the resident memory with that after the first messages."""
        if self._memory is None and self.images > 200:
            self._memory = peak_memory()
        elif self._memory is not None and self.images % 50 == 0:
            grown = peak_memory() - self._memory
            assert grown < MEMORY_BOUND, f'the process grew by {grown >> 20} MiB'

    def report(self):
        """Return a few lines on what happened."""
        seconds = time.monotonic() - self.started
        grown = peak_memory() - self._memory if self._memory else 0
        lines = [f'{self.images} images with {self.others} calibrations and depth images in '
                 f'{seconds:.0f} s; peak memory grew by {grown >> 20} MiB after the first 200']
        lines += [f'  {count:7d}  {100 * count / self.images:5.1f} %  {name}'
                  for name, count in self.outcomes.most_common()]
        return '\n'.join(lines)


class _Silence:
    """A logger for what is expected to go wrong."""

    def warning(self, text):
        pass

    error = warning


def _write_tiny_network(folder):
    """Write the network of the node's tests and roles for it; return name and file."""
    sys.path.append(str(Path(__file__).parents[1] / 'node'))
    from networks import TINY, write_network
    write_network(folder, TINY, size=32)
    roles = folder / 'roles.yaml'
    roles.write_text('ground: {role: ground, cost: 20}\nwall: {role: obstacle}\n'
                     'thing: {role: obstacle}\nsky: {role: overhead}\n')
    return TINY, str(roles)


def _lost():
    raise AssertionError('the engine was given up')


def peak_memory():
    """Return the largest resident memory that the process has had, bytes."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith('VmHWM:'):
            return int(line.split()[1]) << 10
    raise RuntimeError('no VmHWM in /proc/self/status')
