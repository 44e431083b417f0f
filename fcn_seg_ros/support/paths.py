"""Where the package's data and the user's models lie."""

import os
from pathlib import Path

from ..errors import NoFolderError, RegistryError

PACKAGE = 'fcn_seg_ros'


def share_dir() -> Path:
    """
    Return the folder that holds ``config/``, ``models/``, ``launch/`` and the like.

    It is the source tree when the package runs from one, else ``share/fcn_seg_ros``
    of the prefix the package is installed in (virtual environment, colcon, apt).

    :raises RegistryError: when the installation has no such folder.
    """
    for parent in Path(__file__).absolute().parents:
        for candidate in (parent, parent / 'share' / PACKAGE):
            if (candidate / 'package.xml').is_file() and (candidate / 'config').is_dir():
                return candidate
    raise RegistryError(
        f'the data files of {PACKAGE} (share/{PACKAGE}) are missing: install the package again')


def cache_dir() -> Path:
    """
    Return ``$XDG_CACHE_HOME/fcn_seg_ros`` (default ``~/.cache``); it may not exist yet.

    :raises NoFolderError: when neither is known, as of a container's user without a name.
    """
    base = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    try:
        return Path(base).expanduser() / PACKAGE
    except RuntimeError:
        raise NoFolderError('this user has no home folder: set XDG_CACHE_HOME to a folder of '
                            'yours, or name one for networks (models_dir, --models-dir)') from None


def models_dir(configured: str | os.PathLike[str] = '') -> Path:
    """
    Return the folder where weights are looked for first.

    :param configured: the user's folder; when it is empty, :func:`cache_dir` is returned.
    :raises NoFolderError: when that is not known.
    """
    return Path(configured).expanduser() if configured else cache_dir()
