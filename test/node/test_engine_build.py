"""A node whose engine is built, which takes minutes with TensorRT: a stand-in, over DDS."""

import json
from pathlib import Path

from graph import image_message, picture
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from networks import ENGINE_CLASS
import pytest
from sensor_msgs.msg import Image
from without_torch import HAS_TORCH

STAND_INS = Path(__file__).resolve().parents[1] / 'unit' / 'stand_ins'

BUILDS = f"""
import os, sys
os.environ['PYTHONPATH'] = os.pathsep.join([{str(STAND_INS)!r}, *sys.path])
sys.path.insert(0, {str(STAND_INS)!r})
os.environ.update(TENSORRT_LOG=os.path.abspath('tensorrt.jsonl'), TENSORRT_TROUBLE='endless')
import torch
from fcn_seg_ros.inference import devices
from fcn_seg_ros.inference.engines import tensorrt_engine
devices.gpu_count = lambda: 1
torch.cuda.get_device_name = lambda device: 'Orin'
tensorrt_engine._LOG_PERIOD = 0.5
"""

BUILDS_WHEN_RELOADED = ENGINE_CLASS + """
import sys, threading, time

module = sys.modules[Engine.__module__]
create = module.create
loads = []

def building(request):
    loads.append(request)
    if len(loads) == 2:
        print('building', flush=True)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            threading.Event().wait(0.1)
            request.on_wait()
    return create(request)

def failing(self, batch):
    if len(loads) == 1:
        raise RuntimeError('the driver is gone')
    return call(self, batch)

call, Engine.__call__ = Engine.__call__, failing
module.create = building
"""


@pytest.mark.skipif(not HAS_TORCH, reason="TensorRT's engine takes PyTorch's tensors")
def test_a_signal_ends_a_build_and_what_builds(nodes):
    pytest.importorskip('onnx')
    node = nodes.start(prelude=BUILDS, engine='tensorrt', precision='fp16', device='cuda')
    folder = node.log_path.parent
    node.wait_for_log('building the TensorRT engine for this GPU')
    node.wait_for_log('still building the TensorRT engine')
    noted = folder / 'tensorrt.jsonl'
    nodes.graph.wait_until(lambda: noted.exists() and '"build"' in noted.read_text(),
                           'a process that builds')
    (_, builder), = (what for what in map(json.loads, noted.read_text().splitlines())
                     if what[0] == 'build')
    status, seconds = node.stop()
    assert status == 0, node.log
    assert seconds < 2, node.log
    assert 'Traceback' not in node.log
    assert 'cannot configure' not in node.log
    nodes.graph.wait_until(lambda: not Path(f'/proc/{builder}').exists(), 'its end')
    # Nothing half done is left behind, neither an engine nor what it was to be built from.
    assert not list((folder / 'cache/fcn_seg_ros/tensorrt').iterdir())


BUILDS_FOR_EVER = BUILDS_WHEN_RELOADED.replace('time.monotonic() + 5', 'time.monotonic() + 1e6')


def test_deactivating_ends_a_build_in_a_frame(nodes):
    node = nodes.start(prelude=BUILDS_FOR_EVER)
    graph = nodes.graph
    camera = graph.camera()
    masks = graph.listen(Image, '/segmentation/class_mask')
    graph.wait_for_subscribers(camera)

    def film():
        camera.publish(image_message(picture()))
        graph.spin_for(0.05)

    def change(transition):
        return graph.call(ChangeState, '/segmentation/change_state', ChangeState.Request(
            transition=Transition(id=transition))).success

    graph.wait_until(lambda: film() or 'building' in node.log, 'a build')
    assert change(Transition.TRANSITION_DEACTIVATE)
    node.wait_for_log('building the engine is broken off')
    assert 'left to itself' not in node.log
    assert not masks.messages
    # The third load, which builds nothing.
    assert change(Transition.TRANSITION_ACTIVATE)
    graph.wait_until(lambda: film() or masks.messages, 'a mask')
    assert 'attempt 2' not in node.log
    assert node.stop()[0] == 0


def test_building_is_no_hang(nodes):
    node = nodes.start(prelude=BUILDS_WHEN_RELOADED, diagnostics__hang_timeout=2.0)
    camera = nodes.graph.camera()
    masks = nodes.graph.listen(Image, '/segmentation/class_mask')
    nodes.graph.wait_for_subscribers(camera)
    nodes.graph.wait_until(
        lambda: camera.publish(image_message(picture())) or nodes.graph.spin_for(0.05)
        or masks.messages, 'a mask')
    assert 'building' in node.log
    assert 'hangs' not in node.log
    assert node.stop()[0] == 0
