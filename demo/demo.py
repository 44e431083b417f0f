#!/usr/bin/env python3
"""
Show the real node at work: two camera processes, the node process, and a recorder.

Each camera's pictures travel over DDS to the node, and what the node publishes is
recorded here: shares per class, rates and latencies are printed, and a contact sheet of
input, mask, overlay and confidence is written for a person to look at.
"""

import argparse
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import sysconfig
import time

import cv2
from fcn_seg_ros.images.drawing import contact_sheet, legend_entries
from fcn_seg_ros.msg import ClassFractions
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.ros.dds import profile_environment
from fcn_seg_ros.ros.messages import image_to_rgb
from fcn_seg_ros.ros.qos import newest
import numpy as np
import rclpy
from sensor_msgs.msg import Image

HERE = Path(__file__).resolve().parent
CAMERAS = {'street': ('street.jpg', 5.0), 'walkers': ('walkers.mp4', 10.0)}
OUTPUTS = ('class_mask', 'color_mask', 'overlay', 'confidence')
START_TIMEOUT = 120.0


class Recorder:
    """Keep what arrives for one camera, by stamp."""

    def __init__(self, node, camera):
        self.camera = camera
        self.sent = {}  # stamp -> (picture, when it arrived here)
        self.results = {}  # stamp -> {output: message}
        self.latencies = []
        node.create_subscription(Image, f'{camera}/image', self._on_image, newest())
        for name in OUTPUTS:
            node.create_subscription(Image, f'segmentation/{camera}/{name}',
                                     lambda msg, name=name: self._on_output(name, msg), newest())
        node.create_subscription(
            ClassFractions, f'segmentation/{camera}/class_fractions',
            lambda msg: self._on_output('class_fractions', msg), newest())

    def _on_image(self, msg):
        self.sent[_stamp(msg)] = msg
        while len(self.sent) > 100:
            del self.sent[next(iter(self.sent))]

    def _on_output(self, name, msg):
        outputs = self.results.setdefault(_stamp(msg), {})
        outputs[name] = msg
        if len(outputs) == len(OUTPUTS) + 1:
            self.latencies.append(time.time() - _stamp(msg) * 1e-9)

    def complete(self):
        """Return (input, outputs) of the frames that arrived whole, oldest first."""
        return [(self.sent[stamp], outputs) for stamp, outputs in sorted(self.results.items())
                if len(outputs) == len(OUTPUTS) + 1 and stamp in self.sent]


def _stamp(msg):
    return msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec


def start_processes(environment):
    """Start the node and the cameras; return their processes, the node first."""
    scripts = Path(sysconfig.get_path('scripts'))
    names = ', '.join(CAMERAS)
    commands = [[scripts / 'segmentation_node', '--ros-args', '-p', f'cameras:=[{names}]']]
    for camera, (source, rate) in CAMERAS.items():
        commands.append([scripts / 'fcn-seg', 'camera', HERE / source, '--rate', str(rate),
                         '--loop', '--frame-id', f'{camera}_optical_frame',
                         '--topic', f'{camera}/image'])
    return [subprocess.Popen(list(map(str, command)), env=environment) for command in commands]


def stop(processes):
    """Stop the processes as Ctrl-C does and make sure that they are gone."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def record(recorders, node, processes, seconds):
    """
    Spin until every camera has results, then for ``seconds`` more, and until it has some again.

    Returns the seconds that this took.
    """
    spin(recorders, node, processes, 0.0)
    for recorder in recorders:  # the first frames came while all was starting
        recorder.latencies.clear()
    return spin(recorders, node, processes, seconds)


def spin(recorders, node, processes, least):
    """Spin for some seconds, and on until every camera has a whole frame; return how long."""
    began = time.monotonic()
    while True:
        rclpy.spin_once(node, timeout_sec=0.2)
        for process in processes:
            if process.poll() is not None:
                raise SystemExit(f"demo: '{process.args[0]}' ended with {process.returncode}")
        passed = time.monotonic() - began
        if passed < least:
            continue
        missing = [r.camera for r in recorders if not r.latencies or not r.complete()]
        if not missing:
            return passed
        if passed > least + START_TIMEOUT:
            raise SystemExit(f"demo: no whole frame of {', '.join(missing)} arrived in "
                             f'{START_TIMEOUT:.0f} s')


def report(recorders, seconds):
    """Print what arrived; return the rows of the contact sheet and the pixels per class."""
    rows, titles = [], []
    histogram = np.zeros(256, np.int64)
    for recorder in recorders:
        frames = recorder.complete()
        rate = len(recorder.latencies) / seconds
        p50, p95 = np.percentile(recorder.latencies, (50, 95)) * 1000
        print(f'\n{recorder.camera}: {rate:.1f} frames a second, latency from the camera to the '
              f'last output p50 {p50:.0f} ms, p95 {p95:.0f} ms')
        fractions = frames[-1][1]['class_fractions']
        for entry in sorted(fractions.classes, key=lambda c: -c.fraction):
            if entry.fraction >= 0.001:
                bar = '#' * round(40 * entry.fraction)
                print(f'  {entry.label:<14} {entry.fraction:6.1%} {bar}')
        for picture, outputs in (frames[len(frames) // 2], frames[-1])[-2:]:
            if picture.header != outputs['overlay'].header:
                raise SystemExit('demo: the header of an output differs from its input')
            mask = image_array(outputs['class_mask'])
            histogram += np.bincount(mask.ravel(), minlength=256)
            rows.append([image_to_rgb(picture), image_array(outputs['color_mask']),
                         image_array(outputs['overlay']), image_array(outputs['confidence'])])
            titles.append(recorder.camera)
            if recorder.camera == 'street':
                break  # a photograph: every frame is the same
    return rows, titles, histogram


def image_array(msg):
    """Return an output Image as an array: its rows are not padded."""
    shape = (msg.height, msg.width, 3) if msg.encoding == 'rgb8' else (msg.height, msg.width)
    return np.frombuffer(msg.data, np.uint8).reshape(shape)


def main():
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--seconds', type=float, default=8.0, help='how long to record')
    parser.add_argument('--output', type=Path, default=Path('demo_output'))
    args = parser.parse_args()
    # A domain of its own: the robot next door must not see the demo's topics.
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.randint(60, 100)))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.update(profile_environment())

    print('Starting the node and two cameras ...', flush=True)
    processes = start_processes(os.environ.copy())
    rclpy.init()
    node = rclpy.create_node('demo_recorder')
    try:
        recorders = [Recorder(node, camera) for camera in CAMERAS]
        seconds = record(recorders, node, processes, args.seconds)
        rows, row_titles, histogram = report(recorders, seconds)
    finally:
        stop(processes)
        node.destroy_node()
        rclpy.try_shutdown()

    classes = Registry.load().get('fcn-resnet18-street').classes
    sheet = contact_sheet(rows, titles=('camera', 'color_mask', 'overlay', 'confidence'),
                          row_titles=row_titles, entries=legend_entries(classes, histogram))
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / 'contact_sheet.png'
    if not cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise SystemExit(f'demo: cannot write {path}')
    print(f'\nLook at {path}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
