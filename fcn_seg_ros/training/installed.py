"""A network of the registry with its weights, as a model."""

from pathlib import Path

from ..errors import WeightsError
from ..networks.classes import ClassSet
from ..networks.model import FCNResNet18
from ..networks.registry import Network, Registry
from ..networks.weights import load_network


def load_installed(name: str, weights: str = '', models_dir: str = ''
                   ) -> tuple[Network, FCNResNet18, ClassSet, Path]:
    """
    Load a network by name.

    :param name: as in :meth:`registry.Registry.get`.
    :param weights: file to use instead of the registry's.
    :param models_dir: folder of the user's models.
    :returns: (``Network``, :class:`FCNResNet18` in eval mode, ``ClassSet``, path of the weights).
    :raises FcnSegError: when the network or its weights can't be had.
    """
    registry = Registry.load(models_dir)
    network = registry.get(name)
    path = Path(weights) if weights else registry.find_weights(network)
    if not path:
        raise WeightsError(f"network '{network.name}' is not installed: run "
                           f"'fcn-seg fetch {network.name}' or give --weights")
    model, classes = load_network(network, path)
    return network, model, classes, path
