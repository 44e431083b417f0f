"""Sizes on the command line."""

import argparse

from ..support.arrays import parse_size, Size


def size_argument(text: str) -> Size:
    """
    Return the size that an option's value like 512x256 names, for argparse.

    :param text: WIDTHxHEIGHT.
    :raises argparse.ArgumentTypeError: when it is no size from 32 pixels a side on.
    """
    try:
        return parse_size(text, least=32)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
