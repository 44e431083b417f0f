"""The node's life: transitions through its services, starts that fail, and ends."""

import os
from pathlib import Path
import re
import signal
import time

from fcn_seg_ros.ros import main, node as node_module
from fcn_seg_ros.ros.dds import PROFILE_NAMES
from graph import image_message, parameter_messages, picture, segments
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from networks import ENGINE_CLASS
from preludes import PATIENT
import pytest
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import Image
from slow_trigger import build_slow_trigger
from without_torch import HAS_TORCH

LARGE, LARGE_BYTES = ({}, 30 << 20) if HAS_TORCH else (
    {'network': 'fcn-resnet18-street', 'precision': 'int8'}, 10 << 20)
"""
Parameters for a network with 12 million weights, and most of the bytes that it takes.

With PyTorch the tiny one has as many as the real ones, 4 bytes each.
"""
HANGS = ENGINE_CLASS + """
import threading
def hang(*args, **kwargs):
    print('hanging in a load', flush=True)
    threading.Event().wait()
Engine.__init__ = hang
"""
HANGS_IN_A_FRAME = ENGINE_CLASS + """
import threading
def hang(self, batch):
    print('hanging in a frame', flush=True)
    threading.Event().wait()
Engine.__call__ = hang
"""

AT_WORK = """
import fcn_seg_ros.ros.node as nodes
import rclpy
def work(self):
    print('at work', flush=True)
    while rclpy.ok():
        pass
nodes.SegmentationNode._watch = work
"""
"""A node whose main thread computes, so that a KeyboardInterrupt stops it at once."""

NEVER_ENDS = """
from contextlib import suppress
import os, threading, time
from types import SimpleNamespace
import fcn_seg_ros.ros.main as main_module
import fcn_seg_ros.ros.node as nodes
import rclpy

def hang(self):
    while True:
        with suppress(KeyboardInterrupt):
            while not sleeps:
                time.sleep(0.01)
            print('hanging', flush=True)
            threading.Event().wait()

def sleep(seconds):
    if rclpy.ok():
        sleeps[:] = [seconds]
    else:
        sleeps.append(seconds)
    time.sleep(seconds)

def leave(status):
    os.write(1, f'\\nSLEPT {" ".join(map(str, sleeps))}\\n'.encode())
    end(status)

sleeps, end, os._exit = [], os._exit, leave
main_module.time = SimpleNamespace(sleep=sleep, monotonic=time.monotonic)
nodes.SegmentationNode._watch = hang
"""
"""
A node whose main thread hangs, whatever interrupts it: only the thread that watches can end it.

It says how many seconds that thread slept since it last found the context alive.
"""

BEGINS = """
import fcn_seg_ros.ros.main as main_module
run = main_module._run
def begin(*args):
    print('begun', flush=True)
    return run(*args)
main_module._run = begin
"""
"""A node that says when main() has taken charge: until then Python itself answers signals."""


def change(graph, transition):
    """Ask for a transition; return whether it was made."""
    return graph.call(ChangeState, '/segmentation/change_state', ChangeState.Request(
        transition=Transition(id=transition))).success


def state(graph):
    """Return the id of the node's state."""
    return graph.call(GetState, '/segmentation/get_state', GetState.Request()).current_state.id


def test_round_trips_through_the_services(nodes):
    node = nodes.start(autostart=False, **LARGE)
    graph = nodes.graph
    assert state(graph) == State.PRIMARY_STATE_UNCONFIGURED
    assert not graph.node.count_publishers('/segmentation/class_mask')
    camera = graph.camera()
    masks = graph.listen(Image, '/segmentation/class_mask')
    # What is true of one configured node must be true of the next: publishers, overrides.
    for _ in range(2):
        assert change(graph, Transition.TRANSITION_CONFIGURE)
        assert state(graph) == State.PRIMARY_STATE_INACTIVE
        graph.wait_until(lambda: graph.node.count_publishers('/segmentation/class_mask') == 1,
                         'the outputs')
        assert camera.get_subscription_count() == 0
        for _ in range(2):
            assert change(graph, Transition.TRANSITION_ACTIVATE)
            assert state(graph) == State.PRIMARY_STATE_ACTIVE
            graph.wait_for_subscribers(camera)
            message = image_message(picture())
            graph.wait_until(lambda message=message: (
                camera.publish(message) or graph.spin_for(0.1)
                or any(m.header == message.header for m in masks.messages)), 'a mask')
            assert change(graph, Transition.TRANSITION_DEACTIVATE)
            assert state(graph) == State.PRIMARY_STATE_INACTIVE
            graph.wait_for_subscribers(camera, 0)
        loaded = node.memory()
        assert change(graph, Transition.TRANSITION_CLEANUP)
        assert node.memory() < loaded - LARGE_BYTES
        assert state(graph) == State.PRIMARY_STATE_UNCONFIGURED
        graph.wait_until(lambda: not graph.node.count_publishers('/segmentation/class_mask'),
                         'the end of the outputs')
    assert change(graph, Transition.TRANSITION_CONFIGURE)
    assert change(graph, Transition.TRANSITION_ACTIVATE)
    assert change(graph, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert state(graph) == State.PRIMARY_STATE_FINALIZED
    assert node.process.poll() is None
    assert node.stop()[0] == 0


def configuration_of(graph, **values):
    """Set parameters of an unconfigured node and configure it; return whether both worked."""
    results = graph.call(SetParameters, '/segmentation/set_parameters', SetParameters.Request(
        parameters=parameter_messages(values))).results
    return (all(result.successful for result in results)
            and change(graph, Transition.TRANSITION_CONFIGURE))


def test_configurations_that_cannot_work_say_why_and_can_be_mended(nodes, tmp_path):
    damaged = tmp_path / 'damaged.safetensors'
    damaged.write_bytes(b'\x10\0\0\0\0\0\0\0garbage')
    node = nodes.start(autostart=False)
    for values, reason in (
            ({'network': 'tinny'}, "unknown network 'tinny': did you mean tiny"),
            ({'network': 'fcn-resnet18-voc-320x320'}, 'is not installed: run'),
            ({'network': 'tiny', 'weights': str(damaged)}, 'damaged.safetensors'),
            ({'weights': '', 'device': 'tpu'}, "unknown device 'tpu'"),
            ({'device': 'cpu', 'precision': 'fp16'},
             'precision fp16 needs a GPU' if HAS_TORCH else "fp16' needs the torch engine"),
            ({'precision': 'auto', 'regions': ['a']}, "region 'a' has no rectangle")):
        before = len(node.log)
        assert not configuration_of(nodes.graph, **values)
        lines = node.lines(before)
        assert len(lines) == 1, lines
        assert reason in lines[0]
        assert state(nodes.graph) == State.PRIMARY_STATE_UNCONFIGURED
    assert configuration_of(nodes.graph, **{'regions.a': [0.0, 0.0, 1.0, 1.0]})
    assert state(nodes.graph) == State.PRIMARY_STATE_INACTIVE


def test_starts_that_cannot_work_end_the_process(nodes):
    """Each with a status and one line that says what is wrong."""
    cases = {
        "unknown network 'fcn-resnet19'": {'network': 'fcn-resnet19'},
        'cannot read the weights': {'weights': '/no/such/file.pth'},
        "device 'cuda:7' is not available": {'device': 'cuda:7'},
        'overlay_alpha': {'overlay_alpha': 7.0},
        'max_rate': {'max_rate': 'fast'},
    }
    for reason, params in cases.items():
        node = nodes.start(**params)
        assert node.wait_for_exit() == 1, node.log
        lines = node.lines()
        assert len(lines) == 1, node.log
        assert reason in lines[0]


def profile_without_lease(folder):
    """Write the Fast DDS profile in use with a lease that never runs out; return what names it."""
    names = [name for name in PROFILE_NAMES if name in os.environ]
    text = Path(os.environ[names[0]]).read_text()
    assert text.count('<rtps>') == 1 and '<builtin>' not in text
    path = folder / 'no_lease.xml'
    path.write_text(text.replace('<rtps>', """<rtps>
      <builtin><discovery_config>
        <leaseDuration><sec>DURATION_INFINITY</sec></leaseDuration>
      </discovery_config></builtin>"""))
    return dict.fromkeys(names, str(path))


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_process_whatever_it_does(nodes, tmp_path, monkeypatch, number):
    graph = nodes.graph
    # One after the other: three that start at once would take each other's time.
    loading = nodes.start(name='loading', prelude=HANGS)
    loading.wait_for_log('hanging in a load')
    working = nodes.start(name='working', prelude=HANGS_IN_A_FRAME)
    working.wait_for_log('waiting for images')
    for name, value in profile_without_lease(tmp_path).items():
        monkeypatch.setenv(name, value)
    busy = nodes.start(name='busy', prelude=PATIENT)
    monkeypatch.undo()
    busy.wait_for_log('waiting for images')
    masks = graph.listen(Image, '/busy/overlay')
    graph.listen(Image, '/working/class_mask')
    camera = graph.camera()
    graph.wait_for_subscribers(camera, 2)
    graph.wait_until(lambda: camera.publish(image_message(picture())) or graph.spin_for(0.01)
                     or ('hanging in a frame' in working.log and len(masks.messages) > 20),
                     'frames in work')
    assert graph.node.count_publishers('/busy/overlay')
    for node in (busy, loading, working):
        # Two of them hang for ever, so that any end is the node's doing; the test below is about
        # how long that may take.
        assert node.stop(number)[0] == 0, node.log
        assert 'Traceback' not in node.log
        if node is busy:
            # It took its leave: nothing else removes it, since its lease never runs out.
            graph.wait_until(lambda: not graph.node.count_publishers('/busy/overlay'),
                             'the end of the outputs')
            assert 'XMLPARSER' not in busy.log, 'the profile is not in use'


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_end_is_forced_in_under_two_seconds(nodes, number):
    """By what the node sets itself, and not by a clock: a busy machine makes all of it longer."""
    node = nodes.start(prelude=NEVER_ENDS, autostart=False)
    node.wait_for_log('hanging')
    assert node.stop(number)[0] == 0, node.log
    assert 'Traceback' not in node.log
    # One look that still found the context alive, and all that was slept from then on.
    look, *later = map(float, re.search(r'SLEPT ([\d. ]+)', node.log)[1].split())
    assert later
    assert look + sum(later) < 2
    # A frame or a load that hangs leaves time to take leave of the graph.
    assert 2 * node_module._END_TIMEOUT < main._GRACE


@pytest.mark.parametrize('count', [1, 2])
def test_rclpy_is_done_with_a_signal_before_the_executor_goes(nodes, tmp_path, monkeypatch, count):
    """Its thread for signals would trigger what is gone: SIGSEGV, once in some thousand ends."""
    monkeypatch.setenv('LD_PRELOAD', str(build_slow_trigger(tmp_path)))
    node = nodes.start(prelude=AT_WORK, autostart=False)
    monkeypatch.undo()
    node.wait_for_log('at work')
    for _ in range(count - 1):
        node.process.send_signal(signal.SIGINT)
    assert node.stop()[0] == 0
    assert 'Traceback' not in node.log


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_node_leaves_no_shared_memory_behind(nodes, number):
    """Fast DDS removes its segments only when the participant is destroyed."""
    graph = nodes.graph
    own = segments(os.getpid())
    node = nodes.start(prelude=PATIENT)
    masks = graph.listen(Image, '/segmentation/class_mask')
    camera = graph.camera()
    graph.wait_until(lambda: camera.publish(image_message(picture())) or graph.spin_for(0.01)
                     or len(masks.messages) > 5, 'masks')
    files = segments(node.process.pid) - own
    assert files and all(Path(file).exists() for file in files)
    assert node.stop(number)[0] == 0
    assert not [file for file in files if Path(file).exists()]


@pytest.mark.parametrize(('delay', 'number'), [
    *((delay, signal.SIGINT) for delay in (0.0, 0.1, 0.5, 1.0, 2.0)),
    (0.0, signal.SIGTERM), (0.3, signal.SIGTERM), (1.0, signal.SIGTERM)])
def test_signals_during_the_start(nodes, delay, number):
    """Whatever the process is importing or setting up: no traceback."""
    node = nodes.start(prelude=BEGINS)
    node.wait_for_log('begun')
    time.sleep(delay)  # some moment, not a synchronisation
    assert node.stop(number)[0] == 0, node.log
    assert 'Traceback' not in node.log
