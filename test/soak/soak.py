"""
Load test: a node under fire for as long as you like, with every output checked.

Cameras change size, encoding and reliability, are killed and started again, and so is the
node; networks, mask sizes and life-cycle states change while it runs.  Ends with a report
on stdout, and with status 1 when anything was wrong.
"""

import argparse
from collections import Counter
import os
from pathlib import Path
import random
import subprocess
import sys
import tempfile
import time

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / 'node'))

CAMERAS = ('front', 'rear')
_MIB = 1 << 20


class Soak:
    """One run; ``faults`` collects what was wrong."""

    def __init__(self, args, folder):
        from checks import Checks
        import conftest
        from networks import OTHER, TINY, write_network
        self.args = args
        self.dice = random.Random(args.seed)
        self.networks = args.networks.split(',') if args.networks else [TINY, OTHER]
        models = folder / 'models'
        write_network(models, TINY)
        write_network(models, OTHER, seed=1)
        self.nodes = conftest.Nodes(folder, models)
        self.graph = self.nodes.graph
        self.faults, self.events = Counter(), Counter()
        self.serial = dict.fromkeys(CAMERAS, 0)
        self.memory = []  # for each life of the node, each second: (own, shared), bytes
        self.cameras = {}
        self.node = None
        self.publishers = []
        self.checks = Checks(
            self.graph.node, CAMERAS, self.networks, models, self._fault, time.monotonic)

    def run(self):
        """Run for the time asked for."""
        self.start_node()
        for name in CAMERAS:
            self.start_camera(name)
        end = time.monotonic() + self.args.minutes * 60
        next_event = time.monotonic() + 20
        next_sample = 0.0
        while time.monotonic() < end:
            self.graph.executor.spin_once(timeout_sec=0.1)
            now = time.monotonic()
            if now > next_sample:
                next_sample = now + 1.0
                self._sample(now)
            if now > next_event:
                next_event = now + self.dice.uniform(4, 12)
                self._happen()
        status, seconds = self.node.stop()
        if status or seconds > 2:
            self._fault(f'the last stop took {seconds:.1f} s, status {status}')

    # -- what happens -------------------------------------------------------------------

    def start_node(self):
        """Start the node and count its life."""
        self.node = self.nodes.start(
            cameras=list(CAMERAS), network=self.networks[0], threads=self.args.threads,
            engine=self.args.engine,
            # A grid without odometry, since there is no TF here.
            mount__height=1.0, mount__pitch=0.3, costmap__frame='base_footprint')
        # The new node's, while the old one's may still come.
        self.checks.expected_size.add('input')
        # The end of a killed node is known only after its lease: a call would go to the dead.
        mask = f'/segmentation/{CAMERAS[0]}/class_mask'

        def publishers():
            return [tuple(info.endpoint_gid)
                    for info in self.graph.node.get_publishers_info_by_topic(mask)]

        self.graph.wait_until(
            lambda: 'waiting for images' in self.node.log
            and len(publishers()) == 1 and publishers() != self.publishers,
            'the new node, alone', 180)
        self.publishers = publishers()
        self.graph.forget_services()
        self.memory.append([])
        self.checks.expected_size = {'input'}
        self.checks.last_mask = time.monotonic()

    def start_camera(self, name):
        """Start a camera's process, reliable or not."""
        self.serial[name] += 10_000_000  # a restarted camera counts on
        command = [sys.executable, str(Path(__file__).with_name('camera.py')),
                   '--domain', str(self.nodes.domain), '--topic', name,
                   '--rate', str(self.args.rate), '--sizes', self.args.sizes,
                   '--serial', str(self.serial[name])]
        if self.dice.random() < 0.5:
            command.append('--best-effort')
        self.cameras[name] = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def _happen(self):
        event = self.dice.choices(
            (self.kill_camera, self.switch_network, self.change_mask_size, self.cycle,
             self.stop_node, self.kill_node), (5, 6, 4, 3, 0.4, 0.4))[0]
        self.events[event.__name__] += 1
        event()

    def kill_camera(self):
        """Kill a camera in mid-stream and start another."""
        from graph import kill
        name = self.dice.choice(CAMERAS)
        kill(self.cameras[name])
        self.start_camera(name)

    def kill_node(self):
        """Kill the node as the kernel would, and start another."""
        self.node.kill()
        self.start_node()

    def stop_node(self):
        """Stop the node as a launch does, and start another."""
        status, seconds = self.node.stop()
        if status or seconds > 2 or 'Traceback' in self.node.log:
            self._fault(f'a stop took {seconds:.1f} s, status {status}')
        self.start_node()

    def switch_network(self):
        """Switch to a network, one time in four to one that is not there."""
        if self.dice.random() < 0.25:
            self._set('network', 'no-such-network', False)
        else:
            self._set('network', self.dice.choice(self.networks), True)

    def change_mask_size(self):
        """Change the size of the masks."""
        value = self.dice.choice(('input', 'network', '320x180', '333x111'))
        self.checks.expected_size.add(value)  # frames in work still have the old one
        self._set('mask_size', value, True)
        self.graph.spin_for(1.0)
        self.checks.expected_size = {value}

    def cycle(self):
        """Deactivate, sometimes clean up as well, and come back."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState
        steps = [Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE]
        if self.dice.random() < 0.5:
            steps[1:1] = [Transition.TRANSITION_CLEANUP, Transition.TRANSITION_CONFIGURE]
        for step in steps:
            answer = self._call(ChangeState, 'change_state', ChangeState.Request(
                transition=Transition(id=step)))
            if answer is None or not answer.success:
                self._fault(f'transition {step} failed')
        self.checks.last_mask = time.monotonic()

    def _set(self, name, value, expected):
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter
        answer = self._call(SetParameters, 'set_parameters', SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]))
        if answer is None or answer.results[0].successful != expected:
            self._fault(f'{name}={value}: {answer and answer.results[0].reason}')

    def _call(self, service, name, request):
        try:
            return self.graph.call(service, f'/segmentation/{name}', request, deadline=60)
        except AssertionError as error:
            self._fault(str(error))
            return None

    # -- what is watched ----------------------------------------------------------------

    def _sample(self, now):
        if self.node.process.poll() is not None:
            self._fault(f'the node ended with {self.node.process.returncode}')
            print(self.node.log[-3000:], file=sys.stderr)
            self.start_node()
            return
        self.memory[-1].append((self.node.memory(), self.node.memory('RssShmem')))
        if now - self.checks.last_mask > 60:
            self._fault('no mask for a minute')
            self.checks.last_mask = now

    def _fault(self, text):
        self.faults[text] += 1
        print(f'FAULT {text}', file=sys.stderr, flush=True)

    # -- the report ---------------------------------------------------------------------

    def report(self):
        """Return the report, Markdown."""
        lines = [f'{self.args.minutes:g} minutes, {len(CAMERAS)} cameras at {self.args.rate:g} '
                 f'Hz, sizes {self.args.sizes}, networks {", ".join(self.networks)}, '
                 f'{os.cpu_count()} CPU cores', '', '| | |', '| --- | --- |']
        lines += [f'| checked: {name} | {count} |'
                  for name, count in sorted(self.checks.checked.items())]
        lines += [f'| counted by the node: {name} | {count} |'
                  for name, count in sorted(self.checks.counted.items())]
        lines += [f'| latency p95, median and largest of all seconds | '
                  f'{np.median(self.checks.latency):.0f}, {max(self.checks.latency):.0f} ms |']
        lines += [f'| diagnostics: {name} | {count} |'
                  for name, count in sorted(self.checks.levels.items())]
        lines += [f'| {event.replace("_", " ")} | {count} |'
                  for event, count in sorted(self.events.items())]
        for index, life in enumerate(self.memory, 1):
            if len(life) < 60:
                continue
            quarter = max(1, (len(life) - 30) // 4)
            own, shared = np.transpose(life[30:]) / _MIB
            lines.append(
                f'| memory in life {index} of the node ({len(life)} s), first and last quarter '
                f'| own {np.median(own[:quarter]):.0f}, {np.median(own[-quarter:]):.0f} MiB; '
                f'shared with cameras {np.median(shared[:quarter]):.0f}, '
                f'{np.median(shared[-quarter:]):.0f} MiB |')
        lines += [f'| faults | {sum(self.faults.values())} |']
        lines += [f'| {text} | {count} |' for text, count in self.faults.items()]
        return '\n'.join(lines)

    def close(self):
        """End all processes."""
        from graph import kill
        for camera in self.cameras.values():
            kill(camera)
        self.nodes.close()


def main():
    """Run the load test; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--minutes', type=float, default=60, help='how long (%(default)g)')
    parser.add_argument('--rate', type=float, default=10, help='frames a second and camera')
    parser.add_argument('--sizes', default='320x240,640x480,1280x720', help='%(default)s')
    parser.add_argument('--networks', default='', help='names, instead of two tiny test networks')
    parser.add_argument('--engine', default='torch', help='%(default)s')
    parser.add_argument('--threads', type=int, default=1, help='%(default)d')
    parser.add_argument('--seed', type=int, default=0, help='of what happens when')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(args, Path(folder))
        try:
            soak.run()
        finally:
            soak.close()
            print(soak.report())
    return 1 if soak.faults else 0


if __name__ == '__main__':
    sys.exit(main())
