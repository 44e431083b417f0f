"""Pictures that nobody divided into training and validation: recordings stay whole."""

from pathlib import Path

from fcn_seg_ros.training.datasets import open_dataset
from fcn_seg_ros.training.datasets.splitting import divide, sequence_of
import pytest
from small_exports import make


def items(*names):
    return [(Path(name), name) for name in names]


def test_names_tell_recordings():
    assert sequence_of(Path('d/drive_000012.png')) == ('d/drive', 12)
    assert sequence_of(Path('d/drive_000012_png.rf.9aBc.jpg')) == ('d/drive', 12)
    assert sequence_of(Path('d/0a1b2c3d-drive_000012.png')) == ('d/drive', 12)
    assert sequence_of(Path('d/kitchen.png')) == ('d/kitchen', 0)


def test_recordings_are_divided_as_wholes():
    names = [f'{run}_{i}.png' for run in 'abcde' for i in range(10)]
    train, val, between, note = divide(items(*names))
    assert {name for _, name in val} == {f'e_{i}.png' for i in range(10)}
    assert len(train) == 40 and not between and '5' in note


@pytest.mark.parametrize('sizes, validates', [
    ({'a': 40, 'b': 10}, 'b'), ({'a': 10, 'b': 40}, 'a'), ({'a': 8, 'b': 12, 'c': 40}, 'b'),
    ({'a': 17, 'b': 17, 'c': 16}, 'c')])
def test_the_last_recordings_validate_or_the_one_that_is_about_a_fifth(sizes, validates):
    names = [f'{run}_{i}.png' for run, count in sizes.items() for i in range(count)]
    train, val, between, _ = divide(items(*names))
    assert {name[0] for _, name in val} == {validates} and len(val) == sizes[validates]
    assert len(train) == len(names) - len(val) and not between


def test_two_halves_are_no_recordings_to_validate():
    names = [f'{run}_{i}.png' for run in 'ab' for i in range(25)]
    train, val, between, note = divide(items(*names))
    assert [name for _, name in val] == [f'b_{i}.png' for i in range(15, 25)]
    assert len(train) + len(between) == 40 and between
    assert note.startswith('none of the 2 recordings is about a fifth of the pictures')


@pytest.mark.parametrize('count', [2, 3, 10, 100])
def test_one_recording_is_cut_once_with_a_gap(count):
    names = [f'a_{i}.png' for i in reversed(range(count))]
    train, val, between, note = divide(items(*names))
    numbers = [[int(name[2:-4]) for _, name in part] for part in (train, between, val)]
    assert sum(numbers, []) == list(range(count))  # in time, not by text
    assert train and val and (between or count == 2) and 'one recording' in note
    assert len(val) == max(1, count // 5)


def test_an_undivided_export_is_divided_once_for_train_and_val(tmp_path):
    make(tmp_path / 'export', 'coco', names=[f'a_{i}' for i in range(10)])
    train, val = (open_dataset('coco', tmp_path / 'export', split) for split in ('train', 'val'))
    assert [path.stem for path, _ in val.items] == ['a_8', 'a_9']
    assert [path.stem for path, _ in train.items] == [f'a_{i}' for i in range(7)]
    assert [(path.stem, why) for path, why in train.left_out] == [
        ('a_7', 'between train and val')]
    assert 'one recording' in train.notes[0]


def test_an_exports_own_split_is_kept(tmp_path):
    for part, names in (('train', ('a_1', 'a_2')), ('valid', ('b_1',))):
        make(tmp_path / 'x', 'roboflow', names)
        (tmp_path / 'export').mkdir(exist_ok=True)
        (tmp_path / 'x/train').rename(tmp_path / 'export' / part)
    counts = {split: len(open_dataset('roboflow', tmp_path / 'export', split))
              for split in ('train', 'val', 'all')}
    assert counts == {'train': 2, 'val': 1, 'all': 3}
