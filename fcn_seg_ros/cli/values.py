"""What values of options may be written as, for argparse's ``type``."""

import argparse
from collections.abc import Callable
import math
import sys
from typing import Any

from ..support.arrays import parse_size, Size


def size_argument(text: str, least: int = 32) -> Size:
    """
    Return the size that an option's value like 512x256 names.

    :param text: WIDTHxHEIGHT.
    :param least: shortest side, pixels.
    :raises argparse.ArgumentTypeError: when it is no such size.
    """
    try:
        return parse_size(text, least=least)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


class Renamed(argparse.Action):
    """An option under its old name, which goes on for one minor version and says the new one."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: Any, option_string: str | None = None) -> None:
        """
        Take the value as the new option does.

        :param parser: of the command.
        :param namespace: gets the value.
        :param values: what was written.
        :param option_string: the old name.
        """
        print(f'fcn-seg: {option_string} is called --{self.dest.replace("_", "-")} now',
              file=sys.stderr)
        setattr(namespace, self.dest, values)


def number_argument(low: float, high: float) -> Callable[[str], float]:
    """
    Return a function that reads a number within bounds.

    :param low: least value.
    :param high: greatest value.
    :returns: what takes an option's text and raises argparse.ArgumentTypeError for any other.
    """
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f'must be a number from {low:g} to {high:g}')
        return value

    return number
