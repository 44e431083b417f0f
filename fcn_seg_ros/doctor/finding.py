"""One thing that was looked at."""

from enum import IntEnum
from typing import NamedTuple


class Level(IntEnum):
    """How bad it is; the worst one is the exit status."""

    OK = 0
    WARNING = 1
    FAULT = 2


class Finding(NamedTuple):
    """
    What was looked at, and what was found.

    :param level: whether something has to be done.
    :param subject: what was looked at, in a word or three.
    :param text: what is there, one line.
    :param remedy: what to do about it, one line; '' where nothing is to be done.
    """

    level: Level
    subject: str
    text: str
    remedy: str = ''
