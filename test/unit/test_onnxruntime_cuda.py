"""ONNX Runtime's CUDA provider, with a stand-in that refuses what the real one does not know."""

from types import SimpleNamespace

from fcn_seg_ros.inference.devices import Device
from fcn_seg_ros.inference.engines import onnxruntime_engine as module
from fcn_seg_ros.inference.interface import EngineRequest
from fcn_seg_ros.support.arrays import Size
import numpy as np
import pytest
import torch

OPTIONS = {'device_id', 'user_compute_stream'}
SIZE = Size(48, 64)


class Stream:
    """A stream of CUDA's, which notes what it waits for."""

    def __init__(self, log, name, address):
        self.log, self.name, self.cuda_stream = log, name, address

    def wait_stream(self, other):
        self.log.append((self.name, 'waits for', other.name))


class Binding:
    """Where a run reads and writes."""

    def __init__(self):
        self.bound = {}

    def _bind(self, name, device_type, device_id, element_type, shape, buffer_ptr):
        assert (device_type, device_id, element_type) == ('cuda', 1, np.float32)
        self.bound[name] = shape, buffer_ptr

    bind_input = bind_output = _bind


class Session:
    """A loaded network of five classes at stride 8."""

    def __init__(self, log, fixed, providers, arguments):
        assert set(arguments[0]) <= OPTIONS
        self.log, self._fixed, self._providers, self.arguments = log, fixed, providers, arguments

    def get_providers(self):
        return [*self._providers, 'CPUExecutionProvider']

    def get_inputs(self):
        return [SimpleNamespace(name='in', shape=[1 if self._fixed else 'N', 3, *SIZE])]

    def get_outputs(self):
        return [SimpleNamespace(name='out', shape=[1 if self._fixed else 'N', 5, 6, 8])]

    def io_binding(self):
        return Binding()

    def run_with_iobinding(self, iobinding, run_options=None):
        self.log.append(('run', iobinding.bound, run_options.entries))


class RunOptions:
    """How a run goes."""

    def __init__(self):
        self.entries = {}

    def add_run_config_entry(self, key, value):
        self.entries[key] = value


@pytest.fixture
def ort(monkeypatch):
    """Put the stand-in in the place of ONNX Runtime, and two streams in that of CUDA's."""
    log = []
    stand_in = SimpleNamespace(
        log=log, fixed=False, sessions=[], __version__='1.22',
        SessionOptions=module.ort.SessionOptions, RunOptions=RunOptions,
        get_available_providers=lambda: ['CUDAExecutionProvider', 'CPUExecutionProvider'])

    def session(path, options, providers, arguments, enable_fallback):
        stand_in.sessions.append(Session(log, stand_in.fixed, providers, arguments))
        return stand_in.sessions[-1]

    stand_in.InferenceSession = session
    monkeypatch.setattr(module, 'ort', stand_in)
    current = Stream(log, "PyTorch's", 0)
    monkeypatch.setattr(torch.cuda, 'Stream', lambda device: Stream(log, 'own', 4711))
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda device: current)
    return stand_in


def make():
    """Return the engine, for the second GPU."""
    return module.create(EngineRequest(
        load_model=lambda: None, size=SIZE, num_classes=5, device=Device('cuda', 1),
        weights='network.onnx'))


def test_it_runs_on_a_stream_of_ours_and_the_processor_never_waits(ort):
    engine = make()
    assert ort.sessions[0].arguments == [{'device_id': 1, 'user_compute_stream': '4711'}]
    assert engine.prefers_batches and not engine.recordable
    batch = torch.zeros(2, 3, *SIZE)
    scores = engine.forward(batch)
    assert scores.shape == (2, 5, 6, 8)
    assert ort.log == [
        ('own', 'waits for', "PyTorch's"),
        ('run', {'in': ((2, 3, *SIZE), batch.data_ptr()),
                 'out': ((2, 5, 6, 8), scores.data_ptr())},
         {'disable_synchronize_execution_providers': '1'}),
        ("PyTorch's", 'waits for', 'own')]


def test_a_graph_for_one_picture_runs_once_for_each(ort):
    ort.fixed = True
    engine = make()
    assert not engine.prefers_batches
    assert engine(torch.zeros(3, 3, *SIZE)).shape == (3, 5, 6, 8)
    assert [what[0] for what in ort.log].count('run') == 3
