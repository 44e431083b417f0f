"""The model that training starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file

from ..errors import WeightsError
from ..networks.classes import ClassSet
from ..networks.model import FCNResNet18
from ..networks.registry import Network
from ..networks.weights import load_network

if TYPE_CHECKING:
    from .recipe import Recipe


def initial_model(recipe: Recipe, classes: ClassSet) -> FCNResNet18:
    """
    Return the model that training starts from.

    ``recipe.weights`` is '' (random), 'imagenet' (torchvision downloads its ResNet-18) or
    a weights file of a network with the same classes and decoder.  With the
    ``weights_part`` backbone or fitting classes and decoder may differ, but it must be a
    .safetensors file; fitting takes every tensor of it whose name and shape fit.

    :param recipe: what decides about weights, decoder and size.
    :param classes: the classes to train.
    :raises FcnSegError: when the file does not fit.
    """
    if recipe.weights == 'imagenet':
        return FCNResNet18(len(classes), recipe.decoder, backbone_weights='IMAGENET1K_V1')
    model = FCNResNet18(len(classes), recipe.decoder)
    if recipe.weights and recipe.weights_part != 'all':
        _load_part(model, recipe.weights, recipe.weights_part)
    elif recipe.weights:
        network = Network(name=recipe.name, classes=classes, width=recipe.size.width,
                          height=recipe.size.height, decoder=recipe.decoder)
        loaded, _ = load_network(network, recipe.weights)
        model.load_state_dict(loaded.state_dict())
    return model


def _load_part(model: FCNResNet18, path: str, part: str) -> None:
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f'cannot read the weights {path}: {error}') from None
    backbone = 'backbone.'
    expected = model.state_dict()
    fitting = {name: tensor for name, tensor in state.items()
               if name in expected and expected[name].shape == tensor.shape
               and (part == 'fitting' or name.startswith(backbone))}
    wrong = [name for name in expected if name.startswith(backbone) and name not in fitting
             and not name.endswith('.num_batches_tracked')]
    if wrong:
        raise WeightsError(f'{path} lacks {wrong[0]}, or it has another shape')
    model.load_state_dict(fitting, strict=False)
