"""Weights of every kind into the model, and nothing but whole ones that fit."""

import argparse
from dataclasses import replace
import io
import json
import os
import random
import struct
import zipfile

from fcn_seg_ros import weights as weights_module
from fcn_seg_ros.errors import TrainingError, WeightsError
from fcn_seg_ros.model import DECODERS, LADDERS
from fcn_seg_ros.onnx_weights import read_onnx
from fcn_seg_ros.registry import Registry
from fcn_seg_ros.training.export import published_head
from fcn_seg_ros.weights import load_network
import numpy as np
import onnx as onnx_package
import onnxruntime
import published
import pytest
from safetensors.torch import save as save_safetensors
import torch


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    """Return the published network that the files of this test are made for."""
    return Registry.load(tmp_path_factory.mktemp('models')).get(published.NETWORK)


def run_onnx(data, image):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, ['CPUExecutionProvider'])
    return session.run(['output_0'], {'input_0': image.numpy()})[0]


def state(decoder='fcn32s'):
    """Return the state_dict without counters, as files of our own hold it."""
    return {name: tensor for name, tensor in published.model(decoder).state_dict().items()
            if not name.endswith('num_batches_tracked')}


def write(tmp_path, data, name='model.safetensors'):
    path = tmp_path / name
    path.write_bytes(data)
    return path


# Published networks


@pytest.mark.parametrize(('decoder', 'form'), [
    ('fcn32s', 'published'), ('fcn32s', 'folded'), ('fcn8s', 'published'), ('fcn8s', 'folded'),
    ('ladder4', 'published'), ('ladder2', 'published')])
def test_onnx_scores_are_those_of_onnxruntime(tmp_path, network, form, decoder):
    data = published.onnx(form, decoder)
    names = {tensor.name for tensor in onnx_package.load_from_string(data).graph.initializer}
    assert ('backbone.bn1.running_var' in names) == (form == 'published')
    model, classes = load_network(replace(network, decoder=decoder),
                                  write(tmp_path, data, 'fcn_resnet18.onnx'))
    assert not model.training
    assert classes.labels == published.LABELS
    image = torch.randn(1, 3, published.HEIGHT, published.WIDTH)
    scores = model(image).numpy()
    expected = run_onnx(data, image)
    assert expected.std() > 0.05  # 500 times the tolerance
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_published_names_give_the_very_weights():
    tensors = read_onnx(published.onnx(), 'fcn32s')
    assert tensors.keys() == state().keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in state().items())


def test_second_head_of_the_training_is_left_out():
    def add_head(graph):
        graph.initializer.append(onnx_package.numpy_helper.from_array(
            np.zeros((5, 64, 1, 1), np.float32), 'aux_classifier.4.weight'))
        graph.node.append(onnx_package.helper.make_node(
            'Conv', [graph.node[-1].input[0], 'aux_classifier.4.weight'], ['aux']))
    assert read_onnx(edited(add_head), 'fcn32s').keys() == state().keys()


def test_equal_tensors_that_the_exporter_kept_once(tmp_path, network):
    def share(graph):
        tensors = {tensor.name: tensor for tensor in graph.initializer}
        first, second = 'classifier.1.bias', 'classifier.1.running_mean'
        graph.initializer.remove(tensors[second])
        graph.node.insert(0, onnx_package.helper.make_node('Identity', [first], [second]))
    tensors = read_onnx(edited(share), 'fcn32s')
    assert torch.equal(tensors['classifier.1.running_mean'], state()['classifier.1.bias'])


@pytest.mark.parametrize('decoder', ['fcn32s', 'fcn8s'])
def test_numeric_names(decoder):
    tensors = read_onnx(edited(number_tensors, decoder=decoder), decoder)
    assert tensors.keys() == state(decoder).keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in state(decoder).items())


def edited(edit, form='published', decoder='fcn32s'):
    """Return an export after ``edit(graph)``."""
    model = onnx_package.load_from_string(published.onnx(form, decoder))
    edit(model.graph)
    return model.SerializeToString()


def node(graph, op, index=0):
    return [node for node in graph.node if node.op_type == op][index]


def attribute(node, name):
    return next(a for a in node.attribute if a.name == name)


def number_tensors(graph):
    """Rename the tensors as exporters did that knew no names."""
    names = {tensor.name: str(i) for i, tensor in enumerate(graph.initializer, 1)}
    for item in (*graph.initializer, *graph.input):
        item.name = names.get(item.name, item.name)
    for item in graph.node:
        item.input[:] = [names.get(name, name) for name in item.input]


def numbered_and_for_training(graph):
    number_tensors(graph)
    node(graph, 'BatchNormalization', 3).attribute.append(
        onnx_package.helper.make_attribute('training_mode', 1))


def numbered_and_without_a_batch_norm(graph):
    number_tensors(graph)
    norm = node(graph, 'BatchNormalization', 3)
    for other in graph.node:
        other.input[:] = [norm.input[0] if i == norm.output[0] else i for i in other.input]
    graph.node.remove(norm)


def bias_dropped(graph):
    del graph.node[-1].input[2]


def two_outputs(graph):
    graph.output.append(graph.output[0])


def transposed(graph):
    conv = node(graph, 'Conv', 4)
    conv.op_type = 'ConvTranspose'


def drop_first_tensor(graph):
    del graph.initializer[0]


def rename_layer(graph):
    node(graph, 'Conv', 3).input[1] = 'backbone.layer9.weight'


def dilate(graph):
    attribute(node(graph, 'Conv', 5), 'dilations').ints[:] = [2, 2]


def stride(graph):
    attribute(node(graph, 'Conv', 6), 'strides').ints[:] = [2, 2]


def other_pool(graph):
    attribute(node(graph, 'MaxPool'), 'kernel_shape').ints[:] = [2, 2]


def other_epsilon(graph):
    attribute(node(graph, 'BatchNormalization', 7), 'epsilon').f = 1e-3


def reshape(graph):
    graph.initializer[0].dims[:] = [32, 6, 7, 7]


def one_tensor_too_many(graph):
    graph.initializer.append(onnx_package.numpy_helper.from_array(
        np.zeros(1, np.float32), 'backbone.fc.bias'))


def skip_a_relu(graph):
    relu = node(graph, 'Relu', 4)
    for other in graph.node:
        other.input[:] = [relu.input[0] if i == relu.output[0] else i for i in other.input]


def softmax_at_the_end(graph):
    graph.node.append(onnx_package.helper.make_node('Softmax', ['output_0'], ['output_1']))
    graph.output[0].name = 'output_1'


def add_itself(graph):
    add = node(graph, 'Add', 2)
    add.input[:] = [add.input[0]] * 2


def swap_stages(graph):
    first, second = node(graph, 'Conv', 1), node(graph, 'Conv', 2)
    first.input[0], second.input[0] = second.input[0], first.input[0]


EDITS = [
    ('published', drop_first_tensor, "no floats 'backbone.conv1.weight'"),
    ('published', rename_layer, "weights 'backbone.layer9.weight'"),
    ('published', dilate, r'layer2.0.conv1 has dilations \(2, 2\), not \(1, 1\)'),
    ('published', stride, r'layer2.0.conv2 has strides \(2, 2\), not \(1, 1\)'),
    ('published', other_epsilon, 'epsilon'),
    ('published', reshape, 'backbone.conv1.weight is 32 x 6 x 7 x 7, expected 64 x 3 x 7 x 7'),
    ('published', one_tensor_too_many, "a tensor 'backbone.fc.bias' that the network lacks"),
    ('published', transposed, 'layer1.1.conv2 is a ConvTranspose'),
    ('published', numbered_and_for_training, 'is exported for training'),
    ('published', numbered_and_without_a_batch_norm, 'neither a batch norm nor a bias'),
    ('folded', bias_dropped, 'its layer classifier.4 has no bias'),
    ('folded', two_outputs, 'not one input and one output'),
    ('folded', drop_first_tensor, 'no FCN head'),
    ('folded', dilate, 'has dilations'),
    ('folded', other_pool, r'maxpool has kernel_shape \(2, 2\)'),
    ('folded', reshape, 'no FCN head'),
    ('folded', skip_a_relu, 'in the place of'),
    ('folded', softmax_at_the_end, 'goes on where the network ends'),
    ('folded', add_itself, 'does not add what the network adds'),
    ('folded', swap_stages, 'in the place of'),
]


@pytest.mark.parametrize('form, edit, message', EDITS,
                         ids=[f'{form}-{edit.__name__}' for form, edit, _ in EDITS])
def test_onnx_of_another_network(form, edit, message):
    with pytest.raises(WeightsError, match=message):
        read_onnx(edited(edit, form), 'fcn32s')


@pytest.mark.parametrize('form', ['published', 'folded'])
def test_onnx_of_the_other_decoder(tmp_path, network, form):
    for made, wanted in (('fcn8s', 'fcn32s'), ('fcn32s', 'fcn8s')):
        path = write(tmp_path, published.onnx(form, made), 'model.onnx')
        with pytest.raises(WeightsError, match=f'model.onnx does not fit an {wanted} network'):
            load_network(replace(network, decoder=wanted), path)


def test_names_in_a_file_do_not_reach_the_terminal_raw(tmp_path, network):
    def rename(graph):
        node(graph, 'Conv').input[1] = '\x1b[2J\n' + 'x' * 4000
    with pytest.raises(WeightsError) as caught:
        load_network(network, write(tmp_path, edited(rename), 'model.onnx'))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_damaged_onnx_structure():
    """Nothing but WeightsError comes out of files with wrong bytes among the structure."""
    def shrink(graph):
        for tensor in graph.initializer:
            tensor.raw_data = b''
    wholes = [edited(shrink, form) for form in ('published', 'folded')]
    rng = random.Random(2)
    for trial in range(300):
        data = bytearray(wholes[trial % 2])
        for _ in range(rng.randrange(1, 20)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with pytest.raises(WeightsError):
            read_onnx(bytes(data[:rng.randrange(len(data))] if trial % 3 == 0 else data),
                      'fcn32s')


# Checkpoints of pytorch-segmentation


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


@pytest.mark.parametrize('prefix, zipped', [('', True), ('module.', False)])
def test_checkpoint(tmp_path, network, prefix, zipped):
    path = write(tmp_path, saved(checkpoint(prefix), zipped), 'model_best.pth')
    model, _ = load_network(network, path)
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(model(image), published.model()(image))


def test_plain_state_dict(tmp_path, network):
    half = {name: tensor.half() for name, tensor in state().items()}
    model, _ = load_network(network, write(tmp_path, saved(half), 'model.pth'))
    assert torch.equal(model.classifier[4].bias, half['classifier.4.bias'].float())


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


# Files of our own


@pytest.mark.parametrize('decoder', LADDERS)
def test_ladder_from_onnx_lacks_the_stride_32_head(tmp_path, network, decoder):
    network = replace(network, decoder=decoder)
    model, _ = load_network(
        network, write(tmp_path, published.onnx(decoder=decoder), 'fcn_resnet18.onnx'))
    assert not model.has_stride32_head
    assert model.forward_all(torch.zeros(1, 3, 64, 64))[1] is None
    with pytest.raises(TrainingError, match='use its .safetensors'):
        published_head(model)
    model, _ = load_network(network, write(tmp_path, save_safetensors(state(decoder))))
    assert published_head(model).decoder == 'fcn32s'


def test_ladder_from_onnx_needs_names(tmp_path, network):
    path = write(tmp_path, published.onnx('folded', 'ladder4'), 'fcn_resnet18.onnx')
    with pytest.raises(WeightsError, match='fcn-seg export'):
        load_network(replace(network, decoder='ladder4'), path)


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
