"""Dividing a recording into pictures to train and to validate, never neighbours across."""

from collections.abc import Sequence
from pathlib import Path
import re
from typing import TypeVar

ShareT = TypeVar('ShareT')

VAL_SHARE = 0.2
"""Share of the pictures that validate."""

GAP = 0.05
"""Share of the pictures of a single recording that is left out between the two."""

_SUFFIXES = re.compile(r'(_(jpe?g|png))?\.rf\.[0-9a-zA-Z]+$')  # what Roboflow adds to a name
_PREFIX = re.compile('^[0-9a-f]{8}-')  # what Label Studio puts before it


def sequence_of(path: Path) -> tuple[str, int]:
    """
    Return the recording that a picture is of, and its place in it, by its name.

    :param path: such as drive/frame_000123.jpg, which is number 123 of drive/frame.
    """
    stem = _PREFIX.sub('', _SUFFIXES.sub('', path.stem), count=1)
    match = re.fullmatch(r'(.*?)[ _.-]*(\d+)', stem)
    prefix, number = (match[1], int(match[2])) if match else (stem, 0)
    return f'{path.parent}/{prefix}', number


def divide(items: Sequence[tuple[Path, ShareT]]
           ) -> tuple[list[tuple[Path, ShareT]], list[tuple[Path, ShareT]],
                      list[tuple[Path, ShareT]], str]:
    """
    Divide pictures into train and val.

    Several recordings are divided as wholes: the last ones by name validate, or, where these
    are far too many pictures, the one that is nearest to a fifth of all.  Where there is none, or
    a single recording, the last fifth validates, and what lies before it is left out:
    neighbouring frames are nearly the same picture, and would make the scores too good.

    :param items: each picture with its labels.
    :returns: to train, to validate, to leave out, and what to say about it.
    """
    sequences: dict[str, list[tuple[int, tuple[Path, ShareT]]]] = {}
    for item in items:
        sequence, number = sequence_of(item[0])
        sequences.setdefault(sequence, []).append((number, item))
    ordered = [[item for _, item in sorted(part, key=lambda pair: (pair[0], str(pair[1][0])))]
               for _, part in sorted(sequences.items())]
    wanted = max(1, round(VAL_SHARE * len(items)))
    validating = _to_validate([len(part) for part in ordered], wanted)
    if validating:
        train, val = ([item for place, part in enumerate(ordered)
                       if (place in validating) == chosen for item in part]
                      for chosen in (False, True))
        note = (f'divided by recordings, of which there are {len(ordered)}: '
                f'{len(train)} pictures train, {len(val)} validate')
        return train, val, [], note
    everything = [item for part in ordered for item in part]
    gap = round(GAP * len(everything)) or (1 if len(everything) > 2 else 0)
    last = len(everything) - wanted
    train, between, val = everything[:max(0, last - gap)], everything[max(0, last - gap):last], \
        everything[last:]
    there_is = 'there is one recording' if len(ordered) < 2 else \
        f'none of the {len(ordered)} recordings is about a fifth of the pictures'
    note = (f'{there_is}: the last fifth validates, so the scores are of a place that training '
            'has seen; record another drive for true ones')
    return train, val, between, note


def _to_validate(sizes: Sequence[int], wanted: int) -> set[int]:
    """
    Return the places of the recordings that validate, none where they cannot be divided.

    :param sizes: numbers of pictures of each recording.
    :param wanted: number of pictures that should validate; half to twice as many may.
    """
    first = len(sizes)
    while first > 1 and sum(sizes[first:]) < wanted:  # one at least is for training
        first -= 1
    if 0 < sum(sizes[first:]) <= 2 * wanted:
        return set(range(first, len(sizes)))
    fitting = [place for place, size in enumerate(sizes) if wanted / 2 <= size <= 2 * wanted]
    return {min(fitting, key=lambda place: (abs(sizes[place] - wanted), -place))} \
        if fitting and len(sizes) > 1 else set()
