"""The core's front door, with a small network of random weights."""

from contextlib import nullcontext
import logging

from fcn_seg_ros import FcnSegError, Segmenter, segmenter as module
from fcn_seg_ros.errors import DeviceError, ImageError, WeightsError
from fcn_seg_ros.inference.cuda import backend as backend_module
from fcn_seg_ros.inference.cuda.backend import CudaBackend
from fcn_seg_ros.inference.cuda.operators import TorchOperators
from fcn_seg_ros.inference.devices import Device
from fcn_seg_ros.inference.engines import torch_engine
from fcn_seg_ros.inference.preprocess import Preprocessor
from fcn_seg_ros.networks import weights
from fcn_seg_ros.networks.model import FCNResNet18
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.networks.weights import load_network
import numpy as np
import pytest
from tiny_network import COLORS, HEIGHT, LABELS, tiny_models_dir, WIDTH
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torchvision.transforms import v2


def picture(height=90, width=120, seed=3):
    """Return smooth random colours, uint8 H x W x 3."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    resized = v2.functional.resize(torch.from_numpy(small).permute(2, 0, 1), [height, width])
    return resized.permute(1, 2, 0).contiguous().numpy()


def make_model():
    """Return the tiny network's (model, classes)."""
    registry = Registry.load(tiny_models_dir())
    network = registry.get('tiny')
    return load_network(network, registry.find_weights(network))


@pytest.fixture(scope='module')
def make():
    return lambda **kwargs: Segmenter(
        'tiny', models_dir=tiny_models_dir(), **{
            'engine': 'torch', 'device': 'cpu', 'precision': 'fp32', **kwargs})


@pytest.fixture(scope='module')
def segmenter(make):
    return make()


def test_result_is_consistent(segmenter):
    image = picture()
    result = segmenter(image)
    assert result.class_mask.shape == result.confidence.shape == (90, 120)
    assert result.class_mask.max() < len(LABELS)
    colors = np.array(COLORS, np.uint8)
    assert np.array_equal(result.color_mask, colors[result.class_mask])
    expected = 0.25 * colors[result.class_mask] + 0.75 * image
    assert np.abs(result.overlay(0.25).astype(float) - expected).max() <= 1
    shares = [np.mean(result.class_mask == i) for i in range(len(LABELS))]
    assert list(result.fractions) == list(LABELS)
    assert list(result.fractions.values()) == pytest.approx(shares)
    assert sum(result.fractions.values()) + result.unknown == pytest.approx(1)


def test_equals_the_model_by_hand(segmenter):
    image = picture(HEIGHT, WIDTH)
    model, _ = make_model()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in
                 (segmenter.network.mean, segmenter.network.std))
    batch = ((torch.from_numpy(image).permute(2, 0, 1) / 255 - mean) / std)[None]
    with torch.no_grad():
        scores = torch.nn.functional.interpolate(
            model(batch), size=(HEIGHT, WIDTH), mode='bilinear', align_corners=False)[0]
    top = scores.topk(2, dim=0).values
    decided = (top[0] - top[1] > 1e-3).numpy()
    assert decided.mean() > 0.9
    mask = segmenter(image).class_mask
    assert np.array_equal(mask[decided], scores.argmax(dim=0).numpy()[decided])


@pytest.mark.parametrize('size', [(48, 64), (480, 640), (33, 21), (720, 1280)])
def test_pictures_are_stretched_as_in_training(size):
    image = picture(*size)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    trained = v2.Compose([
        v2.Resize((HEIGHT, WIDTH), antialias=True), v2.ToDtype(torch.float32, scale=True),
        v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])(tensor)
    batch = Preprocessor((HEIGHT, WIDTH), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))([image])
    assert (batch[0] - trained).abs().max() < 1e-5


def test_views_with_any_strides(segmenter):
    image = picture()
    mask = segmenter(image).class_mask
    padded = np.zeros((90, 150, 3), np.uint8)
    padded[:, :120] = image
    backwards = np.ascontiguousarray(image[..., ::-1])[..., ::-1]
    fixed = image.copy()
    fixed.flags.writeable = False
    for view in (padded[:, :120], backwards, fixed):
        assert np.array_equal(segmenter(view).class_mask, mask)


@pytest.mark.parametrize('engine', ['torch', 'onnxruntime'])
def test_batch_equals_one_by_one(make, engine):
    if engine == 'onnxruntime':
        pytest.importorskip('onnxruntime')
    segmenter = make(engine=engine)
    images = [picture(60, 80, 1), picture(90, 120, 2), picture(48, 64, 3)]
    for image, result in zip(images, segmenter.segment(images)):
        alone = segmenter(image)
        assert result.class_mask.shape == image.shape[:2]
        assert np.mean(result.class_mask == alone.class_mask) > 0.999


def test_engines_agree(make):
    pytest.importorskip('onnxruntime')
    image = picture()
    masks = [make(engine=engine)(image).class_mask for engine in ('torch', 'onnxruntime')]
    assert np.mean(masks[0] == masks[1]) > 0.999


def test_mask_size(segmenter):
    image = picture()
    assert segmenter(image, (30, 50)).class_mask.shape == (30, 50)
    assert segmenter(image, (30, 50)).overlay().shape == (30, 50, 3)
    assert segmenter(image, 'network').class_mask.shape == (HEIGHT, WIDTH)


def test_ignored_classes_never_appear(make, caplog):
    image = picture()
    usual = make()(image)
    most = max(usual.fractions, key=usual.fractions.get)
    with caplog.at_level(logging.WARNING):
        segmenter = make(ignore_classes=['void', most, 'unicorn'])
    result = segmenter(image)
    assert result.fractions[most] == 0
    assert result.class_mask.max() < 255
    warning, = [record.message for record in caplog.records
                if record.message.startswith('ignore_classes')]
    assert 'unicorn' in warning and 'void' not in warning


def test_low_confidence_becomes_unknown_and_stays_uncoloured(make):
    image = picture()
    confidence = make()(image).confidence
    threshold = float(np.median(confidence)) / 255
    result = make(min_confidence=threshold)(image)
    unknown = result.class_mask == 255
    assert 0.2 < unknown.mean() < 0.8
    assert result.unknown == pytest.approx(unknown.mean())
    assert sum(result.fractions.values()) + result.unknown == pytest.approx(1)
    assert not result.color_mask[unknown].any()
    assert np.array_equal(result.overlay(0.7)[unknown], image[unknown])
    assert confidence[unknown].max() <= threshold * 255 + 1


def test_configure_changes_the_next_picture(make):
    segmenter = make()
    image = picture()
    segmenter.configure(min_confidence=1.0)
    assert segmenter(image).unknown > 0.9
    segmenter.configure(min_confidence=0.0)
    assert segmenter(image).unknown == 0


@pytest.mark.parametrize('bad', [
    np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8),
    np.zeros((4, 4, 3), np.float32)])
def test_other_arrays_are_refused(segmenter, bad):
    with pytest.raises(ImageError):
        segmenter(bad)


@pytest.mark.parametrize('options, words', [
    ({'network': 'nothing-like-it'}, 'unknown network'),
    ({'network': 'fcn-resnet18-voc'}, 'fcn-seg fetch fcn-resnet18-voc-320x320'),
    ({'device': 'tpu'}, 'auto, cpu, cuda or cuda:N'),
    ({'device': 'cuda:99'}, "'cuda:99' is not available"),
    ({'engine': 'magic'}, 'auto, torch, tensorrt, onnxruntime'),
    ({'precision': 'fp8'}, 'unknown precision'),
    ({'precision': 'fp16'}, 'needs a GPU'),
    ({'weights': '/nowhere/model.safetensors'}, 'cannot read'),
    ({'ignore_classes': LABELS}, 'leaves no class'),
])
def test_what_cannot_work_says_so_in_one_line(options, words):
    options = {'network': 'tiny', 'device': 'cpu', 'engine': 'torch', **options}
    with pytest.raises(FcnSegError, match=words) as caught:
        Segmenter(models_dir=tiny_models_dir(), **options)
    assert '\n' not in str(caught.value)
    assert isinstance(caught.value, (FcnSegError, WeightsError, DeviceError))


def to_fake_gpu(model, device, dtype, memory_format):
    """Do what Module.to does, which cannot swap fake tensors in place."""
    for part in model.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            layout = {'memory_format': memory_format} if parameter.dim() == 4 else {}
            setattr(part, name, torch.nn.Parameter(
                parameter.to(device, dtype, **layout), requires_grad=False))
    assert not list(model.buffers())
    return model


@pytest.mark.parametrize(('precision', 'decoder'), [
    ('auto', 'fcn8s'), ('fp32', 'fcn8s'), ('fp16', 'ladder4'), ('bf16', 'ladder2')])
def test_cuda_path_with_a_fake_gpu(make, monkeypatch, precision, decoder):
    """Every tensor on the right device, with the right dtype and shape; graphs need a GPU."""
    monkeypatch.setattr(module, 'resolve_device', lambda name: Device('cuda', 0))
    monkeypatch.setattr(torch_engine.TorchEngine, 'recordable', False)
    monkeypatch.setattr(torch.cuda, 'device', lambda device: nullcontext())
    monkeypatch.setattr(backend_module, 'find_operators', lambda device: TorchOperators())
    monkeypatch.setattr(torch.nn.Module, 'to', to_fake_gpu)
    _, classes = make_model()
    images, sizes = [picture(), picture(48, 64)], [(90, 120), (30, 40)]
    with FakeTensorMode(allow_non_fake_inputs=True), torch.inference_mode():
        model = FCNResNet18(len(LABELS), decoder).eval()
        monkeypatch.setattr(weights, 'load_network', lambda network, path: (model, classes))
        segmenter = make(device='cuda', precision=precision, min_confidence=0.2,
                         ignore_classes=['void', 'sky'])
        assert segmenter.engine.precision == ('fp16' if precision == 'auto' else precision)
        backend, kept = segmenter.backend, [0, 2]
        assert isinstance(backend, CudaBackend)
        batch = backend.preprocess(images)
        assert batch.device.type == 'cuda'
        assert batch.shape == (2, 3, HEIGHT, WIDTH)
        for scores, size in zip(segmenter.engine(batch), sizes):
            for tensor in backend.classify(scores, size, kept, min_confidence=0.2):
                assert tensor.device.type == 'cuda'
        plan = backend.plan([image.shape for image in images], sizes, kept, min_confidence=0.2,
                            want_scores=True)
        plan.start()
        assert plan.scores.dtype == segmenter.engine.dtype
        assert plan.scores.shape[:2] == (2, len(LABELS))
        for mask, size in zip(plan.masks, sizes):
            assert mask.device.type == 'cpu'
            assert mask.dtype == torch.uint8
            assert mask.shape == (2, *size)
