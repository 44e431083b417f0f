"""A node whose engine is built, which takes minutes with TensorRT: a stand-in, over DDS."""

import json
from pathlib import Path

from fcn_seg_ros.ros import node as node_module
from graph import image_message, picture
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from networks import ENGINE_CLASS
from preludes import PATIENT
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
import sys, threading

module = sys.modules[Engine.__module__]
create = module.create
loads = []

def building(request):
    loads.append(request)
    if len(loads) == 2:
        print('building', flush=True)
        build(request)
    return create(request)

def failing(self, batch):
    if len(loads) == 1:
        raise RuntimeError('the driver is gone')
    return call(self, batch)

call, Engine.__call__ = Engine.__call__, failing
module.create = building
"""
"""A node whose engine fails and is made again, which ``build(request)`` is a part of."""
BUILDS_FOR_EVER = BUILDS_WHEN_RELOADED + """
def build(request):
    while True:
        threading.Event().wait(0.1)
        request.on_wait()
"""
BUILDS_FOR_TEN_SECONDS = BUILDS_WHEN_RELOADED + """
from types import SimpleNamespace
import fcn_seg_ros.ros.node as nodes
from fcn_seg_ros.ros import pipeline

def build(request):
    with looking:
        looks.clear()
    for _ in range(10):
        now[0] += 1.0
        with looking:
            # The first of them may have read the clock before.
            count = len(looks) + 2
            looking.wait_for(lambda: len(looks) >= count)
        request.on_wait()
    print(f'stuck for {max(looks)} s at most', flush=True)

def look(self):
    stuck = stuck_for(self)
    with looking:
        looks.append(stuck)
        looking.notify_all()
    return stuck

now, looks, looking = [1000.0], [], threading.Condition()
pipeline.time = SimpleNamespace(monotonic=lambda: now[0])
stuck_for, pipeline.Pipeline.stuck_for = pipeline.Pipeline.stuck_for, look
nodes._WATCH_PERIOD = 0.05
"""
"""
The clock by which the node finds what hangs goes on while it builds, and at no other time.

At each second of it the node looks whether the work hangs before the engine says that it waits.
"""


@pytest.mark.skipif(not HAS_TORCH, reason="TensorRT's engine takes PyTorch's tensors")
def test_a_signal_ends_a_build_and_what_builds(nodes):
    pytest.importorskip('onnx')
    from fcn_seg_ros.inference.engines import tensorrt_engine
    node = nodes.start(prelude=BUILDS + PATIENT, engine='tensorrt', precision='fp16',
                       device='cuda')
    folder = node.log_path.parent
    node.wait_for_log('building the TensorRT engine for this GPU')
    node.wait_for_log('still building the TensorRT engine')
    noted = folder / 'tensorrt.jsonl'
    nodes.graph.wait_until(lambda: noted.exists() and '"build"' in noted.read_text(),
                           'a process that builds')
    (_, builder), = (what for what in map(json.loads, noted.read_text().splitlines())
                     if what[0] == 'build')
    # A build that is not broken off goes on for ten minutes, and this node would wait for it.
    assert node.stop()[0] == 0, node.log
    assert 'Traceback' not in node.log
    assert 'cannot configure' not in node.log
    nodes.graph.wait_until(lambda: not Path(f'/proc/{builder}').exists(), 'its end')
    # Nothing half done is left behind, neither an engine nor what it was to be built from.
    assert not list((folder / 'cache/fcn_seg_ros/tensorrt').iterdir())
    # Without that patience any process is ended in under 2 s (test_lifecycle.py), and for a build
    # it waits longer than until the next look whether that is to go on, and its own.
    assert tensorrt_engine._POLL + node_module._POLL < node_module._END_TIMEOUT


def test_deactivating_ends_a_build_in_a_frame(nodes):
    node = nodes.start(prelude=BUILDS_FOR_EVER + PATIENT)
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
    # This node would have waited for a build that goes on; others leave it to itself, in time.
    assert node_module._CLOSE_TIMEOUT < 2
    assert not masks.messages
    # The third load, which builds nothing.
    assert change(Transition.TRANSITION_ACTIVATE)
    graph.wait_until(lambda: film() or masks.messages, 'a mask')
    assert 'attempt 2' not in node.log
    assert node.stop()[0] == 0


def test_building_is_no_hang(nodes):
    node = nodes.start(prelude=BUILDS_FOR_TEN_SECONDS, diagnostics__hang_timeout=2.0)
    camera = nodes.graph.camera()
    masks = nodes.graph.listen(Image, '/segmentation/class_mask')
    nodes.graph.wait_for_subscribers(camera)
    nodes.graph.wait_until(
        lambda: camera.publish(image_message(picture())) or nodes.graph.spin_for(0.05)
        or masks.messages or 'hangs' in node.log, 'a mask')
    assert 'hangs' not in node.log
    assert 'stuck for 1.0 s at most' in node.log
    assert node.stop()[0] == 0
