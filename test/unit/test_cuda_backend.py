"""
The way of a frame over a GPU, without one.

Fake tensors check devices, types and shapes and count what is launched and moved; the same
code runs on the CPU to compare its masks; a stand-in for CUDA's graphs records what is asked.
"""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

from cuda_cost import Cost
from fcn_seg_ros.inference.backends import backend_around
from fcn_seg_ros.inference.cuda import backend as module, capture
from fcn_seg_ros.inference.cuda.backend import CudaBackend
from fcn_seg_ros.inference.cuda.operators import TorchOperators
from fcn_seg_ros.inference.devices import CPU, Device
from fcn_seg_ros.inference.engines.torch_engine import TorchEngine
from fcn_seg_ros.inference.postprocess import classify
from fcn_seg_ros.networks.model import FCNResNet18
from fcn_seg_ros.support.arrays import Size
import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
import torch.nn.functional as F

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSES, INPUT = 21, Size(256, 512)


def kernels():
    """Return the operators of Triton."""
    pytest.importorskip('triton', reason='Triton comes with CUDA builds of PyTorch only')
    from fcn_seg_ros.inference.cuda import kernels
    return kernels


class Gpu:
    """Stands in for torch.cuda: a GPU that is not there does nothing, on the CPU."""

    def __init__(self, monkeypatch):
        self.log = []
        stream = SimpleNamespace(
            synchronize=lambda: self.log.append('synchronize'), wait_stream=lambda other: None)
        for name, value in {
                'device': lambda device: nullcontext(), 'Stream': lambda device: stream,
                'stream': lambda stream: nullcontext(), 'current_stream': lambda device: stream,
                'graph': self._graph, 'graph_pool_handle': lambda: 'pool',
                'CUDAGraph': lambda: SimpleNamespace(
                    replay=lambda: self.log.append('replay'))}.items():
            monkeypatch.setattr(torch.cuda, name, value)
        monkeypatch.setattr(module, 'pinned',
                            lambda shape: torch.empty(tuple(shape), dtype=torch.uint8))

    @contextmanager
    def _graph(self, graph, **options):
        assert capture._capturing.locked()
        self.log.append({name: options[name] for name in ('pool', 'capture_error_mode')})
        assert options['stream'] is not None
        yield
        self.log.append('captured')


@pytest.fixture
def gpu(monkeypatch):
    """Let the CPU take the GPU's part."""
    return Gpu(monkeypatch)


def network(batch):
    """Return scores at stride 8 that depend on the picture, five classes."""
    cells = F.avg_pool2d(batch.float(), 8)
    return torch.cat([cells, -cells[:, :2]], dim=1)


def make(*, forward=network, device=CPU, recordable=False, dtype=torch.float32, **options):
    """Return a backend, on the CPU unless told otherwise."""
    engine = SimpleNamespace(forward=forward, device=device, recordable=recordable, dtype=dtype)
    return CudaBackend(engine, **{'size': Size(32, 64), 'mean': MEAN, 'std': STD,
                                  'operators': TorchOperators(), **options})


def picture(height=60, width=80, seed=0):
    """Return a picture of coloured blocks."""
    blocks = np.random.default_rng(seed).integers(0, 256, (height // 10, width // 10, 3), np.uint8)
    return np.kron(blocks, np.ones((10, 10, 1), np.uint8))


def expected(image, size, kept, **options):
    """Return class ids and confidence as PyTorch's operators give them one by one."""
    planes = F.interpolate(torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float(),
                           size=(32, 64), mode='bilinear', antialias=True).round() / 255
    batch = (planes - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    return [part.numpy() for part in classify(network(batch)[0], size, torch.tensor(kept),
                                              **options)]


def test_masks_of_several_pictures(gpu):
    images = [picture(), picture(90, 50, seed=1)[:, ::-1]]
    images[0].flags.writeable = False
    sizes, kept = [(60, 80), (17, 33)], [0, 2, 3, 4]
    masks = make()(images, sizes, kept, min_confidence=0.35)
    for image, size, (ids, confidence, scores) in zip(images, sizes, masks):
        assert scores is None
        right_ids, right_confidence = expected(image, size, kept, min_confidence=0.35)
        assert (ids != right_ids).mean() < 0.01
        assert np.abs(confidence.astype(int) - right_confidence).max() <= 1
        assert 1 not in ids
        assert 255 in ids


def test_a_result_outlives_the_next_frame(gpu):
    backend = make()
    first, = backend([picture()], [(60, 80)], range(5))
    kept = first[0].copy()
    backend([picture(seed=5)], [(60, 80)], range(5))
    assert (first[0] == kept).all()
    assert gpu.log == ['synchronize'] * 2


def test_confidence_only_where_it_is_wanted(gpu):
    (ids, confidence, _), = make()([picture()], [(9, 9)], range(5), want_confidence=False)
    assert ids.shape == (9, 9)
    assert confidence is None


def test_scores_are_those_of_the_network(gpu):
    backend = make(recordable=True)
    first, second = backend([picture(), picture(seed=1)], [(9, 9)] * 2, range(5),
                            want_scores=True)
    batch = backend.preprocess([picture(), picture(seed=1)])
    assert np.array_equal([first.scores, second.scores], network(batch).numpy())
    assert 'captured' not in gpu.log


def test_the_steps_one_by_one_give_the_same(gpu):
    backend = make()
    masks, = backend([picture()], [(60, 80)], [0, 2, 3], min_confidence=0.4)
    scores, = network(backend.preprocess([picture()]))
    ids, confidence = backend.classify(scores, (60, 80), [0, 2, 3], min_confidence=0.4)
    assert (ids.numpy() == masks.class_ids).all()
    assert (confidence.numpy() == masks.confidence).all()
    assert backend.classify(scores, (60, 80), [0], want_confidence=False)[1] is None


def test_a_frame_is_recorded_once_and_replayed(gpu):
    backend = make(recordable=True)
    for seed in range(3):
        backend([picture(seed=seed)], [(60, 80)], range(5))
    recorded = [{'pool': 'pool', 'capture_error_mode': 'thread_local'}, 'captured']
    assert gpu.log == recorded + ['replay', 'synchronize'] * 3
    backend([picture()], [(60, 80)], range(5), min_confidence=0.5)  # other settings
    backend([picture(90, 50)], [(60, 80)], range(5))  # another camera
    assert gpu.log.count('captured') == 3


def test_old_plans_give_way(gpu, monkeypatch):
    monkeypatch.setattr(module, '_MOST_PLANS', 2)
    backend = make(recordable=True)
    for width in (50, 60, 50, 70, 50, 60):
        backend([picture(60, width)], [(60, 80)], range(5))
    # 60 was made again: it was the one that had not been used for longest when 70 came.
    assert gpu.log.count('captured') == 4


@pytest.mark.parametrize('use_triton', [True, False])
def test_devices_types_and_shapes_on_a_fake_gpu(monkeypatch, use_triton):
    operators = kernels() if use_triton else TorchOperators()
    monkeypatch.setattr(torch.cuda, 'device', lambda device: nullcontext())
    seen = []

    def forward(batch):
        seen.append((batch.device.type, batch.dtype, tuple(batch.shape),
                     batch.is_contiguous(memory_format=torch.channels_last)))
        return torch.empty(len(batch), CLASSES, 8, 16, dtype=torch.float16, device='cuda')

    with FakeTensorMode(allow_non_fake_inputs=True):
        backend = make(forward=forward, device=Device('cuda', 0), size=INPUT,
                       dtype=torch.float16, operators=operators)
        plan = backend.plan([(720, 1280, 3), (480, 640, 3)], [(720, 1280), (30, 40)],
                            range(CLASSES), min_confidence=0.1, want_confidence=True)
        plan.start()
    assert seen == [('cuda', torch.float16, (2, 3, *INPUT), True)]
    assert [tuple(mask.shape) for mask in plan.masks] == [(2, 720, 1280), (2, 30, 40)]
    assert {mask.device.type for mask in plan.masks} == {'cpu'}


def test_a_frame_is_few_launches_and_moves_little(monkeypatch):
    """At 1280x720 with 21 classes and confidence, all but the network: 12 and 12 MB at most."""
    monkeypatch.setattr(torch.cuda, 'device', lambda device: nullcontext())
    with FakeTensorMode(allow_non_fake_inputs=True):
        scores = torch.empty(1, CLASSES, 8, 16, dtype=torch.float16, device='cuda')
        backend = make(forward=lambda batch: scores, device=Device('cuda', 0), size=INPUT,
                       dtype=torch.float16, operators=kernels())
        plan = backend.plan([(720, 1280, 3)], [(720, 1280)], range(CLASSES),
                            min_confidence=0.0, want_confidence=True)
        with Cost() as cost:
            plan.start()
    assert cost.launches == ['_to_copy', 'preprocess', 'classify', 'copy_']
    assert cost.bytes <= 12e6


def to_fake_gpu(engine):
    """Move an engine to a GPU that is not there, in fp16: fake parameters cannot be moved."""
    model = engine._model
    parameters = {name: torch.empty(tuple(tensor.shape), dtype=torch.float16, device='cuda')
                  for name, tensor in model.state_dict().items()}
    engine.device, engine.dtype = Device('cuda', 0), torch.float16
    engine._model = lambda batch: torch.func.functional_call(model, parameters, (batch,))


@pytest.mark.parametrize('use_triton', [True, False])
def test_the_whole_way_with_the_network_itself(monkeypatch, use_triton):
    """From the pictures to the masks: only CUDA's graphs and streams are stood in for."""
    pinned = module.pinned
    gpu = Gpu(monkeypatch)
    monkeypatch.setattr(module, 'pinned', pinned)
    monkeypatch.setattr(module, 'find_operators',
                        lambda device: kernels() if use_triton else TorchOperators())
    engine = TorchEngine(FCNResNet18(CLASSES, 'ladder2').eval(), device=CPU)
    with FakeTensorMode(allow_non_fake_inputs=True):
        to_fake_gpu(engine)
        backend = backend_around(engine, size=INPUT, mean=MEAN, std=STD)
        assert isinstance(backend, CudaBackend)
        plan = backend.plan([(720, 1280, 3), (480, 640, 3)], [(720, 1280), (30, 40)],
                            range(CLASSES), want_confidence=False)
        assert gpu.log == [{'pool': 'pool', 'capture_error_mode': 'thread_local'}, 'captured']
        with Cost() as cost:
            plan._work()
    assert [tuple(mask.shape) for mask in plan.masks] == [(1, 720, 1280), (1, 30, 40)]
    assert {mask.device.type for mask in plan.masks} == {'cpu'}
    # No batch norm is left of the network, and everything happens on the GPU.
    assert {'convolution', 'relu_'} & set(cost.launches)
    assert not any('batch_norm' in name for name in cost.launches)
    names = ('preprocess', 'classify') if use_triton else ('_upsample_bilinear2d_aa',)
    assert all(cost.launches.count(name) == 2 for name in names), cost.launches
