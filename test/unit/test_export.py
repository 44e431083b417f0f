"""Exported ONNX files: names, grid, verification, and loading them again."""

from fcn_seg_ros.errors import TrainingError
from fcn_seg_ros.networks.classes import class_set_from_labels
from fcn_seg_ros.networks.model import FCNResNet18
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.networks.weights import load_network
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training import export
import onnx
import onnxruntime
import pytest
import torch

LABELS = ('road', 'sidewalk', 'no')
SIZE = Size(64, 96)


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    model = FCNResNet18(len(LABELS), 'fcn8s').eval()
    with torch.no_grad():  # statistics that matter, as after training
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2)
    return model


@pytest.fixture(scope='module')
def published(model, tmp_path_factory):
    """Return the folder of an export in the published form."""
    folder = tmp_path_factory.mktemp('models') / 'exported'
    export.export_onnx(export.published_head(model), folder, name='mine',
                       classes=class_set_from_labels(LABELS, 'mine'), size=SIZE)
    return folder


def test_published_form(published):
    graph = onnx.load(published / 'fcn_resnet18.onnx')
    onnx.checker.check_model(graph)
    session = onnxruntime.InferenceSession(published / 'fcn_resnet18.onnx',
                                           providers=['CPUExecutionProvider'])
    inputs, outputs = session.get_inputs(), session.get_outputs()
    assert [(i.name, i.shape) for i in inputs] == [('input_0', [1, 3, 64, 96])]
    assert [(o.name, o.shape) for o in outputs] == [('output_0', [1, 3, 2, 3])]
    assert graph.opset_import[0].version == 11
    names = {tensor.name for tensor in graph.graph.initializer}
    assert {'backbone.conv1.weight', 'backbone.bn1.running_var', 'classifier.4.bias'} <= names
    kinds = {node.op_type for node in graph.graph.node}
    assert not kinds & {'Softmax', 'Resize', 'Upsample', 'Dropout'}


def test_published_form_loads_again_bit_exact(published, model):
    assert (published / 'classes.txt').read_text() == 'road\nsidewalk\nno\n'
    assert (published / 'colors.txt').read_text() == '0 0 0\n128 0 0\n0 128 0\n'
    registry = Registry.load(published.parent)
    network = registry.get('mine')
    assert (network.height, network.width, network.decoder) == (*SIZE, 'fcn32s')
    loaded, classes = load_network(network, registry.find_weights(network))
    assert classes.labels == LABELS
    state = model.state_dict()
    for name, tensor in loaded.state_dict().items():
        if not name.endswith('num_batches_tracked'):
            assert torch.equal(tensor, state[name]), name


def test_dynamic_batch_of_the_whole_network(model, tmp_path):
    path = export.export_onnx(model, tmp_path, name='mine', size=SIZE, dynamic_batch=True,
                              classes=class_set_from_labels(LABELS, 'mine'))
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    scores, = session.run(None, {'input_0': torch.zeros(3, 3, 64, 96).numpy()})
    assert scores.shape == (3, 3, 8, 12)


def test_a_wrong_file_is_found_out_and_not_kept(model, tmp_path, monkeypatch):
    torch.manual_seed(1)
    other = FCNResNet18(len(LABELS), 'fcn8s').eval()
    path = export.export_onnx(model, tmp_path / 'a', name='mine', size=SIZE,
                              classes=class_set_from_labels(LABELS, 'mine'))
    assert export.verify_onnx(model, path, SIZE) < 1e-4
    with pytest.raises(TrainingError, match='differs from PyTorch'):
        export.verify_onnx(other, path, SIZE)
    monkeypatch.setattr(export, 'TOLERANCE', -1.0)
    with pytest.raises(TrainingError):
        export.export_onnx(model, tmp_path / 'b', name='mine', size=SIZE,
                           classes=class_set_from_labels(LABELS, 'mine'))
    assert list((tmp_path / 'b').iterdir()) == []
