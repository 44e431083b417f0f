"""The TensorRT engine, with a stand-in for TensorRT that records what it is asked for."""

import json
import logging
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

from fcn_seg_ros.errors import DeviceError
from fcn_seg_ros.inference.devices import CPU, Device
from fcn_seg_ros.inference.engines import tensorrt_engine as module
from fcn_seg_ros.inference.engines.tensorrt_engine import TensorRtEngine
from fcn_seg_ros.inference.interface import EngineRequest
from fcn_seg_ros.networks.model import FCNResNet18
from fcn_seg_ros.support.arrays import Size
import onnx
import pytest
import torch

STAND_INS = Path(__file__).with_name('stand_ins')
SIZE = Size(64, 96)
GPU = Device('cuda', 0)


@pytest.fixture
def tensorrt(monkeypatch, tmp_path):
    """Put the stand-in in the place of TensorRT, and a GPU in that of none; return its log."""
    log = tmp_path / 'log.jsonl'
    log.touch()
    monkeypatch.setenv('TENSORRT_LOG', str(log))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(STAND_INS), *sys.path]))
    monkeypatch.syspath_prepend(str(STAND_INS))
    monkeypatch.delitem(sys.modules, 'tensorrt', raising=False)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda device: 'Orin (nvgpu)')
    monkeypatch.setattr(torch.cuda, 'device', lambda device: torch.no_grad())
    monkeypatch.setattr(torch.cuda, 'current_stream',
                        lambda device: SimpleNamespace(cuda_stream=1234))
    yield lambda: [json.loads(line) for line in log.read_text().splitlines()]
    sys.modules.pop('tensorrt', None)


def model(seed=0):
    """Return a network."""
    torch.manual_seed(seed)
    return FCNResNet18(5, 'ladder2').eval()


def make(network=None, device=GPU, **options):
    """Return the engine."""
    network = network or model()
    return TensorRtEngine(EngineRequest(load_model=lambda: network, size=SIZE, num_classes=5,
                                        device=device, **options))


def test_an_engine_is_built_once_and_kept(tensorrt, tmp_path):
    engine = make()
    assert (engine.name, engine.precision) == ('tensorrt', 'fp16')
    names = [what[0] for what in tensorrt()]
    assert names == ['network', 'workspace', 'timings', 'build']
    assert tensorrt()[0] == ['network', 2, '0']  # strongly typed, on that GPU alone
    files = sorted(path.name for path in (tmp_path / 'cache/fcn_seg_ros/tensorrt').iterdir())
    assert [name.rpartition('Orin-')[2] for name in files] == [
        'nvgpu-10.3.0.plan', 'nvgpu-10.3.0.timings']
    make()
    assert len(tensorrt()) == 4
    # Other weights and another precision are other engines, and know the timings.
    make(model(seed=1))
    make(precision='fp32')
    assert [what[1] for what in tensorrt() if what[0] == 'timings'] == ['', *['measured'] * 2]


def test_timings_of_another_version_are_left(tensorrt, tmp_path):
    folder = tmp_path / 'cache/fcn_seg_ros/tensorrt'
    folder.mkdir(parents=True)
    timings = folder / 'Orin-nvgpu-10.3.0.timings'
    timings.write_bytes(b'of another version')
    make()
    assert [what[1] for what in tensorrt() if what[0] == 'timings'] == ['of another version', '']
    assert timings.read_bytes() == b'measured'


def test_the_graph_is_in_the_precision_that_is_asked_for(tensorrt, monkeypatch):
    graphs = []
    real = module.export

    def export(network, size, path, **options):
        real(network, size, path, **options)
        graphs.append(onnx.load(path))

    monkeypatch.setattr(module, 'export', export)
    network = model()
    make(network)
    make(network, precision='fp32')
    for graph, kind in zip(graphs, (onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT)):
        tensor = graph.graph.input[0].type.tensor_type
        assert tensor.elem_type == kind
        assert [dim.dim_value for dim in tensor.shape.dim] == [1, 3, *SIZE]
    assert next(network.parameters()).dtype == torch.float32  # still fit for another engine


def test_it_runs_on_the_tensors_and_the_stream_of_torch(tensorrt):
    engine = make()
    engine._gpu = torch.device('cpu')
    batch = torch.zeros(2, 3, *SIZE, dtype=torch.float16)
    scores = engine.forward(batch)
    assert scores.shape == (2, 5, 32, 48)
    assert scores.dtype == torch.float16
    runs = [what[1:] for what in tensorrt() if what[0] == 'run']
    assert runs == [[{'input_0': batch[i].data_ptr(), 'output_0': scores[i].data_ptr()}, 1234]
                    for i in range(2)]


def test_a_refused_run_is_an_error(tensorrt, monkeypatch):
    engine = make()
    engine._gpu = torch.device('cpu')
    monkeypatch.setenv('TENSORRT_TROUBLE', 'run')
    with pytest.raises(RuntimeError, match='TensorRT'):
        engine.forward(torch.zeros(1, 3, *SIZE, dtype=torch.float16))


@pytest.mark.parametrize(('trouble', 'words'), [
    ('parse', 'unsupported operator'), ('build', 'has built no engine')])
def test_what_cannot_be_built_is_said_in_one_line(tensorrt, tmp_path, monkeypatch, trouble, words):
    monkeypatch.setenv('TENSORRT_TROUBLE', trouble)
    with pytest.raises(DeviceError, match=words) as caught:
        make()
    assert '\n' not in str(caught.value)
    assert not list((tmp_path / 'cache/fcn_seg_ros/tensorrt').iterdir())


def test_a_damaged_plan_is_removed(tensorrt, tmp_path):
    make()
    plan, = (tmp_path / 'cache/fcn_seg_ros/tensorrt').glob('*.plan')
    plan.write_bytes(b'half')
    with pytest.raises(DeviceError, match='damaged'):
        make()
    assert not plan.exists()
    make()


class StopError(Exception):
    """The caller gives up."""


def test_building_is_told_of_and_can_be_broken_off(tensorrt, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv('TENSORRT_TROUBLE', 'endless')
    monkeypatch.setattr(module, '_LOG_PERIOD', 0.2)
    caplog.set_level(logging.INFO)

    def on_wait():
        builds = [what for what in tensorrt() if what[0] == 'build']
        if builds and sum('still building' in line for line in caplog.messages) >= 2:
            raise StopError

    with pytest.raises(StopError):
        make(on_wait=on_wait)
    (_, process), = (what for what in tensorrt() if what[0] == 'build')
    assert not Path(f'/proc/{process}').exists()
    assert not list((tmp_path / 'cache/fcn_seg_ros/tensorrt').iterdir())


SCRIPT = """
import torch
torch.cuda.get_device_name = lambda device: 'Orin'
from fcn_seg_ros.inference.engines.tensorrt_engine import TensorRtEngine
from fcn_seg_ros.inference.devices import Device
from fcn_seg_ros.inference.interface import EngineRequest
from fcn_seg_ros.networks.model import FCNResNet18
from fcn_seg_ros.support.arrays import Size
TensorRtEngine(EngineRequest(
    load_model=lambda: FCNResNet18(5, 'fcn32s').eval(), size=Size(64, 96), num_classes=5,
    device=Device('cuda', 0)))
"""


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGKILL])
def test_the_builder_ends_with_the_process_that_waits_for_it(tensorrt, monkeypatch, how):
    monkeypatch.setenv('TENSORRT_TROUBLE', 'endless')
    process = subprocess.Popen([sys.executable, '-c', SCRIPT], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: any(what[0] == 'build' for what in tensorrt()))
        process.send_signal(how)
        process.wait(30)
    finally:
        process.kill()
    (_, builder), = (what for what in tensorrt() if what[0] == 'build')
    wait_for(lambda: not runs(builder))


def test_what_a_killed_process_has_left_is_removed_and_no_more(tensorrt, tmp_path, monkeypatch):
    folder = tmp_path / 'cache/fcn_seg_ros/tensorrt'
    monkeypatch.setenv('TENSORRT_TROUBLE', 'endless')
    processes = []
    try:
        for count in (1, 2):
            processes.append(subprocess.Popen([sys.executable, '-c', SCRIPT],
                                              stderr=subprocess.DEVNULL))
            wait_for(lambda count=count: sum(what[0] == 'build' for what in tensorrt()) == count)
        killed, living = processes
        killed.kill()
        killed.wait(30)
        assert len(list(folder.glob('.build-*'))) == 2
        monkeypatch.delenv('TENSORRT_TROUBLE')
        make()
        left, = folder.glob('.build-*')
        assert (left / 'network.onnx').exists()
        living.send_signal(signal.SIGINT)
        living.wait(30)
        assert not list(folder.glob('.build-*'))
    finally:
        for process in processes:
            process.kill()


def runs(process):
    """Tell whether a process lives; one that waits to be collected does not."""
    try:
        return Path(f'/proc/{process}/stat').read_text().rpartition(') ')[2][0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition, timeout=60):
    """Wait until a condition holds."""
    pause, end = threading.Event(), time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        pause.wait(0.05)


def test_without_tensorrt_the_error_says_where_it_comes_from(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tensorrt', None)
    with pytest.raises(DeviceError, match='JetPack brings it'):
        make()


@pytest.mark.parametrize(('options', 'words'), [
    ({'device': CPU}, 'needs an NVIDIA GPU'),
    ({'precision': 'int8'}, 'use fp16 or fp32')])
def test_what_it_cannot_do(options, words):
    with pytest.raises(DeviceError, match=words):
        make(**options)
