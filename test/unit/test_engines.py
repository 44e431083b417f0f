"""Which engine is chosen and what it falls back to, with a small network."""

import logging
import os
import shutil
import subprocess
import sys

import cv2
from fcn_seg_ros import Segmenter
from fcn_seg_ros.cli.main import main
from fcn_seg_ros.errors import DeviceError
from fcn_seg_ros.inference import engines
from fcn_seg_ros.inference.devices import Device
from fcn_seg_ros.inference.engines.torch_engine import TorchEngine
from fcn_seg_ros.networks.model import FCNResNet18
import numpy as np
import pytest
from tiny_network import LABELS, tiny_models_dir
import torch

SIZE = (64, 96)
CPU = torch.device('cpu')


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Return a cache folder of the test's own."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def make_model():
    torch.manual_seed(3)
    return FCNResNet18(len(LABELS), 'fcn8s').eval()


def create(**options):
    return engines.create_engine(make_model(), size=SIZE, device=CPU, **options)


def scores_of(engine):
    return engine(torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(('bf16', 'installed', 'options', 'expected', 'why'), [
    (True, True, {}, ('torch', 'bf16'), 'computes in bf16'),
    (True, True, {'engine': 'torch'}, ('torch', 'bf16'), ''),
    (True, True, {'precision': 'fp32'}, ('onnxruntime', 'fp32'), 'the fastest on this CPU'),
    (False, True, {}, ('onnxruntime', 'fp32'), 'the fastest on this CPU'),
    (False, False, {}, ('torch', 'fp32'), 'is not installed'),
    (False, True, {'precision': 'bf16'}, ('torch', 'bf16'), 'the only one with bf16'),
])
def test_auto_takes_the_fastest_and_says_why(monkeypatch, caplog, bf16, installed, options,
                                             expected, why):
    pytest.importorskip('onnxruntime')
    monkeypatch.setattr(engines, 'computes_bf16', lambda: bf16)
    if not installed:
        monkeypatch.setattr(engines, 'find_spec', lambda name: None)
    with caplog.at_level(logging.INFO):
        engine = create(**options)
    assert (engine.name, engine.precision) == expected
    chosen = [record.message for record in caplog.records if 'is chosen' in record.message]
    assert len(chosen) == bool(why)
    assert why in ''.join(chosen)
    assert not engine.prefers_batches


def test_bf16_is_near_enough():
    exact, rounded = (scores_of(create(engine='torch', precision=p)) for p in ('fp32', 'bf16'))
    assert (exact.argmax(1) == rounded.argmax(1)).float().mean() > 0.97
    assert 0 < (exact - rounded).abs().max() < 0.05 * exact.abs().max()


def test_a_provider_that_does_not_start_is_warned_about(monkeypatch, caplog):
    ort = pytest.importorskip('onnxruntime')
    # The wheel claims to have it, and then leaves it out silently.
    monkeypatch.setattr(ort, 'get_available_providers',
                        lambda: ['OpenVINOExecutionProvider', 'CPUExecutionProvider'])
    with pytest.warns(UserWarning):
        engine = create(engine='onnxruntime')
    assert engine.detail.startswith('CPU provider')
    warning, = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert 'OpenVINO provider cannot be started' in warning
    assert 'CPU is used instead' in warning


def test_a_provider_that_fails_is_warned_about_with_its_reason(monkeypatch, caplog):
    ort = pytest.importorskip('onnxruntime')
    real = ort.InferenceSession

    def failing(path, options, providers, arguments, **kwargs):
        if providers[0] == 'OpenVINOExecutionProvider':
            raise RuntimeError('no plugin for CPU\nand more lines')
        return real(path, options, providers, arguments, **kwargs)

    monkeypatch.setattr(ort, 'InferenceSession', failing)
    monkeypatch.setattr(ort, 'get_available_providers',
                        lambda: ['OpenVINOExecutionProvider', 'CPUExecutionProvider'])
    assert create(engine='onnxruntime').detail.startswith('CPU provider')
    assert '(no plugin for CPU): CPU is used instead' in caplog.text


def test_no_provider_at_all_falls_back_to_torch_on_auto_only(monkeypatch, caplog):
    ort = pytest.importorskip('onnxruntime')
    monkeypatch.setattr(ort, 'get_available_providers', lambda: ['CUDAExecutionProvider'])
    assert create(precision='fp32').name == 'torch'
    assert 'falling back to torch' in caplog.text
    with pytest.raises(DeviceError, match='no provider for cpu'):
        create(engine='onnxruntime')


@pytest.mark.parametrize('keep', [0, 1000, 0.5])
def test_half_a_cached_file_is_exported_again(cache, caplog, keep):
    pytest.importorskip('onnxruntime')
    expected = scores_of(create(engine='onnxruntime'))
    path, = cache.rglob('*.onnx')
    whole = path.stat().st_size
    os.truncate(path, int(keep * whole) if isinstance(keep, float) else keep)
    engine = create(engine='onnxruntime')
    assert torch.equal(scores_of(engine), expected)
    assert 'exporting the network again' in caplog.text
    assert [p.stat().st_size for p in cache.rglob('*.onnx*')] == [whole]


def test_a_provider_that_is_missing_leaves_the_cache_alone(cache, monkeypatch):
    ort = pytest.importorskip('onnxruntime')
    create(engine='onnxruntime')
    path, = cache.rglob('*.onnx')
    before = path.stat().st_mtime_ns
    monkeypatch.setattr(ort, 'get_available_providers', list)
    with pytest.raises(DeviceError):
        create(engine='onnxruntime')
    assert path.stat().st_mtime_ns == before


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """Return the folder of an export with an int8 graph."""
    pytest.importorskip('onnxruntime')
    base = tmp_path_factory.mktemp('int8')
    (base / 'pictures').mkdir()
    rng = np.random.default_rng(0)
    for index in range(6):
        pixels = cv2.resize(rng.integers(0, 256, (5, 7, 3), np.uint8), (128, 96))
        cv2.imwrite(str(base / 'pictures' / f'{index}.png'), pixels)
    assert main(['export', '--network', 'tiny', '--models-dir', tiny_models_dir(), '--output',
                 str(base / 'tiny8'), '--int8', str(base / 'pictures')]) == 0
    assert {p.name for p in (base / 'tiny8').iterdir()} == {
        'fcn_resnet18.onnx', 'fcn_resnet18.int8.onnx', 'network.yaml', 'classes.txt',
        'colors.txt'}
    return base / 'tiny8'


def test_int8_runs_without_calibration_and_is_near_enough(exported):
    image = cv2.resize(np.random.default_rng(9).integers(0, 256, (5, 7, 3), np.uint8), (128, 96))
    exact = Segmenter(str(exported / 'network.yaml'), device='cpu', precision='fp32')
    quantized = Segmenter(str(exported / 'network.yaml'), device='cpu', precision='int8')
    assert quantized.engine.name == 'onnxruntime'
    assert 'int8' in quantized.engine.detail
    assert np.mean(quantized(image).class_mask == exact(image).class_mask) > 0.9
    batch = torch.randn(1, 3, *exact.input_size)
    assert not torch.equal(quantized.engine(batch), exact.engine(batch))


def copy_of(exported, tmp_path):
    """Return a copy of the folder for a test to change."""
    return shutil.copytree(exported, tmp_path / 'changed')


def change_weights(folder):
    """Change the file, but not what it says."""
    weights = folder / 'fcn_resnet18.onnx'
    weights.write_bytes(weights.read_bytes() + b'\x32\x00')  # an empty domain: as valid as before


@pytest.mark.parametrize(('int8', 'options', 'expected'), [
    (True, {}, 'int8'), (False, {}, 'fp32'), (True, {'precision': 'fp32'}, 'fp32'),
    (True, {'engine': 'onnxruntime'}, 'fp32')])
def test_auto_takes_an_int8_graph_where_the_cpu_computes_in_it(
        exported, monkeypatch, int8, options, expected):
    monkeypatch.setattr(engines, 'computes_int8', lambda: int8)
    monkeypatch.setattr(engines, 'computes_bf16', lambda: False)
    segmenter = Segmenter(str(exported / 'network.yaml'), device='cpu', **options)
    assert (segmenter.engine.name, segmenter.engine.precision) == ('onnxruntime', expected)


@pytest.mark.parametrize(('flags', 'int8', 'bf16'), [
    ('fpu sse4_2 avx', False, False), ('fpu avx avx2', True, False),
    ('fpu avx2 avx_vnni', True, False), ('fpu avx2 avx512_vnni avx512_bf16', True, True),
    ('fp asimd asimddp i8mm', False, False)])
def test_what_a_cpu_computes_in(monkeypatch, flags, int8, bf16):
    monkeypatch.setattr(engines, '_cpu_flags', lambda: set(flags.split()))
    assert (engines.computes_int8(), engines.computes_bf16()) == (int8, bf16)


def test_without_pytorch_auto_takes_the_int8_graph(exported, monkeypatch, caplog):
    found = engines.find_spec
    monkeypatch.setattr(engines, 'find_spec', lambda name: name != 'torch' and found(name) or None)
    monkeypatch.setattr(engines, 'computes_int8', lambda: False)
    with caplog.at_level(logging.INFO):
        segmenter = Segmenter(str(exported / 'network.yaml'), device='cpu')
    assert segmenter.engine.precision == 'int8'
    assert 'the only one without PyTorch' in caplog.text


def test_what_needs_pytorch_says_so_where_it_is_missing(monkeypatch):
    found = engines.find_spec
    monkeypatch.setattr(engines, 'find_spec', lambda name: name != 'torch' and found(name) or None)

    def load(*_):
        raise ModuleNotFoundError("No module named 'torch'", name='torch')

    monkeypatch.setattr(Segmenter, '_load_model', load)
    for precision in ('auto', 'fp32'):
        with pytest.raises(DeviceError, match=r'model.safetensors needs PyTorch \(pip') as info:
            Segmenter('tiny', models_dir=tiny_models_dir(), device='cpu', precision=precision)
        assert len(str(info.value).splitlines()) == 1


@pytest.mark.parametrize('damage', ['truncated', 'other weights'])
def test_auto_goes_on_without_an_int8_graph_that_cannot_be_used(
        exported, tmp_path, monkeypatch, caplog, damage):
    monkeypatch.setattr(engines, 'computes_int8', lambda: True)
    monkeypatch.setattr(engines, 'computes_bf16', lambda: True)
    folder = copy_of(exported, tmp_path)
    if damage == 'truncated':
        os.truncate(folder / 'fcn_resnet18.int8.onnx', 5000)
    else:
        change_weights(folder)
    segmenter = Segmenter(str(folder / 'network.yaml'), device='cpu')
    assert (segmenter.engine.name, segmenter.engine.precision) == ('torch', 'bf16')
    assert 'onnxruntime in int8 cannot be used' in caplog.text
    assert 'falling back to torch in bf16' in caplog.text


def test_int8_of_other_weights_is_refused(exported, tmp_path):
    folder = copy_of(exported, tmp_path)
    change_weights(folder)
    with pytest.raises(DeviceError, match='made from other weights'):
        Segmenter(str(folder / 'network.yaml'), device='cpu', precision='int8')


def test_int8_of_another_size_is_refused(exported, tmp_path):
    folder = copy_of(exported, tmp_path)
    entry = folder / 'network.yaml'
    entry.write_text(entry.read_text().replace('width: 64', 'width: 96'))
    with pytest.raises(DeviceError, match='is for 64x48 pixels .* the network for 96x48'):
        Segmenter(str(entry), device='cpu', precision='int8')


def test_a_graph_of_other_classes_is_refused(exported, tmp_path):
    folder = copy_of(exported, tmp_path)
    with (folder / 'classes.txt').open('a') as labels:
        labels.write('another\n')
    with (folder / 'colors.txt').open('a') as colors:
        colors.write('1 2 3\n')
    with pytest.raises(DeviceError, match=r'64x48 pixels and \d classes, the network for 64x48'):
        Segmenter(str(folder / 'network.yaml'), device='cpu', engine='onnxruntime',
                  precision='fp32')


def test_int8_that_is_not_there_says_how_to_make_it():
    with pytest.raises(DeviceError, match='fcn-seg export --int8'):
        Segmenter('tiny', models_dir=tiny_models_dir(), device='cpu', precision='int8')
    with pytest.raises(DeviceError, match='needs the onnxruntime engine'):
        TorchEngine(make_model(), device=Device('cpu'), precision='int8')


@pytest.mark.parametrize(('given', 'expected'), [(None, 'PASSIVE'), ('ACTIVE', 'ACTIVE')])
def test_threads_sleep_while_they_wait(given, expected):
    """The policy is set before torch reads it, unless the user has set one."""
    code = ('import os\nfrom fcn_seg_ros.cli.main import main\n'
            'main(["networks"])\nprint(os.environ["OMP_WAIT_POLICY"])')
    environment = {k: v for k, v in os.environ.items() if k != 'OMP_WAIT_POLICY'}
    if given:
        environment['OMP_WAIT_POLICY'] = given
    out = subprocess.run([sys.executable, '-c', code], env=environment, capture_output=True,
                         text=True, check=True).stdout
    assert out.splitlines()[-1] == expected
