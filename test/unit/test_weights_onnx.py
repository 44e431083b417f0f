"""Weights of .onnx files: the very tensors, and nothing but whole ones that fit."""

from dataclasses import replace
import functools
import random
import tempfile
import warnings

from fcn_seg_ros.errors import TrainingError, WeightsError
from fcn_seg_ros.networks.onnx_weights import read_onnx
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.networks.weights import load_network
from fcn_seg_ros.training.export import published_head
import numpy as np
import onnx as onnx_package
from onnx_edits import edited, EDITS, node, number_tensors
import onnxruntime
import published
import pytest
from safetensors.torch import save as save_safetensors
import torch
from torchvision.models import resnet18
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.fcn import FCN, FCNHead
from weights_files import state, write


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


@pytest.mark.parametrize('decoder', ['ladder4', 'ladder2'])
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


def add(graph, op, inputs, output, **attributes):
    graph.node.append(onnx_package.helper.make_node(op, inputs, [output], **attributes))
    graph.output[0].name = output


def torchvision_tail(graph):
    """Upsample the scores to the input's size as torchvision's forward does."""
    begin, end = [2], [4]
    for name, values in (('t_begin', begin), ('t_end', end), ('t_batch', [1, 5])):
        graph.initializer.append(onnx_package.numpy_helper.from_array(
            np.array(values, np.int64), name))
    add(graph, 'Shape', ['input_0'], 't_shape')
    add(graph, 'Slice', ['t_shape', 't_begin', 't_end'], 't_size')
    add(graph, 'Cast', ['t_size'], 't_int', to=onnx_package.TensorProto.INT64)
    add(graph, 'Concat', ['t_batch', 't_int'], 't_sizes', axis=0)
    add(graph, 'Resize', ['output_0', '', '', 't_sizes'], 't_scores', mode='linear')


def argmax_tail(graph):
    torchvision_tail(graph)
    add(graph, 'Softmax', ['t_scores'], 't_shares', axis=1)
    add(graph, 'ArgMax', ['t_shares'], 't_ids', axis=1)


@pytest.mark.parametrize('form', ['published', 'folded'])
@pytest.mark.parametrize('edit, named', [
    (torchvision_tail, 'Resize'), (argmax_tail, 'Resize, Softmax, ArgMax')])
def test_what_stands_behind_the_scores_is_left_out_and_named(form, edit, named, caplog):
    caplog.set_level('INFO', 'fcn_seg_ros')
    plain = read_onnx(published.onnx(form), 'fcn32s')
    assert not caplog.messages
    tensors = read_onnx(edited(edit, form), 'fcn32s')
    assert all(torch.equal(tensors[name], tensor) for name, tensor in plain.items())
    assert [message.rpartition(': ')[2] for message in caplog.messages] == [named]


@functools.cache
def of_torchvision(auxiliary):
    """Return torchvision's own FCN on a ResNet-18, whose forward gives scores of full size."""
    layers = {'layer4': 'out', **({'layer3': 'aux'} if auxiliary else {})}
    model = FCN(IntermediateLayerGetter(resnet18(weights=None), layers), FCNHead(512, 5),
                FCNHead(256, 5) if auxiliary else None)
    missing, unknown = model.load_state_dict(published.model().state_dict(), strict=False)
    assert not unknown and all(name.startswith('aux_classifier.') for name in missing)
    return model.eval()


class Wrapped(torch.nn.Module):
    """torchvision's network with one output, as many export it."""

    def __init__(self, classes):
        super().__init__()
        self.model, self.classes = of_torchvision(True), classes
        self.eval()

    def forward(self, image):
        scores = self.model(image)['out']
        return scores.argmax(1) if self.classes else scores


def exported(model, **options):
    with warnings.catch_warnings(), tempfile.NamedTemporaryFile(suffix='.onnx') as file:
        warnings.simplefilter('ignore')
        torch.onnx.export(model, (torch.zeros(1, 3, published.HEIGHT, published.WIDTH),),
                          file.name, **options)
        return file.read()


EXPORTS = {'dict': lambda: of_torchvision(False), 'dict with aux': lambda: of_torchvision(True),
           'scores': lambda: Wrapped(False), 'classes': lambda: Wrapped(True)}
EXPORTERS = {'TorchScript': {'dynamo': False},
             'dynamo': {'dynamo': True, 'external_data': False, 'verbose': False}}


def check_scores(tmp_path, network, data, auxiliary, tolerance):
    """Check that a file gives the scores of torchvision's network, on their own grid."""
    model, _ = load_network(network, write(tmp_path, data, 'fcn_resnet18.onnx'))
    image = torch.randn(1, 3, published.HEIGHT, published.WIDTH)
    theirs = of_torchvision(auxiliary)
    with torch.no_grad():
        expected = theirs.classifier(theirs.backbone(image)['out'])
    assert expected.std() > 0.05
    torch.testing.assert_close(model(image), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize('form', EXPORTS)
@pytest.mark.parametrize('exporter', EXPORTERS)
def test_what_torchvision_and_pytorchs_exporters_make(tmp_path, network, exporter, form, caplog):
    if exporter == 'dynamo':
        pytest.importorskip('onnxscript', reason='onnxscript is not installed')
    caplog.set_level('INFO', 'fcn_seg_ros')
    data = exported(EXPORTS[form](), **EXPORTERS[exporter])
    check_scores(tmp_path, network, data, form != 'dict', 1e-4)
    assert any('Resize' in message for message in caplog.messages)
    assert any('head that only the training needs' in message
               for message in caplog.messages) == (form == 'dict with aux')


@pytest.mark.parametrize('keep_io_types', [False, True])
def test_what_onnxconverter_common_makes_of_it(tmp_path, network, keep_io_types):
    float16 = pytest.importorskip('onnxconverter_common.float16',
                                  reason='onnxconverter-common is not installed')
    model = float16.convert_float_to_float16(
        onnx_package.load_from_string(exported(of_torchvision(False), dynamo=False)),
        keep_io_types=keep_io_types)
    check_scores(tmp_path, network, model.SerializeToString(), False, 0.05)


def test_half_precision_with_casts():
    """Weights and values in half precision, cast where the tool wanted single precision."""
    def halve(graph):
        half, single = onnx_package.TensorProto.FLOAT16, onnx_package.TensorProto.FLOAT
        casts = []
        for i, tensor in enumerate(graph.initializer):
            values = onnx_package.numpy_helper.to_array(tensor)
            if values.dtype == np.float32:
                name = tensor.name if i % 2 else tensor.name + '_half'
                tensor.CopyFrom(onnx_package.numpy_helper.from_array(
                    values.astype(np.float16), name))
                if not i % 2:
                    casts.append(onnx_package.helper.make_node(
                        'Cast', [name], [name.removesuffix('_half')], to=single))
        casts.append(onnx_package.helper.make_node('Cast', ['input_0'], ['half_input'], to=half))
        for item in graph.node:
            item.input[:] = ['half_input' if n == 'input_0' else n for n in item.input]
        nodes = [*casts, *graph.node]
        del graph.node[:]
        graph.node.extend(nodes)
        add(graph, 'Cast', ['output_0'], 'output_1', to=single)
    plain = read_onnx(published.onnx('folded'), 'fcn32s')
    tensors = read_onnx(edited(halve, 'folded'), 'fcn32s')
    assert tensors.keys() == plain.keys()
    for name, tensor in plain.items():
        torch.testing.assert_close(tensors[name], tensor, rtol=1e-3, atol=1e-6)


def test_other_nodes_are_named_with_the_way_out():
    def scale(graph):
        add(graph, 'Sigmoid', ['output_0'], 'shares')
    with pytest.raises(WeightsError, match="Sigmoid that gives 'shares': export the network "
                                           'alone in float32'):
        read_onnx(edited(scale, 'folded'), 'fcn32s')
