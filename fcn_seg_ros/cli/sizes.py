"""Sizes on the command line."""

import argparse
import re


def size_argument(text):
    """
    Return (width, height) of a text like 512x256, for argparse.

    :raises argparse.ArgumentTypeError: when it is no size from 32 to 8192 a side.
    """
    match = re.fullmatch(r'(\d{1,5})[xX](\d{1,5})', text)
    size = tuple(map(int, match.groups())) if match else ()
    if not size or not all(32 <= side <= 8192 for side in size):
        raise argparse.ArgumentTypeError(f"'{text}' is not WIDTHxHEIGHT, each 32 to 8192")
    return size
