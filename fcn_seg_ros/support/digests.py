"""What tells files apart by their content."""

import hashlib
import os

_BLOCK = 1 << 20
"""Bytes that are read at once."""


def file_sha256(path: str | os.PathLike[str]) -> str:
    """
    Return the SHA-256 of a file's content, in lower-case hexadecimal.

    :param path: of the file, of any size.
    :raises OSError: when it cannot be read.
    """
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
