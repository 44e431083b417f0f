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

    Several recordings are divided as wholes, the last ones by name validate.  Of a single one the
    last fifth validates, and what lies before it is left out: neighbouring frames are nearly
    the same picture, and would make the scores too good.

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
    if len(ordered) > 1:
        val: list[tuple[Path, ShareT]] = []
        # At least one for training; the smallest overshoot of the wanted share.
        while len(ordered) > 1 and len(val) < wanted:
            val = ordered.pop() + val
        train = [item for part in ordered for item in part]
        if len(val) <= 2 * wanted:
            note = (f'divided by recordings, of which there are {len(sequences)}: '
                    f'{len(train)} pictures train, {len(val)} validate')
            return train, val, [], note
        everything = train + val
    else:
        everything = ordered[0] if ordered else []
    gap = round(GAP * len(everything)) or (1 if len(everything) > 2 else 0)
    last = len(everything) - wanted
    train, between, val = everything[:max(0, last - gap)], everything[max(0, last - gap):last], \
        everything[last:]
    note = ('there is one recording (or one that is most of it): its last fifth validates, so the '
            'scores are of a place that training has seen; record another drive for true ones')
    return train, val, between, note
