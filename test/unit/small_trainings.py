"""Trainings that take seconds: a data set of blocks, a recipe for it, and what both come to."""

from contextlib import contextmanager

from fcn_seg_ros.training.recipe import parse_recipe
from fcn_seg_ros.training.trainer import Trainer
import numpy as np
from PIL import Image
import pytest
import thin_fcn
import torch

LABELS = ('floor', 'wall', 'box')


def write_data(root):
    """Return a folder data set: coloured blocks, 7 pictures to train and 2 to validate."""
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
    return start(plain_recipe(data, **run), output, resume)


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


def start(plain, output, resume=False):
    trainer = Trainer(parse_recipe(plain), output, resume=resume, device='cpu', progress=False)
    trainer.run()
    return trainer


@contextmanager
def one_thread():
    """Let PyTorch compute with one thread, whose sums come out the same each time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def whole_run(data, output):
    """Train the thin network without a break; return the folder."""
    with pytest.MonkeyPatch.context() as patch:
        thin_fcn.use(patch)
        train(data, output)
    return output
