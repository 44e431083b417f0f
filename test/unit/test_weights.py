"""Weights of .safetensors files into the model, and of any file against its network."""

from dataclasses import replace
import json
import random
import struct

from fcn_seg_ros.errors import WeightsError
from fcn_seg_ros.networks import weights as weights_module
from fcn_seg_ros.networks.decoders import DECODERS
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.networks.weights import load_network
import published
import pytest
from safetensors.torch import save as save_safetensors
import torch
from weights_files import state, write


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    """Return the published network that the files of this test are made for."""
    return Registry.load(tmp_path_factory.mktemp('models')).get(published.NETWORK)


@pytest.mark.parametrize('decoder', DECODERS)
def test_safetensors(tmp_path, network, decoder):
    half = {name: tensor.half() for name, tensor in state(decoder).items()}
    data = save_safetensors(half, {'labels': json.dumps(published.LABELS)})
    model, classes = load_network(replace(network, decoder=decoder), write(tmp_path, data))
    assert classes.labels == published.LABELS
    for name, tensor in half.items():
        assert torch.equal(model.state_dict()[name], tensor.float()), name
    assert not any(parameter.requires_grad for parameter in model.parameters())


def small(**changes):
    """Return a state_dict with changes; values of None leave the tensor out."""
    tensors = {name.replace('_', '.'): tensor for name, tensor in changes.items()}
    return {name: tensor for name, tensor in {**state(), **tensors}.items() if tensor is not None}


def header(text, body=b''):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack('<Q', len(data)) + data + body


BAD_TENSORS = {
    'a tensor missing': (small(classifier_4_bias=None), 'lacks tensor classifier.4.bias'),
    'the head missing': (small(classifier_4_weight=None), 'not weights of FCN-ResNet18'),
    'one too many': (small(backbone_fc_bias=torch.zeros(1)), 'unknown tensor backbone.fc.bias'),
    'a wrong shape': (small(classifier_1_bias=torch.zeros(127)),
                      'tensor classifier.1.bias is 127, expected 128'),
    'integers': (small(classifier_1_bias=torch.zeros(128, dtype=torch.int32)),
                 'is torch.int32, expected floats'),
    'not a number': (small(classifier_1_bias=torch.full((128,), torch.nan)), 'not finite'),
    'too large for a half': (small(classifier_1_bias=torch.full((128,), 1e6).half()),
                             'not finite'),
    'a negative variance': ({**state(), 'classifier.1.running_var': -torch.ones(128)},
                            'negative variances'),
}


@pytest.mark.parametrize('case', BAD_TENSORS)
def test_tensors_that_do_not_fit(tmp_path, network, case):
    tensors, message = BAD_TENSORS[case]
    with pytest.raises(WeightsError, match=message):
        load_network(network, write(tmp_path, save_safetensors(tensors)))


BAD_SAFETENSORS = {
    'empty': (b'', 'is empty'),
    'short': (b'\x01\x02', 'not a whole .safetensors'),
    'a giant header': (struct.pack('<Q', 1 << 62) + b'{}', 'not a whole .safetensors'),
    'a header longer than the file': (struct.pack('<Q', 100) + b'{}', 'not a whole'),
    'no JSON': (header('{"a"'), 'not a whole .safetensors'),
    'deep JSON': (header('[' * 100_000), 'not a whole .safetensors'),
    'not a table': (header('[1, 2]'), 'not a whole .safetensors'),
    'offsets beyond the end': (
        header('{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', bytes(4)),
        'not a whole .safetensors'),
    'offsets that do not fit the shape': (
        header('{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 8]}}', bytes(8)),
        'not a whole .safetensors'),
    'an overflowing shape': (
        header('{"a": {"dtype": "F32", "shape": [4611686018427387904, 4], '
               '"data_offsets": [0, 0]}}'), 'not a whole .safetensors'),
    'an unknown type': (
        header('{"a": {"dtype": "Q7", "shape": [1], "data_offsets": [0, 1]}}', b'a'),
        'not a whole .safetensors'),
    'bytes that nobody owns': (
        header('{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}', b'ab'),
        'not a whole .safetensors'),
    'labels that are no list': (
        save_safetensors({'classifier.4.weight': torch.zeros(5, 128, 1, 1)}, {'labels': '5'}),
        "'labels' is not a JSON list"),
    'labels that nest': (
        save_safetensors({'classifier.4.weight': torch.zeros(5, 128, 1, 1)},
                         {'labels': '[' * 100_000}), "'labels' is not a JSON list"),
    'labels that are too few': (
        save_safetensors({'classifier.4.weight': torch.zeros(5, 128, 1, 1)}, {'labels': '[]'}),
        'lists 0 labels for its 5 classes'),
}


@pytest.mark.parametrize('case', BAD_SAFETENSORS)
def test_malformed_safetensors(tmp_path, network, case):
    data, message = BAD_SAFETENSORS[case]
    with pytest.raises(WeightsError, match=message) as caught:
        load_network(network, write(tmp_path, data))
    assert '\n' not in str(caught.value)


def test_truncated_and_damaged_safetensors(tmp_path, network):
    whole = save_safetensors({'classifier.4.weight': torch.zeros(5, 128, 1, 1),
                              'a': torch.zeros(3)}, {'labels': '["a"]'})
    rng = random.Random(4)
    for trial in range(300):
        data = bytearray(whole[:rng.randrange(len(whole))] if trial % 2 else whole)
        for _ in range(rng.randrange(1, 10)):
            if data:
                data[rng.randrange(min(len(data), 250))] = rng.randrange(256)
        with pytest.raises(WeightsError):
            load_network(network, write(tmp_path, bytes(data)))


# Files against the network that they are used for


def test_other_number_of_classes(tmp_path, network):
    voc = Registry.load(tmp_path).get('fcn-resnet18-voc')
    path = write(tmp_path, save_safetensors(state()))
    with pytest.raises(WeightsError, match='model.safetensors has 5 classes but '
                                           'fcn-resnet18-voc-320x320 has 21: choose'):
        load_network(voc, path)
    (tmp_path / 'classes.txt').write_text('a\nb\nc\nd\ne\n')
    _, classes = load_network(voc, path)  # what lies beside the weights wins
    assert classes.labels == ('a', 'b', 'c', 'd', 'e')
    (tmp_path / 'colors.txt').write_text('1 2 3\n')
    with pytest.raises(WeightsError, match='colors.txt has 1 colours for 5 classes'):
        load_network(voc, path)


def test_other_labels(tmp_path, network):
    labels = ['trail', 'grass', 'pond', 'obstacle', 'sky']
    path = write(tmp_path, save_safetensors(state(), {'labels': json.dumps(labels)}))
    with pytest.raises(WeightsError, match="class 2 is 'pond' there, 'vegetation' here"):
        load_network(network, path)
    (tmp_path / 'classes.txt').write_text('\n'.join(labels))
    assert load_network(network, path)[1].labels == tuple(labels)


def test_file_problems(tmp_path, network, monkeypatch):
    with pytest.raises(WeightsError, match='cannot read the weights .*No such file'):
        load_network(network, tmp_path / 'none.onnx')
    with pytest.raises(WeightsError, match='cannot read the weights .*directory'):
        load_network(network, tmp_path)
    with pytest.raises(WeightsError, match='.safetensors, .onnx or .pth files'):
        load_network(network, write(tmp_path, b'x', 'model.engine'))
    monkeypatch.setattr(weights_module, 'MAX_BYTES', 10)
    with pytest.raises(WeightsError, match='is larger than'):
        load_network(network, write(tmp_path, b'x' * 11))
