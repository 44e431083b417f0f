"""``fcn-seg frames``: what it writes of folders, videos and bags, and what it refuses."""

import csv
import sqlite3
import zipfile

from banded_scenes import Bands, scene
from fake_segmenter import CLASSES
from fcn_seg_ros.cli.main import main
from fcn_seg_ros.errors import MediaError, OptionError
from fcn_seg_ros.offline.shots import read_shots, recording_names
from fcn_seg_ros.offline.video_writing import video_sink
from fcn_seg_ros.selection.frames import select_frames, Selection
from fcn_seg_ros.training.datasets import open_dataset
from fcn_seg_ros.training.datasets.splitting import sequence_of
import numpy as np
from PIL import Image
import pytest
import small_bags

needs_rosbags = pytest.mark.skipif(not small_bags.STORAGES, reason='rosbags is not installed')


@pytest.fixture
def drives(tmp_path):
    """Return a folder of pictures and a video: ten views, each seen for a while."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    for number in range(12):
        Image.fromarray(scene(number // 3 + 100)).save(folder / f'dusk_{number:03d}.png')
    (folder / 'dusk_100.png').write_bytes(b'not a picture')
    video = tmp_path / 'yard.avi'
    with video_sink(video, 10) as write:
        for number in range(40):
            write(scene(number // 10), number / 10, 0.1)
    return folder, video


def rows_of(folder):
    with open(folder / 'frames.csv', newline='') as file:
        return list(csv.DictReader(file))


def test_pictures_of_folders_and_videos_are_written_with_their_reasons(drives, tmp_path):
    outcome = select_frames(Bands(), drives, tmp_path / 'out', Selection(count=6))
    rows = rows_of(tmp_path / 'out')
    names = sorted(path.name for path in (tmp_path / 'out' / 'images').iterdir())
    assert outcome.written == len(rows) == len(names) == 6
    assert sorted(row['picture'] for row in rows) == [f'images/{name}' for name in names]
    assert outcome.left_out == {'as the one before': 8, 'unreadable': 1}
    assert [row['order'] for row in rows] == list('123456')
    assert all(row['reasons'] for row in rows)
    assert {row['recording'] for row in rows} == {'photos', 'yard'}
    for row in rows:
        image = np.array(Image.open(tmp_path / 'out' / row['picture'])).astype(int)
        number = int(row['number'])
        truth = scene(number // 10) if row['recording'] == 'yard' else scene(number // 3 + 100)
        assert abs(image - truth).mean() < 12, row
    sheet = np.array(Image.open(tmp_path / 'out' / 'contact_sheet.jpg'))
    assert min(sheet.shape[:2]) > 300


def test_names_tell_recording_and_time_to_the_splits(drives, tmp_path):
    select_frames(Bands(), drives, tmp_path / 'out', Selection(count=8))
    found = {}
    for path in (tmp_path / 'out' / 'images').iterdir():
        recording, number = sequence_of(path)
        found.setdefault(recording.rpartition('/')[2], []).append(number)
    assert set(found) == {'photos_dusk', 'yard'}
    assert all(number % 1000 == 0 for number in found['yard'])  # milliseconds


def test_fewer_than_asked_for_are_all_there_are(drives, tmp_path):
    outcome = select_frames(Bands(), drives, tmp_path / 'out', Selection(count=50))
    assert outcome.written == outcome.candidates == 8


def test_the_same_is_written_again(drives, tmp_path):
    for name in ('one', 'two'):
        select_frames(Bands(), drives, tmp_path / name, Selection(count=5, seed=3,
                                                                  prelabel='labelme'))
    first, second = ({path.relative_to(tmp_path / name): path.read_bytes()
                      for path in (tmp_path / name).rglob('*') if path.is_file()}
                     for name in ('one', 'two'))
    assert list(first.values()) == list(second.values()) and len(first) == 12


def test_equal_names_of_sources_and_pictures_are_told_apart(tmp_path):
    for number, folder in enumerate((tmp_path / 'a/run', tmp_path / 'b/run')):
        folder.mkdir(parents=True)
        Image.fromarray(scene(2 * number)).save(folder / 'one.png')
        Image.fromarray(scene(2 * number + 1)).save(folder / 'one.bmp')
    sources = [tmp_path / 'a/run', tmp_path / 'b/run']
    assert recording_names(sources) == ['run', 'run-copy1']
    outcome = select_frames(Bands(), sources, tmp_path / 'out', Selection())
    assert outcome.written == 4
    assert len(list((tmp_path / 'out' / 'images').iterdir())) == 4


def test_labelme_opens_the_masks_of_the_network(drives, tmp_path):
    select_frames(Bands(), drives[:1], tmp_path / 'out', Selection(prelabel='labelme'))
    (tmp_path / 'out' / 'classes.txt').write_text('\n'.join(CLASSES.labels))
    dataset = open_dataset('labelme', tmp_path / 'out', 'all')
    assert len(dataset) == 4
    for picture, labels in dataset:
        expected = Bands()(picture.permute(1, 2, 0).numpy()).class_mask
        assert (labels.numpy() == expected).mean() > 0.9


def test_cvat_imports_the_masks_of_the_network(drives, tmp_path):
    select_frames(Bands(), drives[:1], tmp_path / 'out', Selection(prelabel='cvat'))
    names = {path.name for path in (tmp_path / 'out' / 'images').iterdir()}
    with zipfile.ZipFile(tmp_path / 'out' / 'cvat_masks.zip') as archive:
        masks = [name for name in archive.namelist() if name.startswith('SegmentationClass/')]
        archive.extractall(tmp_path / 'out')
    assert {name.replace('SegmentationClass/', '').replace('.png', '.jpg')
            for name in masks} == names
    dataset = open_dataset('cvat', tmp_path / 'out', 'all')
    picture, labels = dataset[0]
    order = [CLASSES.labels.index(label) for label in dataset.classes.labels]
    expected = Bands()(picture.permute(1, 2, 0).numpy()).class_mask
    assert (np.array(order)[labels.numpy()] == expected).mean() > 0.9  # JPEG


def image_message(image, index, encoding='rgb8'):
    types = small_bags.TYPES
    height, width = image.shape[:2]
    return types[small_bags.IMAGE](
        header=small_bags.header(index), height=height, width=width, encoding=encoding,
        is_bigendian=0, step=image.size // height, data=image.reshape(-1))


@needs_rosbags
@pytest.mark.parametrize('storage', small_bags.STORAGES)
def test_bags_give_the_pictures_of_all_cameras_and_no_depth(tmp_path, storage):
    front = [image_message(scene(index), index) for index in range(6)]
    front[2] = b'\0\1\0\0damaged'
    rear = [small_bags.compressed(index) for index in range(6)]
    depth = [image_message(np.zeros((4, 8), np.uint8), index, '16UC1') for index in range(6)]
    bag = small_bags.write_bag(tmp_path / 'drive7', {
        '/front/image_raw': (small_bags.IMAGE, front),
        '/rear/image/compressed': (small_bags.COMPRESSED, rear),
        '/front/depth/image_raw': (small_bags.IMAGE, depth)}, storage)
    shots = list(read_shots(bag, 'drive7', lambda *_: 'all'))
    by = {}
    for one in shots:
        by.setdefault(one.recording, []).append(one)
    assert {name: len(group) for name, group in by.items()} == {
        'drive7_front-image_raw': 6, 'drive7_rear-image-compressed': 6}
    seen = by['drive7_front-image_raw']
    assert [one.image is None for one in seen] == [False, False, True, False, False, False]
    assert 'damaged' in seen[2].problem
    assert (seen[3].image == scene(3)).all()
    assert seen[3].name == 'drive7_front-image_raw_0000000103999999993'
    assert sequence_of(tmp_path / f'{seen[3].name}.jpg')[1] == 103_999_999_993
    only = list(read_shots(bag, 'drive7', lambda _, number, __: 'some' if number == 1 else '',
                           topics=('/rear/image/compressed',)))
    assert [(one.recording, one.number) for one in only] == [('drive7', 1)]


@needs_rosbags
def test_a_bag_that_breaks_off_gives_what_it_has(tmp_path):
    bag = small_bags.write_bag(tmp_path / 'drive', {
        '/image': (small_bags.IMAGE, [image_message(scene(index), index) for index in range(6)])},
        small_bags.StoragePlugin.SQLITE3)
    with sqlite3.connect(next(bag.glob('*.db3'))) as file:
        file.execute('update messages set data = 5 where id = 4')
    said = []
    outcome = select_frames(Bands(), [bag], tmp_path / 'out', Selection(rate=100),
                            report=said.append)
    assert outcome.written == outcome.seen >= 1


def test_what_cannot_work_is_refused_before_anything_is_written(drives, tmp_path):
    taken = tmp_path / 'taken'
    taken.mkdir()
    dark = tmp_path / 'dark'
    dark.mkdir()
    Image.new('RGB', (64, 48)).save(dark / '1.png')
    for sources, target, words in (
            (drives, taken, 'exists already'), ([tmp_path / 'nowhere'], 'x', 'does not exist'),
            (['/dev/video9'], 'x', 'record it first'), ([dark], 'x', '1 black')):
        with pytest.raises(MediaError, match=words):
            select_frames(Bands(), sources, tmp_path / target, Selection())
    with pytest.raises(MediaError, match='--topic is for bags'):
        select_frames(Bands(), drives, tmp_path / 'x', Selection(topics=('/image',)))
    assert not list(tmp_path.glob('*x*'))
    for options in ({'count': 0}, {'count': 10**6}, {'rate': 0}, {'seed': -1},
                    {'prelabel': 'paint'}):
        with pytest.raises(OptionError, match=next(iter(options))):
            Selection(**options)


def test_the_command_says_what_it_did(drives, tmp_path, capsys):
    arguments = ['frames', *map(str, drives), str(tmp_path / 'out'), '--device', 'cpu']
    assert main([*arguments, '--count', '20', '--topic', '/image']) == 1
    assert '--topic is for bags' in capsys.readouterr().err
    assert main([*arguments, '--count', '20']) == 0
    said = capsys.readouterr().out
    assert 'looked at 17 pictures, left out 8 as the one before, 1 unreadable' in said
    assert 'only 8 of 20 pictures' in said
    assert len(rows_of(tmp_path / 'out')) == 8
    assert main(arguments) == 1
    assert 'exists already' in capsys.readouterr().err
