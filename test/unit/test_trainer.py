"""Training: resumed runs equal uninterrupted ones bit for bit, whatever interrupts them."""

import argparse
import os
from pathlib import Path
import signal
import subprocess
import sys

from fcn_seg_ros.cli import train as command
from fcn_seg_ros.errors import DatasetError, DeviceError, FcnSegError, TrainingError
from fcn_seg_ros.networks.classes import class_set_from_labels
from fcn_seg_ros.networks.model import FCNResNet18
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.networks.weights import load_network
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training import checkpoint
from fcn_seg_ros.training.datasets.unlabelled import UnlabelledPictures
from fcn_seg_ros.training.estimate import in_words
from fcn_seg_ros.training.folder import write_network
from fcn_seg_ros.training.initial import initial_model
from fcn_seg_ros.training.loader import EpochBatches, TrainingSet
from fcn_seg_ros.training.optimization import learning_rate
from fcn_seg_ros.training.recipe import load_recipe, parse_recipe
from fcn_seg_ros.training.teacher import make_teacher
from fcn_seg_ros.training.trainer import Trainer
import numpy as np
from PIL import Image
import pytest
from safetensors.torch import load_file, save_file
import thin_fcn
import thin_teacher
import torch
import yaml

LABELS = ('floor', 'wall', 'box')

# Without TensorBoard, whose import takes longer than all the rest.
SCRIPT = """
import argparse, os, signal, sys
sys.modules['torch.utils.tensorboard'] = None
from fcn_seg_ros.training.trainer import Trainer
step = Trainer._train_step
def killed(self, *batch):
    if self.step == int(os.environ.get('KILL_AT', -1)):
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *batch)
Trainer._train_step = killed
from fcn_seg_ros.cli import train
import thin_fcn
thin_fcn.use()
parser = argparse.ArgumentParser()
train.add_parser(parser.add_subparsers())
args = parser.parse_args()
args.run(args)
"""


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Return a folder data set: coloured blocks, 7 pictures to train and 2 to validate."""
    root = tmp_path_factory.mktemp('data')
    (root / 'classes.txt').write_text('\n'.join(LABELS))
    rng = np.random.default_rng(0)
    colors = np.array([(60, 60, 60), (200, 200, 180), (200, 30, 30)])
    for split, count in (('train', 7), ('val', 2)):
        for kind in ('images', 'labels'):
            (root / split / kind).mkdir(parents=True)
        for i in range(count):
            labels = np.kron(rng.integers(0, 3, (4, 4)), np.ones((16, 16), int))
            image = np.clip(colors[labels] + rng.normal(0, 10, (64, 64, 3)), 0, 255)
            Image.fromarray(image.astype(np.uint8)).save(root / split / 'images' / f'{i}.png')
            Image.fromarray(labels.astype(np.uint8)).save(root / split / 'labels' / f'{i}.png')
    return root


def plain_recipe(root, **run):
    source = {'name': 'folder', 'root': str(root)}
    return {
        'name': 'tiny', 'data': {'train': dict(source), 'val': dict(source)},
        'network': {'decoder': 'fcn8s', 'size': [64, 64], 'crop': [64, 32]},
        'augment': {'scale': [0.6, 1.2], 'brightness': 0.3, 'blur': 0.3, 'noise': 0.3,
                    'jpeg': 0.3, 'mix': 0.5, 'mix_labels': ['box'], 'focus': 0.3},
        'loss': {'class_weights': 'log', 'label_smoothing': 0.05},
        'optimizer': {'rate': 0.002, 'ema': 0.9},
        'run': {'epochs': 2, 'batch': 2, 'seed': 3, 'threads': 1, **run}}


def train(data, output, resume=False, **run):
    recipe = parse_recipe(plain_recipe(data, **run))
    trainer = Trainer(recipe, output, resume=resume, device='cpu', progress=False)
    trainer.run()
    return trainer


def assert_same_state(one, two):
    """Compare nested checkpoint states bit for bit."""
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            assert_same_state(one[key], two[key])
    elif isinstance(one, list):
        assert len(one) == len(two)
        for a, b in zip(one, two):
            assert_same_state(a, b)
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, two)
    else:
        assert one == two


class Interruption(Exception):
    """Stands for a crash."""


@pytest.fixture
def thin(monkeypatch):
    thin_fcn.use(monkeypatch)


@pytest.fixture(scope='module')
def uninterrupted(data, tmp_path_factory):
    """Return the folder of a whole run of the thin network."""
    output = tmp_path_factory.mktemp('whole')
    with pytest.MonkeyPatch.context() as patch:
        thin_fcn.use(patch)
        train(data, output)
    return output


@pytest.fixture(scope='module')
def trained(data, tmp_path_factory):
    """Return the folder of a run of the real network."""
    output = tmp_path_factory.mktemp('real')
    train(data, output)
    return output


@pytest.mark.parametrize('stop_after', [2, 5])
def test_resumed_equals_uninterrupted(
        data, thin, uninterrupted, tmp_path, monkeypatch, stop_after):
    step = Trainer._train_step

    def crash(self, *args):
        if self.step == stop_after:
            raise Interruption
        return step(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, '_train_step', crash)
        with pytest.raises(Interruption):
            train(data, tmp_path, checkpoint_every=2)
    torch.manual_seed(99)  # what is not restored would differ
    train(data, tmp_path, resume=True)
    one, two = (checkpoint.load_checkpoint(folder) for folder in (uninterrupted, tmp_path))
    assert one['step'] == 6
    assert_same_state(one, two)
    for name in ('best', 'last'):
        assert (tmp_path / name / 'model.safetensors').read_bytes() == \
            (uninterrupted / name / 'model.safetensors').read_bytes()


def test_workers_make_no_difference(data, thin, uninterrupted, tmp_path):
    train(data, tmp_path, workers=1)
    one, two = (checkpoint.load_checkpoint(folder) for folder in (uninterrupted, tmp_path))
    assert_same_state(one['model'], two['model'])


def run_command(data, output, *options, launcher=(), **variables):
    recipe = output.parent / f'{output.name}.yaml'
    recipe.write_text(yaml.safe_dump(plain_recipe(data, checkpoint_every=2)))
    script = output.parent / 'train.py'
    script.write_text(SCRIPT)
    command = [sys.executable, *launcher, str(script), 'train', str(recipe),
               '--output', str(output), '--device', 'cpu', '--quiet', *options]
    here = Path(__file__).parent
    paths = [str(here.parents[1]), str(here), *sys.path]
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(paths), 'OMP_NUM_THREADS': '1', **variables}
    return subprocess.run(command, env=env, capture_output=True, text=True)


def test_killed_run_resumes_bit_exact(data, uninterrupted, tmp_path):
    output = tmp_path / 'run'
    process = run_command(data, output, KILL_AT='5')
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert checkpoint.load_checkpoint(output)['step'] == 4
    process = run_command(data, output, '--resume')
    assert process.returncode == 0, process.stderr
    one, two = (checkpoint.load_checkpoint(folder) for folder in (uninterrupted, output))
    del one['recipe'], two['recipe']  # checkpoint_every differs
    assert_same_state(one, two)


def test_two_processes_share_the_batch(data, uninterrupted, tmp_path):
    output = tmp_path / 'run'
    process = run_command(data, output, launcher=(
        '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2'))
    assert process.returncode == 0, process.stderr
    assert process.stdout.count('mean_iou') == 2  # mean_iou and best_mean_iou, said by one process
    state = checkpoint.load_checkpoint(output)
    assert state['step'] == 6 and len(state['random']) == 2
    # Another batch-norm split, so other weights than one process gives; but close ones.
    whole = checkpoint.load_checkpoint(uninterrupted)
    difference = state['model']['backbone.0.weight'] - whole['model']['backbone.0.weight']
    assert 0 < difference.abs().max() < 0.05


def test_output_is_a_network_of_the_registry(trained, tmp_path):
    (tmp_path / 'tiny').symlink_to(trained / 'best')
    registry = Registry.load(tmp_path)
    network = registry.get('tiny')
    assert (network.width, network.height, network.decoder) == (64, 64, 'fcn8s')
    assert network.classes.labels == LABELS and network.mean_iou is not None
    model, classes = load_network(network, registry.find_weights(network))
    average = checkpoint.load_checkpoint(trained)['average']
    assert classes.labels == LABELS
    card = (trained / 'best' / 'README.md').read_text()
    assert f'| mean_iou | {network.mean_iou:.4f} |' in card and '| 2 | box | unknown |' in card
    assert 'train: 7 pictures' in card and 'label_smoothing: 0.05' in card
    assert '/data' not in card and 'root:' not in card
    last, _ = load_network(network, trained / 'last' / 'model.safetensors')
    torch.testing.assert_close(last.state_dict()['skip8.4.bias'],
                               average['skip8.4.bias'], atol=1e-3, rtol=1e-3)


def test_start_from_weights(data, trained, tmp_path):
    weights = trained / 'last' / 'model.safetensors'

    def start(**network):
        plain = plain_recipe(data)
        plain['network'].update(network)
        recipe = parse_recipe(plain)
        classes = class_set_from_labels(LABELS, 'x')
        return initial_model(recipe, classes).state_dict()

    stored, random = load_file(weights), start()
    whole = start(weights=str(weights))
    part = start(weights=str(weights), weights_part='backbone', decoder='fcn32s')
    for name in ('backbone.conv1.weight', 'skip8.4.weight'):
        assert torch.equal(whole[name], stored[name].float())
        assert not torch.equal(random[name], whole[name])
    assert torch.equal(part['backbone.conv1.weight'], whole['backbone.conv1.weight'])
    assert not torch.equal(part['classifier.4.weight'], whole['classifier.4.weight'])
    other = start(weights=str(weights), weights_part='fitting', decoder='fcn32s')
    assert torch.equal(other['classifier.4.weight'], whole['classifier.4.weight'])
    (tmp_path / 'x.safetensors').write_bytes(weights.read_bytes()[:999])
    with pytest.raises(FcnSegError, match='cannot read the weights'):
        start(weights=str(tmp_path / 'x.safetensors'), weights_part='backbone')
    save_file({'backbone.conv1.weight': torch.zeros(1)}, tmp_path / 'y.safetensors')
    with pytest.raises(FcnSegError, match='lacks backbone.conv1.weight'):
        start(weights=str(tmp_path / 'y.safetensors'), weights_part='backbone')


def test_start_from_a_network_of_the_registry_with_other_classes(data, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    torch.manual_seed(1)
    network = FCNResNet18(3, 'fcn8s')
    write_network(tmp_path / 'fcn_seg_ros/start', network, name='start', size=Size(64, 64),
                  classes=class_set_from_labels(('Wall', 'sky', 'floor'), 'start'))
    plain = plain_recipe(data)
    plain['network'].update(weights='start', weights_part='fitting')
    torch.manual_seed(2)
    state = initial_model(parse_recipe(plain), class_set_from_labels(LABELS, 'x')).state_dict()
    stored = network.state_dict()
    for name in ('backbone.conv1.weight', 'classifier.0.weight'):
        torch.testing.assert_close(state[name], stored[name], atol=1e-2, rtol=1e-2)
    for name in ('classifier.4.weight', 'classifier.4.bias', 'skip8.4.weight'):
        for mine, theirs in ((0, 2), (1, 0)):  # floor and wall
            assert torch.equal(state[name][mine], stored[name][theirs].half().float())
        assert not torch.equal(state[name][2], stored[name][1].half().float())  # a box is no sky
    plain['network'].update(weights='no-such-network')
    with pytest.raises(FcnSegError, match="unknown network 'no-such-network'"):
        initial_model(parse_recipe(plain), class_set_from_labels(LABELS, 'x'))


def test_training_stops_when_it_gets_no_better(data, thin, tmp_path, monkeypatch):
    scores = iter([0.3, 0.5, 0.4, 0.45, 0.6, 0.7])
    monkeypatch.setattr(Trainer, '_validate',
                        lambda self: {'mean_iou': next(scores), 'accuracy': 0.5})
    trainer = train(data, tmp_path, epochs=6, patience=2)
    assert trainer.epoch == 4 and trainer.best == 0.5
    again = train(data, tmp_path, resume=True, epochs=6, patience=2)
    assert again.epoch == 4 and next(scores) == 0.6
    longer = train(data, tmp_path, resume=True, epochs=5, patience=3)
    assert longer.epoch == 5 and longer.best == 0.7


def test_the_estimate_of_the_time_leaves_no_trace(data, thin, uninterrupted, tmp_path, caplog):
    with caplog.at_level('INFO'):
        train(data, tmp_path)
    assert '6 steps of about' in caplog.text and 'what box means to a robot' in caplog.text
    one, two = (checkpoint.load_checkpoint(folder) for folder in (uninterrupted, tmp_path))
    assert_same_state(one, two)


def test_durations_in_words():
    assert [in_words(seconds) for seconds in (10, 60, 4020, 36000)] == [
        'less than a minute', '1 min', '1 h 7 min', '10 h 0 min']


def test_finetune_takes_data_and_name_from_the_command(data, thin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args([
        'train', 'finetune', '--data', 'folder', '--root', str(data), '--name', 'yard',
        '--output', 'run', '--quiet', '--device', 'cpu', '--set', 'network.weights=',
        '--set', 'run.epochs=1', '--set', 'network.size=[64, 64]', '--set',
        'network.crop=[64, 64]'])
    args.run(args)
    assert Registry.load(tmp_path / 'run').get('yard').classes.labels == LABELS


def test_refuses_to_overwrite_or_to_resume_another_recipe(data, thin, uninterrupted):
    with pytest.raises(TrainingError, match='holds a run already'):
        train(data, uninterrupted)
    with pytest.raises(TrainingError, match="'seed' of the recipe is 4, the run had 3"):
        train(data, uninterrupted, resume=True, seed=4)


def test_kill_in_mid_write_keeps_the_old_checkpoint(tmp_path):
    code = ('import os, signal, torch\n'
            'from fcn_seg_ros.training import checkpoint\n'
            f'checkpoint.save_checkpoint({str(tmp_path)!r}, {{"step": 1}})\n'
            'save = torch.save\n'
            'def half(state, file):\n'
            '    save(state, file); file.flush()\n'
            '    os.truncate(file.fileno(), file.tell() // 2)\n'
            '    os.kill(os.getpid(), signal.SIGKILL)\n'
            'torch.save = half\n'
            f'checkpoint.save_checkpoint({str(tmp_path)!r}, {{"step": 2}})\n')
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}
    process = subprocess.run([sys.executable, '-c', code], env=env)
    assert process.returncode == -signal.SIGKILL
    assert checkpoint.load_checkpoint(tmp_path) == {'step': 1}


def test_damaged_checkpoints(tmp_path):
    assert checkpoint.load_checkpoint(tmp_path) is None
    for step in (1, 2):
        checkpoint.save_checkpoint(tmp_path, {'step': step})
    last = tmp_path / checkpoint.LAST
    last.write_bytes(last.read_bytes()[:100])
    assert checkpoint.load_checkpoint(tmp_path) == {'step': 1}
    (tmp_path / checkpoint.PREVIOUS).unlink()
    with pytest.raises(TrainingError, match='no checkpoint can be read'):
        checkpoint.load_checkpoint(tmp_path)


def test_checkpoints_are_not_unpickled(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'harm'),)

    torch.save({'step': Harm()}, tmp_path / checkpoint.LAST)
    with pytest.raises(TrainingError):
        checkpoint.load_checkpoint(tmp_path)
    assert not (tmp_path / 'harm').exists()


def test_batches_of_processes_make_up_the_single_process_batch():
    whole = EpochBatches(11, 4, seed=5)
    parts = [EpochBatches(11, 2, seed=5, rank=r, world=2) for r in range(2)]
    for sampler in (whole, *parts):
        sampler.set_position(epoch=3)
    batches = list(whole)
    assert len(batches) == len(whole) == 2
    for batch, one, two in zip(batches, *parts):
        assert sorted(batch) == sorted(one + two)
    whole.set_position(3, 1)
    assert list(whole) == batches[1:]
    whole.set_position(4)
    assert list(whole) != batches


def test_items_depend_on_their_key_alone():
    def noisy(image, labels):
        return image + torch.randint(0, 9, image.shape, dtype=torch.uint8), labels

    item = torch.zeros(3, 4, 4, dtype=torch.uint8), torch.zeros(4, 4, dtype=torch.uint8)
    dataset = TrainingSet([item], noisy)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = dataset[0, 7][0]
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert torch.equal(dataset[0, 7][0], first)
    assert not torch.equal(dataset[0, 8][0], first)


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
    (('loss', 'teacher'), 'x.safetensors', "loss: 'distill' must be above 0"),
    (('loss', 'temperature'), 0, "'temperature' must be a number from 0.1 to 100"),
    (('data', 'unlabelled'), 'streets', 'teach nothing without a teacher'),
    (('network', 'decoder'), 'fcn16s', 'must be one of fcn32s, fcn8s, ladder4, ladder2, teacher'),
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


def test_a_device_that_is_not_there_is_named(data, tmp_path):
    with pytest.raises(DeviceError, match="device 'cuda:7' is not available"):
        Trainer(parse_recipe(plain_recipe(data)), tmp_path, device='cuda:7')


def test_overrides(tmp_path):
    path = tmp_path / 'recipe.yaml'
    path.write_text(yaml.safe_dump(plain_recipe('/data')))
    recipe = load_recipe(path, ["data.train.exclude=['0001TP_*']", 'run.epochs=9'])
    assert recipe.train.exclude == ('0001TP_*',) and recipe.epochs == 9
    with pytest.raises(TrainingError, match='section.key=value'):
        load_recipe(path, ['run.epochs'])


@pytest.fixture
def teacher(thin, tmp_path, monkeypatch):
    """Return the weights of a stand-in teacher, the last of the classes everywhere."""
    thin_teacher.use(monkeypatch)
    return write_teacher(tmp_path / 'teacher', len(LABELS) - 1)


def write_teacher(folder, answer, labels=LABELS):
    """Write a teacher that is sure of one class, whatever it sees."""
    torch.manual_seed(0)
    model = make_teacher(len(labels))
    torch.nn.init.zeros_(model.score.weight)
    model.score.bias.data = 8.0 * torch.nn.functional.one_hot(
        torch.tensor(answer), len(labels)).float()
    write_network(folder, model, name='tutor', size=Size(64, 64),
                  classes=class_set_from_labels(labels, 'x'))
    return folder / 'model.safetensors'


def distilling(data, weights, **run):
    plain = plain_recipe(data, **run)
    plain['loss'].update(distill=1.0, teacher=str(weights))
    return plain


def start(plain, output, resume=False):
    trainer = Trainer(parse_recipe(plain), output, resume=resume, device='cpu', progress=False)
    trainer.run()
    return trainer


@pytest.fixture
def unlabelled(tmp_path):
    """Return a folder of blue pictures, one of them in a subfolder."""
    folder = tmp_path / 'streets'
    (folder / 'more').mkdir(parents=True)
    for name in ('1.png', '2.jpg', 'more/3.png', 'more/4.png'):
        Image.fromarray(np.full((48, 80, 3), (30, 30, 230), np.uint8)).save(folder / name)
    (folder / 'terms.txt').write_text('mine')
    (folder / '._1.png').write_bytes(b'x')
    return folder


def test_distilling_resumes_bit_exact_and_matters(
        data, teacher, uninterrupted, tmp_path, monkeypatch):
    plain = distilling(data, teacher, checkpoint_every=2)
    start(plain, tmp_path / 'whole')
    step = Trainer._train_step

    def crash(self, *args):
        if self.step == 5:
            raise Interruption
        return step(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, '_train_step', crash)
        with pytest.raises(Interruption):
            start(plain, tmp_path / 'cut')
    torch.manual_seed(99)
    start(plain, tmp_path / 'cut', resume=True)
    one, two, without = (checkpoint.load_checkpoint(folder) for folder in (
        tmp_path / 'whole', tmp_path / 'cut', uninterrupted))
    assert_same_state(one, two)
    bias, before = (state['model']['skip8.bias'] for state in (one, without))
    assert bias[-1] - bias[:-1].mean() > before[-1] - before[:-1].mean() + 0.001


def test_a_teacher_of_other_classes_is_refused(data, teacher, tmp_path):
    other = write_teacher(tmp_path / 'other', 0, (*LABELS[1:], LABELS[0]))
    with pytest.raises(TrainingError, match='the teacher .* knows wall, box, floor, the data'):
        Trainer(parse_recipe(distilling(data, other)), tmp_path / 'run', device='cpu')


@pytest.mark.parametrize('answer', [0, 2])
def test_unlabelled_pictures_teach_what_the_teacher_says(
        data, teacher, unlabelled, tmp_path, monkeypatch, answer):
    plain = distilling(data, write_teacher(tmp_path / 'sure', answer), epochs=10)
    plain['data']['unlabelled'] = str(unlabelled)
    plain['augment'] = {'flip': 0.5}
    plain['optimizer']['rate'] = 0.02
    labelled = []
    step = Trainer._train_step

    def watch(self, images, labels):
        labelled.append((labels != 255).flatten(1).any(1))
        return step(self, images, labels)

    monkeypatch.setattr(Trainer, '_train_step', watch)
    trainer = start(plain, tmp_path / 'run')
    assert len(trainer.sampler) == (7 + 4) // 2
    assert 0.5 < torch.cat(labelled).float().mean() < 0.8  # 7 of 11 have labels
    blue = torch.tensor([30, 30, 230.0]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    with torch.no_grad():
        scores, _ = trainer.averaged.eval().forward_all(blue / 255 / 0.226 - 2)
    assert (scores.argmax(1) == answer).all()
    card = (tmp_path / 'run/best/README.md').read_text()
    assert 'unlabelled: 4 pictures' in card and 'unlabelled: streets' in card
    assert str(tmp_path / 'streets') not in card


def test_unlabelled_pictures_have_no_class_anywhere(unlabelled, tmp_path):
    pictures = UnlabelledPictures(unlabelled)
    assert [path.name for path in pictures.paths] == ['1.png', '2.jpg', '3.png', '4.png']
    image, labels = pictures[2]
    assert image.shape == (3, 48, 80) and image[:, 0, 0].tolist() == [30, 30, 230]
    assert labels.shape == (48, 80) and labels.unique().tolist() == [255]
    with pytest.raises(DatasetError, match='nowhere is missing'):
        UnlabelledPictures(tmp_path / 'nowhere')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DatasetError, match='no picture in .*empty'):
        UnlabelledPictures(tmp_path / 'empty')


def test_unlabelled_pictures_that_are_measured_on_are_refused(
        data, teacher, unlabelled, tmp_path):
    (unlabelled / 'copy.png').write_bytes((data / 'val/images/1.png').read_bytes())
    plain = distilling(data, teacher)
    plain['data']['unlabelled'] = str(unlabelled)
    with pytest.raises(TrainingError, match='unlabelled picture .*copy.png is in val, too'):
        Trainer(parse_recipe(plain), tmp_path / 'run', device='cpu', progress=False)


def test_checkpoints_of_before_distillation_go_on_without_it(
        data, teacher, uninterrupted, tmp_path):
    state = checkpoint.load_checkpoint(uninterrupted)
    for key in ('distill', 'teacher', 'temperature', 'unlabelled'):
        del state['recipe'][key]
    checkpoint.save_checkpoint(tmp_path / 'run', state)
    with pytest.raises(TrainingError, match="'distill' of the recipe is 1.0, the run had 0.0"):
        start(distilling(data, teacher), tmp_path / 'run', resume=True)
    assert start(plain_recipe(data, epochs=3), tmp_path / 'run', resume=True).epoch == 3
