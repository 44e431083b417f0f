"""Install a network from the one archive that ``fcn-seg pack`` makes, with a download's checks."""

import os
from pathlib import Path
import re
import shutil

from .archive import unpack
from .fetch import WORK_DIR
from .folders import NETWORK_FILE, WEIGHT_SUFFIXES, weights_below
from .registry import Registry
from ..errors import FetchError, RegistryError, WeightsError
from ..support.atomic_files import sync
from ..support.digests import file_sha256

CARD_FILE = 'README.md'
"""The model card: what the network was trained on, under which terms, and how good it is."""

TEXT_FILES = (NETWORK_FILE, CARD_FILE, 'classes.txt', 'colors.txt')
"""What an archive may hold beside weights."""


def install_archive(archive: str | os.PathLike[str], models_dir: str = '',
                    sha256: str | None = None) -> tuple[str, Path]:
    """
    Install the network in an archive, whole and checked, or not at all.

    The archive is unpacked beside the target, only files of expected names are taken, and the
    weights are loaded into the model before the folder gets its name.

    :param archive: a .tar.gz with one folder: network.yaml, weights and what belongs to them.
    :param models_dir: folder of the user's models, '' for the cache folder.
    :param sha256: what the archive must be, in hexadecimal, or None.
    :returns: the network's name, and the path of its weights.
    :raises FetchError: when it cannot be installed or trusted, or another network of that name
        is there already.
    """
    archive = Path(archive)
    base = Registry.load(models_dir).models_dir
    staging = base / WORK_DIR / f'pack.{os.getpid()}'
    try:
        digest = file_sha256(archive)
        if sha256 and digest != sha256.lower():
            raise FetchError(f'{archive} has the sha256 {digest}, not {sha256.lower()}')
        staging.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staging, ignore_errors=True)  # of a process that was killed
        unpack(archive, staging)
        name, weights = _check(archive, staging, models_dir)
        target = base / name
        if target.exists():
            return name, _same(target, weights, name)
        os.rename(weights.parent, target)
        sync(base)
        return name, target / weights.name
    except OSError as error:
        raise FetchError(
            f'cannot install {archive} in {base}: {error.strerror or error}') from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check(archive: Path, staging: Path, models_dir: str) -> tuple[str, Path]:
    """Return name and weights of what was unpacked; everything of it is as it should be."""
    entries = sorted(staging.iterdir())
    if len(entries) != 1 or not (entries[0] / NETWORK_FILE).is_file():
        raise FetchError(f'{archive} is no packed network: it must hold one folder with a '
                         f'{NETWORK_FILE} (the archive of a published network has none: '
                         '"fcn-seg fetch NETWORK --url file" is for those)')
    folder = entries[0]
    for path in sorted(folder.rglob('*')):
        if not path.is_file() or path.parent != folder \
                or not (path.name in TEXT_FILES or path.suffix in WEIGHT_SUFFIXES):
            raise FetchError(
                f'{archive} holds {path.relative_to(staging)}, which no network needs')
    from .weights import load_network  # PyTorch is not needed until something is there
    try:
        network = Registry.load(models_dir).get(f'{folder}/{NETWORK_FILE}')
        weights = weights_below(folder)
        if weights is None:
            raise FetchError(f'{archive} holds no weights')
        load_network(network, weights)
    except (RegistryError, WeightsError) as error:
        text = re.sub(re.escape(f'{staging}/'), '', str(error))
        raise FetchError(f'{archive} cannot be used: {text}') from None
    return network.name, weights


def _same(target: Path, weights: Path, name: str) -> Path:
    """Return the installed weights if they are those of the archive."""
    there = target / weights.name
    if there.is_file() and file_sha256(there) == file_sha256(weights):
        return there
    raise FetchError(f"another network '{name}' is in {target}: remove it first, or give "
                     '--models-dir')
