"""A network by its name: its entry in the registry, its weights' file, and the model."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .classes import ClassSet
from .registry import Network, Registry
from ..errors import WeightsError

if TYPE_CHECKING:
    from .model import FCNResNet18


def find_network(name: str | os.PathLike[str], weights: str | os.PathLike[str] = '',
                 models_dir: str | os.PathLike[str] = '') -> tuple[Network, Path]:
    """
    Return a network and the path of its weights; PyTorch is not needed for it.

    :param name: as in :meth:`.Registry.get`.
    :param weights: file to use instead of the registry's; it may be missing.
    :param models_dir: folder of the user's models, '' for the cache folder.
    :raises FcnSegError: when there is no such network or it is not installed.
    """
    registry = Registry.load(models_dir)
    network = registry.get(name)
    path = Path(weights).expanduser() if str(weights) else registry.find_weights(network)
    if path is None:
        raise WeightsError(f"network '{network.name}' is not installed: run "
                           f"'fcn-seg fetch {network.name}' or set 'weights' to a file")
    return network, path


def load_installed(name: str | os.PathLike[str], weights: str | os.PathLike[str] = '',
                   models_dir: str | os.PathLike[str] = ''
                   ) -> 'tuple[Network, FCNResNet18, ClassSet, Path]':
    """
    Load a network by name.

    :param name: as in :func:`find_network`, as the others are.
    :param weights: file to use instead of the registry's.
    :param models_dir: folder of the user's models.
    :returns: (``Network``, :class:`.FCNResNet18` in eval mode, ``ClassSet``, path of the weights).
    :raises FcnSegError: when the network or its weights can't be had.
    """
    from .weights import load_network  # PyTorch takes seconds: not before there are weights
    network, path = find_network(name, weights, models_dir)
    model, classes = load_network(network, path)
    return network, model, classes, path
