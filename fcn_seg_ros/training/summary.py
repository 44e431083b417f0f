"""What a network is about to be trained or measured on, said before it is."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
import logging
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .datasets import IGNORE, SegmentationDataset
from ..errors import TrainingError
from ..support.arrays import Int64Array
from ..support.digests import file_sha256

_log = logging.getLogger(__name__)

_NAMED = 3
"""Pictures that are named of those that are left out for one reason."""


@dataclass(frozen=True, eq=False)
class SplitSummary:
    """
    One split of a data set, counted.

    :param name: what it is called, such as 'train'.
    :param labels: labels of the classes, by id.
    :param pictures: number of pictures.
    :param pixels: int64 array of 256, pixels of each class id; 255 has no label.
    :param occurrences: int64 array of 256, pictures in which each class id occurs.
    :param contents: {SHA-256 of a picture's file: its path}.
    :param left_out: pictures that are left out, each with the reason.
    :param notes: how the labels were read.
    """

    name: str
    labels: tuple[str, ...]
    pictures: int
    pixels: Int64Array
    occurrences: Int64Array
    contents: dict[str, Path]
    left_out: Sequence[tuple[Path, str]]
    notes: Sequence[str]

    @property
    def absent(self) -> list[str]:
        """Return the labels of the classes that occur nowhere."""
        return [label for index, label in enumerate(self.labels) if not self.pixels[index]]


def summarise(dataset: SegmentationDataset[Any], name: str,
              indices: Iterable[int] | None = None) -> SplitSummary:
    """
    Read all labels of a data set and count them.

    :param dataset: what to count.
    :param name: what the split is called.
    :param indices: all its items, e.g. wrapped in a progress bar.
    :raises FcnSegError: when a picture or its labels cannot be read.
    """
    pixels, occurrences = np.zeros(256, np.int64), np.zeros(256, np.int64)
    contents = {}
    for index in range(len(dataset)) if indices is None else indices:
        counts = np.bincount(dataset.labels(index).ravel(), minlength=256)
        pixels += counts
        occurrences += counts > 0
        path = dataset.items[index][0]
        contents[file_sha256(path)] = path
    return SplitSummary(name, dataset.classes.labels, len(dataset), pixels, occurrences, contents,
                        tuple(dataset.left_out), tuple(dataset.notes))


def check_training(train: SplitSummary, val: SplitSummary) -> None:
    """
    Refuse what cannot teach or cannot be believed.

    :param train: what is trained on.
    :param val: what is measured on.
    :raises TrainingError: when the labels know fewer than two classes, or when a picture is in
        both splits.
    """
    taught = [label for label in train.labels if label not in train.absent]
    if len(taught) < 2:
        only = f"only '{taught[0]}' has" if taught else 'no class has'
        raise TrainingError(
            f'{only} pixels in {train.name} ({_absent(train)}): do the masks hold the ids of '
            'docs/training.md, and do the classes stand in their order?')
    shared = sorted(train.contents.keys() & val.contents.keys())
    if shared:
        first = shared[0]
        raise TrainingError(
            f'{train.name} and {val.name} have {len(shared)} of their pictures in common, such as '
            f'{train.contents[first]} and {val.contents[first]}: scores would be too good; take '
            'them out of one')


def check_unlabelled(paths: Iterable[Path], val: SplitSummary) -> None:
    """
    Refuse unlabelled pictures that are measured on.

    :param paths: files of the pictures.
    :param val: what is measured on.
    :raises TrainingError: when one of them is in it, whatever its name.
    """
    for path in paths:
        known = val.contents.get(file_sha256(path))
        if known:
            raise TrainingError(
                f'the unlabelled picture {path} is in {val.name}, too ({known}): scores would be '
                'too good; take it out of one')


def look_at(train: SegmentationDataset[Any], val: SegmentationDataset[Any],
            unlabelled: Collection[Path], *, say: bool, progress: bool) -> str:
    """
    Say what there is to train and to validate on; refuse what makes no sense.

    :param train: what is trained on.
    :param val: what is measured on.
    :param unlabelled: files of pictures that only a teacher labels.
    :param say: log it; of several processes one does.
    :param progress: show progress bars.
    :returns: what was said, Markdown.
    :raises FcnSegError: when labels cannot be read, teach nothing, or are measured on, too.
    """
    splits = [summarise(dataset, name, tqdm(
        range(len(dataset)), desc=f'labels of {name}', leave=False, disable=not progress))
        for name, dataset in (('train', train), ('val', val))]
    text = to_text(splits)
    if unlabelled:
        text += f'\nunlabelled: {len(unlabelled)} pictures\n'
    if say:
        _log.info('%s', text)
    check_training(*splits)
    check_unlabelled(unlabelled, splits[1])
    if say:
        unknown = [label for label, role in zip(train.classes.labels, train.classes.roles)
                   if role == 'unknown']
        if unknown:
            _log.info('what %s means to a robot is not known: give roles in a classes.yaml beside '
                      'the data, or later in network.yaml', ', '.join(unknown))
        for split in splits:
            if split.absent:
                _log.warning('%s has no pixel of %s', split.name, ', '.join(split.absent))
    return text


def to_text(splits: Sequence[SplitSummary]) -> str:
    """
    Return a Markdown table of the splits, and a line for all that is worth one.

    :param splits: of the same classes.
    """
    head = [f'{split.name}: {split.pictures} pictures, '
            f'{_percent(split.pixels[IGNORE], split.pixels.sum())} of the pixels without a class'
            for split in splits]
    lines = ['\n'.join(head), '', '| class | ' + ' | '.join(
        f'{split.name}: pixels | share | pictures' for split in splits) + ' |',
        '| --- |' + ' ---: | ---: | ---: |' * len(splits)]
    for index, label in enumerate(splits[0].labels):
        cells = ' | '.join(
            f'{split.pixels[index]} | {_percent(split.pixels[index], split.pixels[:IGNORE].sum())}'
            f' | {split.occurrences[index]}' for split in splits)
        lines.append(f'| {label} | {cells} |')
    lines.append('')
    said: dict[str, list[str]] = {}  # what is so of several splits is said once
    for split in splits:
        for remark in _remarks(split):
            said.setdefault(remark, []).append(split.name)
    lines += [f'{", ".join(names)}: {remark}' for remark, names in said.items()]
    return '\n'.join(lines).rstrip() + '\n'


def to_dict(split: SplitSummary) -> dict[str, Any]:
    """
    Return a split as plain data, for JSON.

    :param split: what was counted.
    """
    return {'pictures': split.pictures, 'unlabelled_pixels': int(split.pixels[IGNORE]),
            'classes': {label: {'pixels': int(split.pixels[index]),
                                'pictures': int(split.occurrences[index])}
                        for index, label in enumerate(split.labels)},
            'absent': split.absent, 'notes': list(split.notes),
            'left_out': {str(path): reason for path, reason in split.left_out}}


def _remarks(split: SplitSummary) -> Iterator[str]:
    if split.absent:
        yield _absent(split)
    for reason, count in Counter(reason for _, reason in split.left_out).items():
        names = [path.name for path, why in split.left_out if why == reason]
        more = ', ...' if count > _NAMED else ''
        yield f'{count} left out, {reason}: {", ".join(names[:_NAMED])}{more}'
    yield from split.notes


def _absent(split: SplitSummary) -> str:
    return f'no pixel of {", ".join(split.absent)}'


def _percent(part: int, whole: int) -> str:
    return f'{100 * part / max(1, whole):.2f} %'
