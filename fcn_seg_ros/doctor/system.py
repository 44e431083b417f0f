"""Python, the cache folder, and shared memory."""

import os
from pathlib import Path
import platform
import sys
import tempfile

from .finding import Finding, Level
from ..errors import NoFolderError
from ..inference import kernels
from ..support.paths import cache_dir, share_dir

SHARED_MEMORY = Path('/dev/shm')
_ENOUGH_MEMORY = 64 << 20
"""Bytes of a segment of ``config/fastdds.xml``: one for each process that sends pictures."""
_SEGMENTS = 'fast*_*'
"""Fast DDS calls them fastdds_*, and fastrtps_* before Kilted."""
_LOCK = '_el'
"""End of the names of its locks, which are open and never mapped."""
_CLEAN = f'fastdds shm clean; without that tool: end all nodes, then rm {SHARED_MEMORY}/fast*_*'


def check_system() -> list[Finding]:
    """Return what is found of the machine itself."""
    return [check_python(), check_kernels(), _check_cache(),
            *check_shared_memory(SHARED_MEMORY)]


def check_python() -> Finding:
    """Tell which Python runs, and from where the package comes."""
    return Finding(Level.OK, 'Python', f'{platform.python_version()} ({sys.executable}), '
                                       f'data in {share_dir()}')


def check_kernels() -> Finding:
    """Tell whether the compiled library is there; what replaces it is slow."""
    library = kernels.load()
    if library is None:
        return Finding(Level.WARNING, 'compiled kernels', 'missing: post-processing is slow',
                       'install the package (pip install . or colcon build)')
    return Finding(Level.OK, 'compiled kernels', str(library._name))


def _check_cache() -> Finding:
    try:
        return check_cache(cache_dir())
    except NoFolderError as error:
        return Finding(Level.WARNING, 'cache folder', 'this user has none', str(error))


def check_cache(folder: Path) -> Finding:
    """
    Try to write where fetched networks, tuned engines and exports are kept.

    :param folder: the cache folder, which may not exist yet.
    """
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return Finding(Level.WARNING, 'cache folder', f'{folder} cannot be written: '
                       f'{error.strerror}', 'set XDG_CACHE_HOME to a folder of yours')
    return Finding(Level.OK, 'cache folder', str(folder))


def check_shared_memory(folder: Path) -> list[Finding]:
    """
    Look at what DDS sends pictures through.

    :param folder: where shared memory lies in the file system.
    """
    try:
        space = os.statvfs(folder)
    except OSError:
        return [Finding(
            Level.WARNING, 'shared memory', f'there is no {folder}: pictures go over UDP and '
            'some get lost', 'in a container: --ipc=host, or --shm-size=512m')]
    size = space.f_frsize * space.f_blocks
    free = space.f_frsize * space.f_bavail
    text = f'{folder}: {size >> 20} MiB, {free >> 20} free'
    if free < _ENOUGH_MEMORY:
        found = [Finding(
            Level.WARNING, 'shared memory', f'{text}: too little for pictures',
            'in a container: --ipc=host, or --shm-size=512m; else look for files in it')]
    else:
        found = [Finding(Level.OK, 'shared memory', text)]
    return found + check_leftovers(folder)


def check_leftovers(folder: Path) -> list[Finding]:
    """
    Look for shared memory of DDS that no process has open any more.

    :param folder: where shared memory lies in the file system.
    """
    mapped = _mapped()
    left = {}
    for path in folder.glob(_SEGMENTS):
        if path.name in mapped or path.name.endswith(_LOCK):
            continue
        try:
            status = path.stat()
        except FileNotFoundError:  # removed meanwhile
            continue
        # What others have mapped is theirs to know.
        if os.getuid() in (0, status.st_uid):
            left[path.name] = status.st_size
    if not left:
        return []
    size = sum(left.values())
    return [Finding(
        Level.WARNING, 'shared memory', f'{len(left)} files of dead processes, '
        f'{size >> 20} MiB', _CLEAN)]


def _mapped() -> set[str]:
    """Return the names of the files that a process has mapped."""
    names: set[str] = set()
    for path in Path('/proc').glob('[0-9]*/maps'):
        try:
            lines = path.read_text(errors='replace').splitlines()
        except OSError:  # it has ended, or is another user's
            continue
        names.update(line.rpartition('/')[2] for line in lines if '/fast' in line)
    return names
