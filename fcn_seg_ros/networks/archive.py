"""Unpack a downloaded .tar.gz without trusting it."""

import gzip
import os
from pathlib import Path, PurePosixPath
import shutil
import tarfile
from typing import BinaryIO, cast, IO
import zlib

from ..errors import FetchError

MAX_MEMBERS = 200
MAX_BYTES = 512 * 1024 * 1024
"""Most bytes that may come out of an archive, headers and padding included."""

_MAX_DEPTH = 4
_CHUNK = 1 << 20


def unpack(archive: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
    """
    Unpack the regular files of a .tar.gz into a new folder.

    Every file is written by this function itself, so nothing depends on the filters of
    the Python version's tarfile: links, devices, sparse files, absolute paths and paths
    with '..' are refused, modes and owners are not taken over, and the folder is gone
    again when anything is wrong.

    :param archive: path of the archive.
    :param folder: path of the folder to make; it must not exist.
    :raises FetchError: when the archive is damaged, unsafe or too large.
    :raises OSError: when the folder cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True)
    try:
        with gzip.open(archive) as stream:
            bounded = _Bounded(stream)
            with tarfile.open(fileobj=cast(BinaryIO, bounded), mode='r|') as tar:
                _unpack_members(tar, folder)
            while bounded.read(_CHUNK):  # to the end, where gzip keeps its checksum
                pass
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        shutil.rmtree(folder)
        raise FetchError(f'the archive is damaged or not a .tar.gz ({error})') from None
    except BaseException:
        shutil.rmtree(folder)
        raise


class _Bounded:
    """A stream that ends in an error before it has given more than ``MAX_BYTES``."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._left = MAX_BYTES

    def read(self, size: int) -> bytes:
        """
        Read on.

        :param size: most bytes to return.
        :raises FetchError: when the bound is passed.
        """
        data = self._stream.read(min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise FetchError(f'the archive unpacks to more than {MAX_BYTES >> 20} MiB')
        return data


def _unpack_members(tar: tarfile.TarFile, folder: Path) -> None:
    for count, member in enumerate(tar, 1):
        if count > MAX_MEMBERS:
            raise FetchError(f'the archive has more than {MAX_MEMBERS} files')
        path = folder.joinpath(*_safe_parts(member.name))
        try:
            _unpack_member(tar, member, path)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            raise FetchError(f'the archive has {_shown(member.name)} twice') from None


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
    elif member.isreg() and not member.issparse() and (source := tar.extractfile(member)):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(source, path)
    else:
        raise FetchError(f"the archive's {_shown(member.name)} is a link or a special file")


def _safe_parts(name: str) -> tuple[str, ...]:
    """Return the parts of a relative path that stays below its folder."""
    path = PurePosixPath(name)
    parts = path.parts
    if (path.is_absolute() or '..' in parts or not name.isprintable() or '\\' in name
            or len(parts) > _MAX_DEPTH or any(len(part.encode()) > 200 for part in parts)):
        raise FetchError(f"the archive's path {_shown(name)} is not allowed")
    return parts


def _shown(name: str) -> str:
    return ascii(name[:60])


def _write(source: IO[bytes], path: Path) -> None:
    # Exclusively, so that nothing is written twice or through a link.
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with open(target, 'wb') as file:
        shutil.copyfileobj(source, file, _CHUNK)
        file.flush()
        os.fsync(file.fileno())
