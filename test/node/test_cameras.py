"""Several cameras on one network: together where that pays, in turns otherwise."""

from fcn_seg_ros import Segmenter
from graph import image_message, mask_of, picture
from networks import ENGINE, ENGINE_CLASS, TINY
import numpy as np
import pytest
from sensor_msgs.msg import Image

CAMERAS = [f'camera{index}' for index in range(4)]
SLOW = ENGINE_CLASS + """
import time

from fcn_seg_ros.ros.inputs.image import CameraInput

inputs = []
create, call = CameraInput.__init__, Engine.__call__

def created(self, *args, **kwargs):
    create(self, *args, **kwargs)
    inputs.append(self)

def slow(self, batch):
    print('batch of', len(batch), flush=True)
    end = time.monotonic() + 60
    while time.monotonic() < end and any(
            camera._frame is None and camera.subscribed for camera in inputs):
        time.sleep(0.002)
    return call(self, batch)

CameraInput.__init__ = created
Engine.__call__ = slow
"""
"""A network that is slower than the cameras: another frame of each waits when it is done."""
BATCHES = SLOW + """
init = Engine.__init__

def batching(self, *args, **kwargs):
    init(self, *args, **kwargs)
    self.prefers_batches = True

Engine.__init__ = batching
"""
WHITE_FAILS = BATCHES + """
def fail(self, batch):
    if (batch > 1).all((1, 2, 3)).any():
        raise ValueError('white')
    return slow(self, batch)

Engine.__call__ = fail
"""


class Bench:
    """A node with four cameras that publish at the same time."""

    def __init__(self, nodes, prelude):
        # The network waits for the cameras here: that is no hang, however long it takes.
        self.node = nodes.start(prelude=prelude, cameras=CAMERAS, diagnostics__hang_timeout=0.0)
        self.graph = graph = nodes.graph
        self.cameras = [graph.camera(f'{name}/image') for name in CAMERAS]
        # Deep enough that no mask is lost where this process is the slower one: what a test
        # counts here are the node's frames, not how many of them it had the time to read.
        self.masks = [graph.listen(Image, f'/segmentation/{name}/class_mask', depth=1000)
                      for name in CAMERAS]
        for camera in self.cameras:
            graph.wait_for_subscribers(camera)
        self.sent = {}

    def film_until(self, condition, what, pictures):
        """Publish a picture of each camera again and again until something is true."""
        def once():
            for camera, pixels in zip(self.cameras, pictures):
                message = image_message(pixels)
                stamp = message.header.stamp
                self.sent[stamp.sec, stamp.nanosec] = pixels
                camera.publish(message)
            self.graph.spin_for(0.02)

        self.graph.wait_until(lambda: condition() or once(), what)

    def counts(self):
        """Return how many masks of each camera have arrived."""
        return [len(masks.messages) for masks in self.masks]


@pytest.fixture(scope='module')
def expected(models_dir):
    """Return the function that segments a picture alone."""
    segmenter = Segmenter(TINY, models_dir=str(models_dir), device='cpu', threads=1,
                          **ENGINE)
    return lambda pixels: segmenter(pixels).class_mask


def test_frames_that_wait_together_are_one_batch(nodes, expected):
    bench = Bench(nodes, BATCHES)
    pictures = [picture(seed=seed, height=40 + 8 * seed) for seed in range(4)]
    bench.film_until(lambda: 'batch of 4' in bench.node.log and min(bench.counts()) >= 8,
                     'a batch', pictures)
    for masks, pixels in zip(bench.masks, pictures):
        alone = expected(pixels)
        for message in masks.messages:
            stamp = message.header.stamp
            assert bench.sent[stamp.sec, stamp.nanosec] is pixels
            assert np.mean(mask_of(message) == alone) > 0.99


def test_a_frame_that_fails_in_a_batch_costs_itself_only(nodes):
    bench = Bench(nodes, WHITE_FAILS)
    pictures = [picture(seed=0), np.full((48, 64, 3), 255, np.uint8), picture(seed=2),
                picture(seed=3)]
    bench.film_until(
        lambda: "failed: ValueError('white')" in bench.node.log
        and all(count >= 8 for count in bench.counts()[::2] + bench.counts()[3:]),
        'masks of the others', pictures)
    assert bench.counts()[1] == 0
    assert '/camera1/image failed' in bench.node.log
    assert 'load it again' not in bench.node.log


@pytest.mark.parametrize('prelude', [SLOW, BATCHES], ids=['in turns', 'together'])
def test_cameras_have_equal_shares(nodes, prelude):
    bench = Bench(nodes, prelude)
    pictures = [picture(seed=seed) for seed in range(4)]
    bench.film_until(lambda: min(bench.counts()) > 0, 'a mask of each', pictures)
    for masks in bench.masks:
        masks.clear()
    bench.film_until(lambda: max(bench.counts()) >= 40, 'masks', pictures)
    assert max(bench.counts()) <= 1.1 * min(bench.counts())
    assert ('batch of 4' in bench.node.log) == (prelude is BATCHES)
