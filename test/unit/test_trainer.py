"""Training: resumed runs equal uninterrupted ones bit for bit, whatever interrupts them."""

import argparse
import os
from pathlib import Path
import signal
import subprocess
import sys

from fcn_seg_ros.cli import train as command
from fcn_seg_ros.errors import DeviceError, FcnSegError, TrainingError
from fcn_seg_ros.networks.classes import class_set_from_labels
from fcn_seg_ros.networks.model import FCNResNet18
from fcn_seg_ros.networks.registry import Registry
from fcn_seg_ros.networks.weights import load_network
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training import checkpoint
from fcn_seg_ros.training.folder import write_network
from fcn_seg_ros.training.initial import initial_model
from fcn_seg_ros.training.loader import EpochBatches, TrainingSet
from fcn_seg_ros.training.recipe import parse_recipe
from fcn_seg_ros.training.trainer import Trainer
import pytest
from safetensors.torch import load_file, save_file
from small_trainings import assert_same_state, Interruption, LABELS, plain_recipe, train
import torch
import yaml

pytestmark = pytest.mark.usefixtures('one_thread')

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


def test_a_device_that_is_not_there_is_named(data, tmp_path):
    with pytest.raises(DeviceError, match="device 'cuda:7' is not available"):
        Trainer(parse_recipe(plain_recipe(data)), tmp_path, device='cuda:7')
