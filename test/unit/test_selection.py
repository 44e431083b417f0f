"""Pictures worth labelling: what is left out, what is chosen, what is written."""

import csv
import math
import sqlite3
import zipfile

import cv2
from fake_segmenter import CLASSES, FakeSegmenter
from fcn_seg_ros.cli.main import main
from fcn_seg_ros.errors import MediaError, OptionError
from fcn_seg_ros.offline.shots import read_shots, recording_names, Shot
from fcn_seg_ros.offline.video_writing import video_sink
from fcn_seg_ros.segmentation import GridScores, Segmentation
from fcn_seg_ros.selection.candidates import (
    Candidate, fault_of, looks_alike, Observer, sharpness_of, thumbnail_of)
from fcn_seg_ros.selection.choice import blurred, choose, doubt_of, explain
from fcn_seg_ros.selection.frames import select_frames, Selection
from fcn_seg_ros.selection.probing import Prober
from fcn_seg_ros.support.arrays import Size
from fcn_seg_ros.training.datasets import open_dataset
from fcn_seg_ros.training.datasets.splitting import sequence_of
import numpy as np
from PIL import Image
import pytest
import test_bags

needs_rosbags = pytest.mark.skipif(not test_bags.STORAGES, reason='rosbags is not installed')


class Bands(FakeSegmenter):
    """The class is red // 64, and the surer the greener."""

    input_size = Size(48, 64)

    def __init__(self):
        self.calls = 0

    def __call__(self, image, mask_size=None, *, probabilities=False):
        self.calls += 1
        size = mask_size or image.shape[:2]
        small = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
        mask = (small[:, :, 0] // 64).astype(np.uint8)
        scores = np.stack([np.where(mask == index, small[:, :, 1] / 16.0, 0)
                           for index in range(4)]).astype(np.float32)
        palette = np.zeros((256, 1, 3), np.uint8)
        palette[:len(CLASSES), 0] = CLASSES.colors
        return Segmentation(small, mask, small[:, :, 1].copy(), CLASSES, palette,
                            GridScores(scores, (0, 1, 2, 3)) if probabilities else None)


def scene(seed, size=(96, 128), *, sure=True):
    """Return a picture of sharp blocks, another one for each seed."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = image.repeat(size[0] // 6, 0).repeat(size[1] // 8, 1)
    image[:, :, 1] = 250 if sure else 0
    return image


def shot(image, number=0, time=0.0, recording='yard', why='probe'):
    return Shot(recording, number, time, f'{recording}_{number:04d}', why, image)


def candidate(number, look=0, *, entropy=0.1, recording='yard', shares=(1, 0, 0, 0),
              sharpness=1.0, disagreement=math.nan):
    """Return a candidate that looks like all others of the same ``look``."""
    rng = np.random.default_rng(look)
    thumbnail = rng.integers(0, 256, (24, 32, 3)).astype(np.int64)
    jitter = np.random.default_rng(number).integers(-8, 9, (24, 32, 3))
    return Candidate(
        recording, number, float(number), f'{recording}_{number:04d}', sharpness,
        np.clip(thumbnail + jitter, 0, 255).astype(np.uint8), entropy,
        np.array(shares, np.float32), rng.random(48).astype(np.float32), disagreement)


def numbers(candidates, chosen):
    return [candidates[index].number for index in chosen]


# What a picture is worth by itself


def test_black_and_blank_pictures_are_told_from_dark_ones():
    rng = np.random.default_rng(0)
    black = rng.integers(0, 25, (96, 128, 3), dtype=np.uint8)
    white = np.full((96, 128, 3), 250, np.uint8)
    night = black.copy()
    night[40:60, 50:80] = 120  # a lamp
    assert [fault_of(image) for image in (black, white, night, scene(0))] == \
        ['black', 'blank', '', '']


@pytest.mark.parametrize('kernel', [
    cv2.getGaussianKernel(9, 2) @ cv2.getGaussianKernel(9, 2).T, np.ones((1, 9)) / 9,
    np.ones((9, 1)) / 9, np.eye(9) / 9], ids=['focus', 'across', 'down', 'aslant'])
def test_what_is_blurred_or_shaken_in_any_direction_is_less_sharp(kernel):
    rng = np.random.default_rng(1)
    image = np.zeros((240, 320, 3), np.uint8)
    for _ in range(80):
        corners = rng.integers(0, 320, 2) + rng.integers(-40, 40, (3, 2))
        cv2.fillPoly(image, [corners], rng.integers(0, 256, 3).tolist(), cv2.LINE_AA)
    assert sharpness_of(cv2.filter2D(image, -1, kernel)) < 0.65 * sharpness_of(image)


def test_a_scene_with_little_in_it_is_no_less_sharp():
    full, plain = scene(2), np.full((96, 128, 3), 100, np.uint8)
    plain[30:60, 40:90] = 140
    assert sharpness_of(plain) > 0.8 * sharpness_of(full)


def test_blurred_is_what_is_less_sharp_than_its_own_recording():
    soft = [candidate(number, sharpness=0.3, recording='soft lens') for number in range(9)]
    sharp = [candidate(number, sharpness=1.0) for number in range(9)]
    shaken = candidate(9, sharpness=0.5)
    assert blurred([*soft, *sharp, shaken]).tolist() == [False] * 18 + [True]


def test_near_duplicates_look_alike_in_spite_of_noise():
    rng = np.random.default_rng(3)
    image = scene(3)
    noisy = np.clip(image + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)
    assert looks_alike(thumbnail_of(image), thumbnail_of(noisy))
    assert not looks_alike(thumbnail_of(image), thumbnail_of(np.roll(image, 16, 1)))


def test_the_network_is_asked_how_sure_it_is_and_what_it_sees():
    observer = Observer(Bands())
    sure, _ = observer.observe(shot(scene(4)), scene(4))
    unsure, _ = observer.observe(shot(scene(4)), scene(4, sure=False))
    assert sure.entropy < 0.01
    assert unsure.entropy == pytest.approx(1)
    assert sure.shares.sum() == pytest.approx(1)
    expected = [(scene(4)[:, :, 0] // 64 == index).mean() for index in range(4)]
    assert sure.shares == pytest.approx(expected, abs=0.02)
    assert sure.layout.shape == (4 * 12,)
    assert sure.layout.reshape(4, 12).sum(axis=0) == pytest.approx(1, abs=1e-3)


def test_what_moves_a_little_does_not_disagree_and_what_turns_up_does():
    segmenter = Bands()
    observer = Observer(segmenter)
    image = np.full((48, 64, 3), (10, 250, 0), np.uint8)
    image[10:30, 10:30] = 250, 250, 0
    _, mask = observer.observe(shot(image), image)
    assert observer.compare(mask, np.roll(image, 2, 1)) == 0
    gone = image.copy()
    gone[:, :] = 10, 250, 0
    assert observer.compare(mask, gone) == pytest.approx(20 * 20 / (48 * 64), abs=0.02)


# What is looked at


def test_recordings_are_looked_at_at_a_bounded_rate_and_each_with_the_frame_after_it():
    prober = Prober(Observer(Bands()), rate=2)
    why = []
    for number in range(60):  # 20 Hz
        why.append(prober.wanted('yard', number, number / 20))
        if why[-1]:
            prober.look_at(shot(scene(number), number, number / 20, why=why[-1]))
    assert [index for index, word in enumerate(why) if word == 'probe'] == [0, 10, 20, 30, 40, 50]
    assert [index for index, word in enumerate(why) if word == 'following'] == \
        [1, 11, 21, 31, 41, 51]
    found = prober.candidates()
    assert [one.number for one in found] == [0, 10, 20, 30, 40, 50]
    assert all(one.disagreement > 0.1 for one in found)


def test_a_frame_that_comes_much_later_is_no_neighbour():
    prober = Prober(Observer(Bands()), rate=0.1)
    assert prober.wanted('yard', 0, 0.0) == 'probe'
    prober.look_at(shot(scene(0)))
    assert prober.wanted('yard', 1, 0.3) == ''
    assert prober.wanted('yard', 2, 0.35) == ''
    assert math.isnan(prober.candidates()[0].disagreement)


def test_what_cannot_be_chosen_is_counted_and_costs_no_network():
    segmenter = Bands()
    prober = Prober(Observer(segmenter), rate=1)
    black = np.zeros((96, 128, 3), np.uint8)
    for number, image in enumerate([scene(0), scene(0), None, black, black + 200, scene(1)]):
        assert prober.wanted('yard', number, float(number)) == 'probe'
        prober.look_at(shot(image, number, float(number)))
    assert [one.number for one in prober.candidates()] == [0, 5]
    assert (prober.seen, segmenter.calls) == (6, 2)
    assert prober.left_out == {'as the one before': 1, 'unreadable': 1, 'black': 1, 'blank': 1}


def test_an_endless_recording_does_not_fill_the_memory():
    prober = Prober(Observer(Bands()), rate=10, limit=8)
    for number in range(200):
        if prober.wanted('yard', number, number / 10) == 'probe':
            prober.look_at(shot(scene(number), number, number / 10))
    kept = [one.number for one in prober.candidates()]
    assert 4 <= len(kept) <= 8
    assert kept[0] == 0 and kept[-1] > 150  # and all of it is covered
    assert prober.seen < 60


# What is chosen


def test_each_kind_of_view_is_chosen_before_any_comes_twice():
    candidates = [candidate(number, look=number // 10) for number in range(50)]
    chosen = numbers(candidates, choose(candidates, 5))
    assert sorted(number // 10 for number in chosen) == [0, 1, 2, 3, 4]


def test_views_that_last_are_spread_over_time():
    candidates = [candidate(number, look=0) for number in range(60)]
    chosen = sorted(numbers(candidates, choose(candidates, 6)))
    assert min(np.diff(chosen)) >= 5


def test_among_like_views_the_doubtful_one_is_chosen():
    candidates = [candidate(number, look=number // 10, entropy=0.9 if number % 10 == 4 else 0.1)
                  for number in range(30)]
    chosen = numbers(candidates, choose(candidates, 3))
    assert sorted(chosen) == [4, 14, 24]


def test_a_class_that_is_seldom_seen_and_frames_that_disagree_are_doubtful():
    candidates = [candidate(number) for number in range(8)]
    candidates += [candidate(8, shares=(0.9, 0.1, 0, 0)), candidate(9, disagreement=0.2),
                   candidate(10, disagreement=0.1)]
    doubt = doubt_of(candidates)
    assert doubt.rarity.argmax() == 8 and doubt.rarest[8] == 1
    assert doubt.disagreement[9] == 1 and doubt.disagreement[10] == 0
    assert set(doubt.disagreement[:9]) == {0.5}


def test_no_two_that_look_alike_are_chosen_even_where_too_few_are_left():
    same = candidate(0).thumbnail
    candidates = [Candidate('yard', number, number, str(number), 1.0, same if number < 5 else
                            candidate(number, look=number).thumbnail, 0.1,
                            np.ones(4, np.float32), np.ones(48, np.float32))
                  for number in range(8)]
    chosen = choose(candidates, 8)
    assert len(chosen) == 4 and sum(index < 5 for index in chosen) == 1


def test_the_same_seed_chooses_the_same_and_another_may_not():
    candidates = [candidate(number, look=number) for number in range(400)]
    first, again, other = (choose(candidates, 20, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == len(set(other)) == 20


def test_nothing_to_choose_from_gives_nothing():
    assert choose([], 5) == []
    assert explain([], [], ()) == []


def test_reasons_say_what_stands_out():
    candidates = [candidate(number, look=number // 10) for number in range(20)]
    candidates[5] = candidate(5, entropy=0.8, shares=(0.5, 0, 0.5, 0), disagreement=0.3)
    candidates[6] = candidate(6, disagreement=0.1)
    choice, = explain(candidates, [5], CLASSES.labels)
    assert choice.stands_for == 20
    assert set(choice.reasons) == {
        'the network is unsure (top 1 %)',
        'the next frame is seen differently (top 1 %)',
        'shows light, which is seldom seen', 'stands for 20 pictures like it'}


# What is written


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
    types = test_bags.TYPES
    height, width = image.shape[:2]
    return types[test_bags.IMAGE](
        header=test_bags.header(index), height=height, width=width, encoding=encoding,
        is_bigendian=0, step=image.size // height, data=image.reshape(-1))


@needs_rosbags
@pytest.mark.parametrize('storage', test_bags.STORAGES)
def test_bags_give_the_pictures_of_all_cameras_and_no_depth(tmp_path, storage):
    front = [image_message(scene(index), index) for index in range(6)]
    front[2] = b'\0\1\0\0damaged'
    rear = [test_bags.compressed(index) for index in range(6)]
    depth = [image_message(np.zeros((4, 8), np.uint8), index, '16UC1') for index in range(6)]
    bag = test_bags.write_bag(tmp_path / 'drive7', {
        '/front/image_raw': (test_bags.IMAGE, front),
        '/rear/image/compressed': (test_bags.COMPRESSED, rear),
        '/front/depth/image_raw': (test_bags.IMAGE, depth)}, storage)
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
    bag = test_bags.write_bag(tmp_path / 'drive', {
        '/image': (test_bags.IMAGE, [image_message(scene(index), index) for index in range(6)])},
        test_bags.StoragePlugin.SQLITE3)
    with sqlite3.connect(next(bag.glob('*.db3'))) as file:
        file.execute('update messages set data = 5 where id = 4')
    said = []
    outcome = select_frames(Bands(), [bag], tmp_path / 'out', Selection(rate=100),
                            report=said.append)
    assert outcome.written == outcome.seen >= 1


# What is refused


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
