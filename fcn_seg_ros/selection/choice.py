"""Choose the few candidates that stand best for all, the doubtful ones before the sure."""

from collections.abc import Sequence
from dataclasses import dataclass
import math

import cv2
import numpy as np

from .candidates import Candidate, looks_alike
from ..support.arrays import BoolArray, Float32Array, Float64Array, Int64Array

SEEN = 0.002
"""Share of its pixels from which on a picture shows a class."""

_BLURRED = 0.65  # of the median sharpness of what was recorded around; CamVid's least is 0.74
_AROUND = 15  # candidates before and after
_PALETTE = (6, 8)  # cells in which colours are compared
# How much more the most doubtful candidate counts than the surest.  Little: with 1.0 less was
# learned from as many pictures of gardens and of CamVid, most of all from 24 (test/proof).
_DOUBT = 0.3
_TRIALS = 256  # candidates that are tried for each place, a seeded sample where there are more
_VIEW, _TIME = 1.0, 0.5  # weights of how things look, and of when they were seen
_HIGH = 0.8  # a rank from which on a doubt is a reason


@dataclass(frozen=True, eq=False)
class Choice:
    """
    A chosen candidate, and why.

    :ivar candidate: what was chosen.
    :ivar stands_for: number of candidates that it is the most similar of the chosen ones to.
    :ivar reasons: texts, the most important first.
    """

    candidate: Candidate
    stands_for: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Doubt:
    """
    How much there is to learn from each candidate, ranks from 0 (least) to 1 among them all.

    :ivar entropy: float64 N, how unsure the network is.
    :ivar disagreement: float64 N, how much neighbouring frames disagree, 0.5 where not known.
    :ivar rarity: float64 N, how seldom the rarest class is seen that it shows.
    :ivar rarest: int64 N, id of that class.
    """

    entropy: Float64Array
    disagreement: Float64Array
    rarity: Float64Array
    rarest: Int64Array

    @property
    def total(self) -> Float64Array:
        """Return all of them together, float64 N, from 0 to 1."""
        return (2 * self.entropy + self.disagreement + self.rarity) / 4


def blurred(candidates: Sequence[Candidate]) -> BoolArray:
    """
    Tell which candidates are much less sharp than what was recorded just before and after.

    :param candidates: of any recordings, each in order.
    :returns: bool array N.
    """
    result = np.zeros(len(candidates), bool)
    for indices in _by_recording(candidates):
        sharpness = np.array([candidates[index].sharpness for index in indices])
        for place, index in enumerate(indices):
            around = sharpness[max(0, place - _AROUND):place + _AROUND + 1]
            result[index] = sharpness[place] < _BLURRED * np.median(around)
    return result


def doubt_of(candidates: Sequence[Candidate]) -> Doubt:
    """
    Return how much there is to learn from each candidate.

    :param candidates: at least one.
    """
    shown = np.stack([candidate.shares for candidate in candidates]) >= SEEN
    # The share of the candidates that a class is seen in; one never seen is nobody's.
    often = shown.mean(axis=0)
    often[often == 0] = 1.0
    seldom = np.where(shown, 1 - often, 0)
    return Doubt(_ranks(np.array([candidate.entropy for candidate in candidates])),
                 _ranks(np.array([candidate.disagreement for candidate in candidates])),
                 _ranks(seldom.max(axis=1)), seldom.argmax(axis=1))


def choose(candidates: Sequence[Candidate], count: int, seed: int = 0) -> list[int]:
    """
    Choose candidates one by one, each time the one that most is gained by.

    What is gained is how much more similar the candidates become to the nearest chosen one, in
    view and time, and it counts more for a candidate that the network is in doubt about
    (greedy facility location).  Of more than some hundreds a seeded sample is tried at each step.
    None looks like another one chosen.

    :param candidates: what there is.
    :param count: how many to choose.
    :param seed: of the samples.
    :returns: indices, in the order of being chosen; fewer where there are no more.
    """
    if not candidates:
        return []
    space = _Space(candidates, count)
    weights = 1 + _DOUBT * doubt_of(candidates).total
    rng = np.random.default_rng(seed)
    covered = np.zeros(len(candidates))
    left = np.ones(len(candidates), bool)
    chosen: list[int] = []
    while len(chosen) < count and left.any():
        trials = np.flatnonzero(left)
        if len(trials) > _TRIALS:
            trials = np.sort(rng.choice(trials, _TRIALS, replace=False))
        similar = space.similarity(trials)
        gains = (np.maximum(similar - covered, 0) * weights).sum(axis=1) * weights[trials]
        best = int(gains.argmax())
        index = int(trials[best])
        chosen.append(index)
        covered = np.maximum(covered, similar[best])
        left &= [not looks_alike(candidate.thumbnail, candidates[index].thumbnail)
                 for candidate in candidates]
        left[index] = False
    return chosen


def explain(candidates: Sequence[Candidate], chosen: Sequence[int], labels: Sequence[str]
            ) -> list[Choice]:
    """
    Say why candidates were chosen.

    :param candidates: as of :func:`choose`.
    :param chosen: its result.
    :param labels: of the network's classes, by id.
    :returns: in the order of ``chosen``.
    """
    if not chosen:
        return []
    similar = _Space(candidates, len(chosen)).similarity(np.array(chosen))
    stands_for = np.bincount(similar.argmax(axis=0), minlength=len(chosen))
    doubt = doubt_of(candidates)
    return [Choice(candidates[index], int(count),
                   _reasons(candidates[index], int(count), doubt, index, labels))
            for index, count in zip(chosen, stands_for)]


def _reasons(candidate: Candidate, stands_for: int, doubt: Doubt, index: int,
             labels: Sequence[str]) -> tuple[str, ...]:
    found = []
    if doubt.entropy[index] >= _HIGH:
        found.append((float(doubt.entropy[index]),
                      f'the network is unsure ({_part(doubt.entropy[index])})'))
    if doubt.disagreement[index] >= _HIGH and np.isfinite(candidate.disagreement):
        found.append((float(doubt.disagreement[index]),
                      f'the next frame is seen differently ({_part(doubt.disagreement[index])})'))
    if doubt.rarity[index] >= _HIGH:
        found.append((float(doubt.rarity[index]),
                      f'shows {labels[doubt.rarest[index]]}, which is seldom seen'))
    alike = f'stands for {stands_for} pictures like it' if stands_for > 1 else \
        'unlike all others'
    return (*(text for _, text in sorted(found, reverse=True)), alike)


def _part(rank: float) -> str:
    return f'top {max(1, math.ceil((1 - rank) * 100))} %'


def _ranks(values: Float64Array) -> Float64Array:
    """Return ranks from 0 to 1, equal ones for equal values; 0.5 for NaN."""
    known = np.isfinite(values)
    result = np.full(len(values), 0.5)
    if known.any():
        ordered = np.sort(values[known])
        below = np.searchsorted(ordered, values[known], 'left')
        not_above = np.searchsorted(ordered, values[known], 'right')
        result[known] = (below + not_above - 1) / (2 * max(1, len(ordered) - 1))
    return result


def _by_recording(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Return the indices of each recording's candidates, in order."""
    recordings: dict[str, list[int]] = {}
    for index, candidate in enumerate(candidates):
        recordings.setdefault(candidate.recording, []).append(index)
    return list(recordings.values())


class _Space:
    """How similar candidates are, from 0 to 1: in what they show, in colours, and in time."""

    def __init__(self, candidates: Sequence[Candidate], count: int) -> None:
        layouts = np.stack([candidate.layout for candidate in candidates])
        colours = np.stack([cv2.resize(candidate.thumbnail, _PALETTE[::-1],
                                       interpolation=cv2.INTER_AREA).reshape(-1)
                            for candidate in candidates]).astype(np.float32)
        self._views = np.concatenate([_unit(layouts), _unit(colours)], axis=1) / np.sqrt(2)
        self._squares = (self._views ** 2).sum(axis=1)
        self._recordings = np.zeros(len(candidates), np.int64)
        self._places = np.zeros(len(candidates))
        for number, indices in enumerate(_by_recording(candidates)):
            self._recordings[indices] = number
            self._places[indices] = np.arange(len(indices))
        self._stretch = max(1.0, len(candidates) / max(1, count))

    def similarity(self, some: Int64Array) -> Float64Array:
        """
        Return how similar some candidates are to all, float64 n x N.

        :param some: their indices.
        """
        products = self._views[some] @ self._views.T
        views = np.maximum(self._squares[some, None] + self._squares - 2 * products, 0)
        times = np.minimum(((self._places[some, None] - self._places) / self._stretch) ** 2, 1)
        times[self._recordings[some, None] != self._recordings] = 1
        return np.asarray(np.exp(-2 * (_VIEW * views + _TIME * times)), np.float64)


def _unit(vectors: Float32Array) -> Float32Array:
    """Return vectors scaled so that the mean square of their distances is 1, or 0."""
    scale = np.sqrt(2 * vectors.var(axis=0).sum())
    return np.asarray((vectors - vectors.mean(axis=0)) / max(float(scale), 1e-6), np.float32)
