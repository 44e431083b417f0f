"""Which frames the pipeline takes when, with cameras and a network that the test holds back."""

from contextlib import contextmanager
import threading
import time
from types import SimpleNamespace

from fcn_seg_ros.ros.messages import image_message
from fcn_seg_ros.ros.pipeline import Pipeline
from fcn_seg_ros.ros.statistics import Statistics
import numpy as np
import pytest
from std_msgs.msg import Header

_DEADLINE = 20.0


class Input:
    """Holds the newest picture, which its number tells."""

    topic, info = 'image', None

    def __init__(self):
        self.newest = None

    def take(self, max_rate):
        number, self.newest = self.newest, None
        if number is None:
            return None
        return image_message(np.full((2, 2, 3), number, np.uint8), 'rgb8', Header()), 0.0


class Gate:
    """Lets work through one by one, and notes what has come and gone."""

    def __init__(self):
        self.begun, self.ended = [], []
        self.open = threading.Semaphore(0)

    def work(self, number):
        self.begun.append(number)
        assert self.open.acquire(timeout=_DEADLINE)
        self.ended.append(number)


class Rig:
    """A pipeline of one camera whose network and whose output are gates."""

    def __init__(self):
        self.network, self.output = Gate(), Gate()
        self.input = Input()
        self.camera = SimpleNamespace(
            name='', input=self.input, statistics=Statistics(), note_header=lambda header: None,
            wanted=lambda: [(self, {'mask'})])
        self.pipeline = Pipeline(
            [self.camera], SimpleNamespace(max_rate=0.0), self, None, None,
            keep_on=lambda: True, on_fault=lambda: None)
        self.segmenter = SimpleNamespace(network=SimpleNamespace(name='gate'))

    prefers_batches = False

    def try_batch(self, images, settings, want_confidence):
        return None

    def segment(self, image, settings, want_confidence):
        number = int(image[0, 0, 0])
        self.network.work(number)
        return number

    def needs_confidence(self, names):
        return False

    def publish(self, frame, names):
        self.frame = frame
        self.output.work(frame.result)

    def send(self, number):
        self.input.newest = number
        self.pipeline.wake()

    def hold_in_output(self, number):
        """Send a picture, and wait until it is being published."""
        self.send(number)
        self.network.open.release()
        wait_until(lambda: number in self.output.begun)


@contextmanager
def running():
    """Start a :class:`Rig`, and let go of everything in the end."""
    rig = Rig()
    rig.pipeline.start()
    yield rig
    for gate in (rig.network, rig.output):
        gate.open.release(100)
    assert rig.pipeline.close(_DEADLINE)


def wait_until(condition):
    end = time.monotonic() + _DEADLINE
    while not condition():
        assert time.monotonic() < end, 'waited in vain'
        time.sleep(0.001)


def test_a_frame_is_segmented_while_the_last_one_is_published():
    with running() as rig:
        rig.hold_in_output(1)
        rig.send(2)
        wait_until(lambda: rig.network.begun == [1, 2])
        assert rig.output.ended == []


def test_no_frame_is_taken_before_the_last_one_may_be_published():
    with running() as rig:
        rig.hold_in_output(1)
        rig.send(2)
        rig.network.open.release()
        wait_until(lambda: rig.frame.hurry())  # the second one waits to be published
        for number in (3, 4, 5):
            rig.send(number)
        assert rig.input.newest == 5
        assert rig.network.begun == [1, 2]
        rig.output.open.release()
        wait_until(lambda: rig.network.begun == [1, 2, 5])
        wait_until(lambda: rig.output.begun == [1, 2])


def test_frames_are_published_in_their_order_and_counted():
    with running() as rig:
        for gate in (rig.network, rig.output):
            gate.open.release(100)
        for number in range(1, 30):
            rig.send(number)
            wait_until(lambda number=number: number in rig.output.ended)
        assert rig.output.ended == list(range(1, 30))
        wait_until(lambda: rig.camera.statistics.total('done') == 29)


def test_stuck_is_whatever_takes_long():
    with running() as rig:
        assert rig.pipeline.stuck_for() == 0.0
        rig.send(1)
        wait_until(lambda: rig.pipeline.stuck_for() > 0.02)
        rig.network.open.release()
        wait_until(lambda: rig.output.begun == [1])
        wait_until(lambda: rig.pipeline.stuck_for() > 0.02)
        rig.output.open.release()
        wait_until(lambda: rig.pipeline.stuck_for() == 0.0)


@pytest.mark.parametrize('held', ['network', 'output'])
def test_a_close_does_not_wait_longer_than_it_may(held):
    with running() as rig:
        rig.send(1)
        if held == 'output':
            rig.network.open.release()
        wait_until(lambda: getattr(rig, held).begun == [1])
        assert not rig.pipeline.close(0.01)
    assert rig.camera.statistics.total('done') == (held == 'output')
