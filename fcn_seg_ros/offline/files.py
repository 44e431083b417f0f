"""Files that appear whole or not at all."""

from contextlib import contextmanager
import os
from pathlib import Path
import shutil

from ..errors import MediaError


@contextmanager
def replacing(path):
    """
    Give a temporary path that becomes ``path`` when the block ends without an exception.

    The temporary file lies beside ``path`` and keeps its suffix, which encoders go by.
    After an exception, KeyboardInterrupt included, it is removed.

    :param path: the file to make; missing parents are made, an existing file is replaced.
    :raises MediaError: when a folder of that name exists.
    """
    path = Path(path)
    if path.is_dir():
        raise MediaError(f'{path} is a folder already: give another output')
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}.part{path.suffix}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path):
    """
    Give the path of a folder to make, which becomes ``path`` when the block ends well.

    The temporary folder has the name of ``path``, in a hidden folder beside it that is
    removed in any case.

    :raises MediaError: when there is something of that name.
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
