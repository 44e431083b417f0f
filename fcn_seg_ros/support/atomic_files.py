"""Files and folders that appear whole or not at all, whatever ends the program meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, ExitStack, suppress
import fcntl
import os
from pathlib import Path
import shutil
import tempfile
from typing import BinaryIO

from ..errors import MediaError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """
    Give a temporary path that becomes ``path`` when the block ends without an exception.

    The temporary file lies beside ``path`` and keeps its suffix, which encoders go by.  It is
    on the disk before it takes its name, so that a loss of power leaves the old file or the
    new one.  After an exception, KeyboardInterrupt included, it is removed.

    :param path: the file to make; missing parents are made, an existing file is replaced.
    :raises MediaError: when a folder of that name exists.
    :raises OSError: when it cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise MediaError(f'{path} is a folder already: give another output')
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}.part{path.suffix}')
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def write_file(path: str | os.PathLike[str], content: bytes | Callable[[BinaryIO], object]
               ) -> None:
    """
    Create or replace a file; whatever happens, there is the old one or the new one, whole.

    :param path: the file to make.
    :param content: its bytes, or a function that writes them to the binary file it is given.
    :raises MediaError: when a folder of that name exists.
    :raises OSError: when it cannot be written.
    """
    with replacing(path) as temporary, open(temporary, 'wb') as file:
        if callable(content):
            content(file)
        else:
            file.write(content)


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """
    Give the path of a folder to make, which becomes ``path`` when the block ends well.

    The temporary folder has the name of ``path``, in a hidden folder beside it that is
    removed in any case.

    :param path: the folder to make.
    :raises MediaError: when there is something of that name.
    :raises OSError: when it cannot be made.
    """
    path = Path(path)
    if path.exists():
        raise MediaError(f'{path} exists already: give another output')
    holder = path.with_name(f'.{path.name}.{os.getpid()}.part')
    holder.mkdir(parents=True)
    try:
        yield holder / path.name
        os.rename(holder / path.name, path)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


@contextmanager
def scratch_folder(parent: str | os.PathLike[str], prefix: str) -> Iterator[Path]:
    """
    Give a folder to work in, which is gone when the block ends.

    While the process lives it holds a lock of it, by which :func:`remove_abandoned` tells the
    folder of a killed process from one in use, also of another container.

    :param parent: the folder to make it in; it is made where it is missing.
    :param prefix: what its name begins with.
    :raises OSError: when it cannot be made.
    """
    Path(parent).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with _lock(parent):  # between being made and being locked it looks abandoned
            folder = stack.enter_context(tempfile.TemporaryDirectory(
                dir=parent, prefix=prefix, ignore_cleanup_errors=True))
            stack.enter_context(_lock(folder))
        yield Path(folder)


def remove_abandoned(parent: str | os.PathLike[str], prefix: str) -> None:
    """
    Remove what :func:`scratch_folder` made for processes that were killed, as far as it can be.

    :param parent: as there; it may be missing.
    :param prefix: as there.
    """
    with suppress(OSError), _lock(parent):
        for folder in Path(parent).glob(f'{prefix}*'):
            with suppress(OSError), _lock(folder, fcntl.LOCK_NB):  # else it is in use
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock(folder: str | os.PathLike[str], how: int = 0) -> Iterator[None]:
    """Hold a folder's lock, which ends with the process."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(handle)


def sync(path: str | os.PathLike[str]) -> None:
    """
    Wait until a file, or the names in a folder, are on the disk and outlast a loss of power.

    :param path: a file or a folder.
    :raises OSError: when there is none.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
