"""What lies in a folder of networks: each network's own folder, and the weights in it."""

from pathlib import Path

from ..errors import RegistryError

NETWORK_FILE = 'network.yaml'
WEIGHT_SUFFIXES = ('.safetensors', '.onnx', '.pth')
"""File types of weights, the preferred first."""

_PREFERRED_STEMS = ('model', 'fcn_resnet18')


def network_folders(base: Path) -> list[Path]:
    """
    Return the folders of networks in a folder, sorted; none where it cannot be read.

    :param base: where to look.
    """
    return [folder for folder in _subfolders(base) if (folder / NETWORK_FILE).is_file()]


def weights_below(folder: Path) -> Path | None:
    """
    Return the weights file in a folder or in one of its subfolders, or None.

    :param folder: where to look.
    :raises RegistryError: when several files could be meant.
    """
    return next(filter(None, map(_weights_in, (folder, *_subfolders(folder)))), None)


def _weights_in(folder: Path) -> Path | None:
    """Return the weights file directly in a folder, or None."""
    for suffix in WEIGHT_SUFFIXES:
        files = sorted(p for p in folder.glob('*' + suffix) if p.is_file())
        preferred = [p for stem in _PREFERRED_STEMS for p in files if p.stem == stem]
        if preferred or len(files) == 1:
            return (preferred or files)[0]
        if files:
            raise RegistryError(
                f'{folder} has several {suffix} files: name the one to use model{suffix}')
    return None


def _subfolders(folder: Path) -> list[Path]:
    """Return the visible folders in a folder, sorted; none where it cannot be read."""
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith('.'))
    except OSError:
        return []
