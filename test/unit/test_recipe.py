"""Recipes of trainings: what they are checked for, and what follows from their numbers."""

from fcn_seg_ros.errors import FcnSegError, TrainingError
from fcn_seg_ros.networks.decoders import DECODERS
from fcn_seg_ros.support.paths import share_dir
from fcn_seg_ros.training.estimate import in_words
from fcn_seg_ros.training.optimization import learning_rate
from fcn_seg_ros.training.recipe import load_recipe, parse_recipe
import numpy as np
import pytest
from small_trainings import plain_recipe
import yaml


@pytest.mark.parametrize('path', sorted((share_dir() / 'config' / 'recipes').glob('*.yaml')),
                         ids=lambda path: path.stem)
def test_the_recipes_that_come_along_are_valid(path):
    recipe = load_recipe(path)
    assert all(side % 32 == 0 for side in recipe.crop)


def test_durations_in_words():
    assert [in_words(seconds) for seconds in (10, 60, 4020, 36000)] == [
        'less than a minute', '1 min', '1 h 7 min', '10 h 0 min']


@pytest.mark.parametrize('schedule', ['onecycle', 'poly'])
def test_schedules_rise_and_fall(schedule):
    data = plain_recipe('/data')
    data['optimizer'].update(schedule=schedule, warmup=0.2, final_rate=0.01)
    recipe = parse_recipe(data)
    rates = [learning_rate(recipe, step, 100) for step in range(100)]
    top = int(np.argmax(rates))
    assert 19 <= top <= 20 and rates[20] == pytest.approx(recipe.rate)
    assert all(a < b for a, b in zip(rates[:19], rates[1:20]))
    assert all(a >= b for a, b in zip(rates[20:], rates[21:]))
    assert rates[-1] == pytest.approx(recipe.rate * 0.01)


@pytest.mark.parametrize('path, value, message', [
    (('augment', 'flipp'), 1, "augment: unknown key 'flipp'"),
    (('run', 'batch'), 0, "run: 'batch' must be a whole number"),
    (('optimizer', 'rate'), None, "optimizer: 'rate' is missing"),
    (('optimizer', 'name'), 'adam', "'name' must be one of adamw, sgd, not 'adam'"),
    (('network', 'size'), [64], "'size' must be two whole numbers"),
    (('augment', 'scale'), [2, 1], '0 < low <= high'),
    (('augment', 'jpeg_quality'), [90, 25], '0 < low <= high'),
    (('augment', 'mix_labels'), 'box', 'must be a list'),
    (('data', 'cache'), 1, "data: 'cache' must be true or false"),
    (('data', 'val', 'rot'), 'x', "data: val: unknown key 'rot'"),
    (('network', 'crop'), [64, 8], "'crop' must be two whole numbers from 32 to 8192"),
    (('loss', 'class_weights'), 'sqrt', 'none, log or a list'),
    (('loss', 'distill'), 1.0, "loss: 'teacher' must be the weights file"),
    (('loss', 'imitate'), 1.0, "loss: 'teacher' must be the weights file"),
    (('loss', 'teacher'), 'x.safetensors', "loss: 'distill' or 'imitate' must be above 0"),
    (('loss', 'temperature'), 0, "'temperature' must be a number from 0.1 to 100"),
    (('data', 'unlabelled'), 'streets', 'teach nothing without a teacher'),
    (('network', 'decoder'), 'unet', f'must be one of {", ".join(DECODERS)}, teacher'),
    (('data', 'train', 'name'), 'imagenet', "'name' must be one of camvid"),
])
def test_a_wrong_recipe_is_one_clear_line(path, value, message):
    data = plain_recipe('/data')
    section = data
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    with pytest.raises(FcnSegError) as error:
        parse_recipe(data)
    assert message in str(error.value) and '\n' not in str(error.value)


def test_a_recipe_has_sizes_height_first_and_stores_them_as_written():
    data = plain_recipe('/data')
    data['network'].update(size=[96, 64], crop=None)
    recipe = parse_recipe(data)
    assert (recipe.size.height, recipe.size.width) == (64, 96) and recipe.crop == recipe.size
    stored = recipe.to_dict()
    assert stored['size'] == stored['crop'] == [96, 64]
    assert stored['train']['split'] == 'train' and stored['val']['split'] == 'val'


def test_overrides(tmp_path):
    path = tmp_path / 'recipe.yaml'
    path.write_text(yaml.safe_dump(plain_recipe('/data')))
    recipe = load_recipe(path, ["data.train.exclude=['0001TP_*']", 'run.epochs=9'])
    assert recipe.train.exclude == ('0001TP_*',) and recipe.epochs == 9
    with pytest.raises(TrainingError, match='section.key=value'):
        load_recipe(path, ['run.epochs'])
