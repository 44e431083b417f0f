"""What commands say while they work, on stderr: bars, and lines above them."""

from collections.abc import Iterable
import sys
from typing import TypeVar

_T = TypeVar('_T')


def progress(items: Iterable[_T], *, unit: str, total: int | None = None, title: str = ''
             ) -> Iterable[_T]:
    """
    Return the same items, with a bar while they are taken; none where stderr is no terminal.

    :param items: what is worked on.
    :param unit: what one of them is called.
    :param total: how many there are, None where that is not known; for a single one there is
        no bar.
    :param title: what stands before the bar.
    """
    from tqdm import tqdm
    return tqdm(items, unit=unit, total=total, desc=title or None,
                disable=True if total == 1 else None, dynamic_ncols=True)


def warn(line: str) -> None:
    """
    Print a line above the bar, if there is one.

    :param line: what to say.
    """
    from tqdm import tqdm
    tqdm.write(f'fcn-seg: {line}', file=sys.stderr)
