"""What is said, and refused, before a network is trained or measured."""

from dataclasses import replace
import json
import shutil

from fcn_seg_ros.errors import TrainingError
from fcn_seg_ros.training.datasets import open_dataset
from fcn_seg_ros.training.recipe import parse_recipe
from fcn_seg_ros.training.summary import check_training, summarise, to_dict, to_text
from fcn_seg_ros.training.trainer import Trainer
import numpy as np
from PIL import Image
import pytest
import thin_fcn

LABELS = ('floor', 'wall', 'box')


def write(root, split, name, values, seed):
    """Write one picture of 32x32 noise, with labels of these values in equal stripes."""
    for kind in ('images', 'labels'):
        (root / split / kind).mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(root / split / 'images' / f'{name}.png')
    labels = np.repeat(np.array(values, np.uint8), 32 // len(values))[:, None]
    Image.fromarray(np.broadcast_to(labels, (32, 32)).copy()).save(
        root / split / 'labels' / f'{name}.png')


@pytest.fixture
def root(tmp_path):
    (tmp_path / 'classes.txt').write_text('\n'.join(LABELS))
    write(tmp_path, 'train', 'a', (0, 1), 1)
    write(tmp_path, 'train', 'b', (0, 255), 2)
    write(tmp_path, 'val', 'c', (0, 2), 3)
    return tmp_path


def summaries(root, **options):
    return [summarise(open_dataset('folder', root, split, **options), split)
            for split in ('train', 'val')]


def recipe(root):
    return parse_recipe({
        'name': 'tiny', 'data': {part: {'name': 'folder', 'root': str(root)}
                                 for part in ('train', 'val')},
        'network': {'size': [32, 32]}, 'optimizer': {'rate': 0.001},
        'run': {'epochs': 1, 'batch': 2}})


def test_counts_per_class_and_split(root):
    (root / 'val/images/notes.txt').write_text('?')
    train, val = summaries(root)
    assert train.pixels[[0, 1, 2, 255]].tolist() == [1024, 512, 0, 512]
    assert train.occurrences[[0, 1, 2]].tolist() == [2, 1, 0]
    assert train.absent == ['box'] and val.absent == ['wall']
    text = to_text([train, val])
    assert 'train: 2 pictures, 25.00 % of the pixels without a class' in text
    assert '| floor | 1024 | 66.67 % | 2 | 512 | 50.00 % | 1 |' in text
    assert 'train: no pixel of box\n' in text and 'val: no pixel of wall\n' in text
    assert 'val: 1 left out, of no format that is read: notes.txt' in text
    data = json.loads(json.dumps(to_dict(val)))
    assert data['absent'] == ['wall'] and data['classes']['box'] == {'pixels': 512, 'pictures': 1}


def test_excluded_pictures_are_counted(root):
    train, _ = [summarise(open_dataset('folder', root, 'train', exclude=['b']), 'train'), None]
    assert "train: 1 left out, among 'exclude': b.png" in to_text([train])


def test_what_is_so_of_both_splits_is_said_once(root):
    train, val = summaries(root)
    text = to_text([replace(split, notes=('one recording', split.name)) for split in (train, val)])
    assert text.count('one recording') == 1 and '\ntrain, val: one recording\n' in text
    assert '\ntrain: train\n' in text and text.endswith('\nval: val\n')


def test_one_class_is_nothing_to_train(root):
    write(root, 'train', 'a', (0, 0), 1)
    with pytest.raises(TrainingError, match="only 'floor' has pixels in train .no pixel of wall, "
                                            'box.'):
        check_training(*summaries(root))
    with pytest.raises(TrainingError, match="only 'floor' has pixels"):
        Trainer(recipe(root), root / 'run', device='cpu', progress=False)
    assert not (root / 'run').exists()


def test_a_picture_of_both_splits_is_found_by_its_content(root):
    for kind in ('images', 'labels'):
        shutil.copy(root / 'train' / kind / 'a.png', root / 'val' / kind / 'other-name.png')
    with pytest.raises(TrainingError, match='train and val have 1 of their pictures in common, '
                                            'such as .*a.png and .*other-name.png'):
        Trainer(recipe(root), root / 'run', device='cpu', progress=False)


def test_training_says_what_it_trains_on(root, caplog, monkeypatch):
    thin_fcn.use(monkeypatch)
    with caplog.at_level('INFO'):
        Trainer(recipe(root), root / 'run', device='cpu', progress=False)
    assert '| wall | 512 | 33.33 % | 1 |' in caplog.text
    warnings = [record.message for record in caplog.records if record.levelname == 'WARNING']
    assert 'train has no pixel of box' in warnings and 'val has no pixel of wall' in warnings
