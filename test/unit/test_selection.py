"""Pictures worth labelling: what is left out and what is chosen."""

import math

from banded_scenes import Bands, scene
import cv2
from fake_segmenter import CLASSES
from fcn_seg_ros.offline.shots import Shot
from fcn_seg_ros.selection.candidates import (
    Candidate, fault_of, looks_alike, Observer, sharpness_of, thumbnail_of)
from fcn_seg_ros.selection.choice import blurred, choose, doubt_of, explain
from fcn_seg_ros.selection.probing import Prober
import numpy as np
import pytest


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


def test_a_rate_like_the_cameras_own_misses_none_that_come_a_little_early():
    prober = Prober(Observer(Bands()), rate=5)
    jitter = np.random.default_rng(0).uniform(-0.02, 0.02, 100)
    assert {prober.wanted('yard', number, number / 5 + jitter[number])
            for number in range(100)} == {'probe'}


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
