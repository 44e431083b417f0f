"""Checkpoints of pytorch-segmentation: read, and no code in them run."""

import argparse
import io
import os
import random
import re
import zipfile

from fcn_seg_ros.errors import WeightsError
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.networks.weights import load_network
import numpy as np
import published
import pytest
import torch
from torchvision.models.segmentation import fcn_resnet50
from weights_files import state, write


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    """Return the published network that the files of this test are made for."""
    return Registry.load(tmp_path_factory.mktemp('models')).get(published.NETWORK)


class PickledCode:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def checkpoint(prefix='', **more):
    """Return a checkpoint with everything that pytorch-segmentation puts into one."""
    tensors = dict(published.model().state_dict(), **{'aux_classifier.4.bias': torch.zeros(5)})
    return {'model': {prefix + name: tensor for name, tensor in tensors.items()},
            'optimizer': {'state': {}, 'param_groups': [{'lr': 0.01, 'params': [0, 1]}]},
            'epoch': 29, 'arch': 'fcn_resnet18', 'dataset': 'deepscene', 'num_classes': 5,
            'resolution': (320, 576), 'accuracy': 0.96, 'mean_IoU': 0.8,
            'args': argparse.Namespace(lr=0.01, data='/data', resume=''), **more}


def saved(value, zipped=True):
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


@pytest.mark.parametrize('prefix, zipped', [
    ('', True), ('module.', False), ('_orig_mod.', True), ('module._orig_mod.', True),
    ('_orig_mod.module.', True), ('model.', True)])
def test_checkpoint(tmp_path, network, prefix, zipped):
    path = write(tmp_path, saved(checkpoint(prefix), zipped), 'model_best.pth')
    model, _ = load_network(network, path)
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(model(image), published.model()(image))


def test_plain_state_dict(tmp_path, network):
    half = {name: tensor.half() for name, tensor in state().items()}
    model, _ = load_network(network, write(tmp_path, saved(half), 'model.pth'))
    assert torch.equal(model.classifier[4].bias, half['classifier.4.bias'].float())


def test_averaged_weights(tmp_path, network):
    averaged = torch.optim.swa_utils.AveragedModel(published.model())
    path = write(tmp_path, saved(averaged.state_dict()), 'ema.pth')
    model, _ = load_network(network, path)
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(model(image), published.model()(image))


@pytest.mark.parametrize('key', ['state_dict', 'model_state_dict', 'model_ema', 'state_dict_ema'])
def test_checkpoint_of_another_tool(tmp_path, network, key):
    path = write(tmp_path, saved({key: published.model().state_dict(), 'epoch': 3}), 'a.pth')
    model, _ = load_network(network, path)
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(model(image), published.model()(image))


@pytest.mark.parametrize('suffix', ['.pt', '.ckpt', '.bin', '.PTH'])
def test_other_names_of_the_same_format(tmp_path, network, suffix):
    model, _ = load_network(network, write(tmp_path, saved(checkpoint()), f'best{suffix}'))
    for name, tensor in state().items():
        assert torch.equal(model.state_dict()[name], tensor)


@pytest.mark.parametrize('num_classes', [5, 21])
def test_a_larger_resnet_is_named(tmp_path, network, num_classes):
    with torch.device('meta'):
        larger = fcn_resnet50(weights=None, weights_backbone=None, num_classes=num_classes)
    tensors = {name: torch.empty(0) for name in larger.state_dict()}
    with pytest.raises(WeightsError, match='has a ResNet of 50 layers or more'):
        load_network(network, write(tmp_path, saved(tensors), 'fcn_resnet50.pth'))


@pytest.mark.parametrize('kind', [np.float64, np.float32, np.int64, np.bool_])
def test_numpy_scalars_beside_the_tensors(tmp_path, network, kind):
    options = argparse.Namespace(lr=kind(1), best=[kind(0)])
    path = write(tmp_path, saved(checkpoint(args=options, accuracy=kind(1))), 'model.pth')
    model, _ = load_network(network, path)
    assert torch.equal(model.classifier[4].bias, published.model().classifier[4].bias)


def test_what_stands_beside_the_tensors_is_named_with_the_way_out(tmp_path, network):
    path = write(tmp_path, saved(checkpoint(args=np.ones(3))), 'model.pth')
    with pytest.raises(WeightsError) as caught:
        load_network(network, path)
    message = str(caught.value)
    assert re.search(r'holds a numpy\.(_core|core)\.multiarray\._reconstruct ', message)
    assert 'torch.save(model.state_dict()' in message
    assert '\n' not in message


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('place', ['args', 'model'])
def test_pickled_code_is_not_run(tmp_path, network, zipped, place):
    trap = tmp_path / 'executed'
    bad = {'args': argparse.Namespace(code=PickledCode(trap))} if place == 'args' else {
        'model': {'backbone.conv1.weight': PickledCode(trap)}}
    path = write(tmp_path, saved({**bad, 'arch': 'fcn_resnet18'}, zipped), 'evil.pth')
    with pytest.raises(WeightsError, match='could run code: not loaded') as caught:
        load_network(network, path)
    assert '\n' not in str(caught.value)
    assert not trap.exists()
    torch.load(path, weights_only=False)  # the trap is a real one
    assert trap.exists()


def compressed_zip():
    source = zipfile.ZipFile(io.BytesIO(saved({'a': torch.zeros(1 << 20)})))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    return buffer.getvalue()


BAD_CHECKPOINTS = {
    'not a checkpoint': (b'hello', 'damaged|not a whole checkpoint'),
    'a broken zip file': (b'PK\x03\x04' + bytes(100), 'not a whole checkpoint'),
    'a zip bomb': (compressed_zip(), 'compressed'),
    'a number': (saved(5), 'holds no state_dict'),
    'no tensors': (saved({'model': {'a': 1}}), 'holds no state_dict'),
    'no names': (saved({'model': {1: torch.zeros(1)}}), 'holds no state_dict'),
    'a sparse tensor': (saved({'model': {'a': torch.zeros(2).to_sparse()}}), 'no state_dict'),
    'another architecture': (saved({'model': {}, 'arch': 'fcn_resnet101'}),
                             'is a fcn_resnet101, not an fcn_resnet18'),
    'a giant view of one value': (
        saved({'classifier.4.weight': torch.zeros(1).expand(5, 128, 1 << 40, 1)}),
        'lacks tensor'),
}


@pytest.mark.filterwarnings('ignore:Validating sparse tensor')
@pytest.mark.parametrize('case', BAD_CHECKPOINTS)
def test_malformed_checkpoint(tmp_path, network, case):
    data, message = BAD_CHECKPOINTS[case]
    with pytest.raises(WeightsError, match=message) as caught:
        load_network(network, write(tmp_path, data, 'bad.pth'))
    assert 'bad.pth' in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('zipped', [True, False])
def test_damaged_checkpoint(tmp_path, network, zipped):
    whole = saved({'model': {'backbone.conv1.weight': torch.ones(4)},
                   'args': argparse.Namespace(a=1)}, zipped)
    rng = random.Random(3)
    for trial in range(200):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 10)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with pytest.raises(WeightsError):
            load_network(network, write(
                tmp_path, bytes(data[:rng.randrange(len(data))] if trial % 3 == 0 else data),
                'bad.pth'))


def test_old_pytorch_reads_no_pickles(tmp_path, network, monkeypatch):
    monkeypatch.setattr(torch, '__version__', torch.torch_version.TorchVersion('2.5.1'))
    with pytest.raises(WeightsError, match='PyTorch 2.6 or newer only'):
        load_network(network, write(tmp_path, saved(checkpoint()), 'model.pth'))
