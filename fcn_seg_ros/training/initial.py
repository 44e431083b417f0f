"""The model that training starts from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file
import torch

from .teacher import make_teacher, TEACHER, Trainable
from ..errors import WeightsError
from ..networks.classes import ClassSet, plain_label
from ..networks.folders import WEIGHT_SUFFIXES
from ..networks.loading import load_installed
from ..networks.model import FCNResNet18
from ..networks.registry import Network
from ..networks.weights import load_network

if TYPE_CHECKING:
    from .recipe import Recipe


def initial_model(recipe: Recipe, classes: ClassSet) -> Trainable:
    """
    Return the model that training starts from.

    ``recipe.weights`` is '' (random), 'imagenet' (torchvision downloads its ResNet-18),
    a weights file, or the name of a network of the registry that is installed.  With the
    ``weights_part`` all it has the same classes and decoder; with backbone or fitting both may
    differ, and a file is a .safetensors file.  Fitting takes every tensor whose name and shape
    fit and, of a network of the registry, what its head knows of classes of the same label.
    What the decoder teacher starts from, :func:`.teacher.make_teacher` says.

    :param recipe: what decides about weights, decoder and size.
    :param classes: the classes to train.
    :raises FcnSegError: when there are no such weights, or they do not fit.
    """
    if recipe.decoder == TEACHER:
        return make_teacher(len(classes), recipe.weights)
    if recipe.weights == 'imagenet':
        return FCNResNet18(len(classes), recipe.decoder, backbone_weights='IMAGENET1K_V1')
    model = FCNResNet18(len(classes), recipe.decoder)
    if not recipe.weights:
        return model
    path = Path(recipe.weights).expanduser()
    if path.suffix not in WEIGHT_SUFFIXES and not path.is_file():
        network, installed, its_classes, found = load_installed(recipe.weights)
        if recipe.weights_part != 'all':
            state = installed.state_dict()
            if recipe.weights_part == 'fitting':
                state = _with_shared_classes(state, its_classes, model.state_dict(), classes)
            _fill(model, state, recipe.weights_part, network.name)
            return model
        path = found
    if recipe.weights_part != 'all':
        try:
            state = load_file(path)
        except (OSError, SafetensorError) as error:
            raise WeightsError(f'cannot read the weights {path}: {error}') from None
        _fill(model, state, recipe.weights_part, str(path))
        return model
    network = Network(name=recipe.name, classes=classes, width=recipe.size.width,
                      height=recipe.size.height, decoder=recipe.decoder)
    loaded, _ = load_network(network, path)
    model.load_state_dict(loaded.state_dict())
    return model


def _fill(model: FCNResNet18, state: Mapping[str, torch.Tensor], part: str, where: str) -> None:
    """Put what fits of some weights into a model; the backbone has to fit whole."""
    backbone = 'backbone.'
    expected = model.state_dict()
    fitting = {name: tensor for name, tensor in state.items()
               if name in expected and expected[name].shape == tensor.shape
               and (part == 'fitting' or name.startswith(backbone))}
    wrong = [name for name in expected if name.startswith(backbone) and name not in fitting
             and not name.endswith('.num_batches_tracked')]
    if wrong:
        raise WeightsError(f'{where} lacks {wrong[0]}, or it has another shape')
    model.load_state_dict(fitting, strict=False)


def _with_shared_classes(state: Mapping[str, torch.Tensor], its_classes: ClassSet,
                         fresh: Mapping[str, torch.Tensor], classes: ClassSet
                         ) -> dict[str, torch.Tensor]:
    """
    Return the weights for other classes: heads get the rows of the labels that both know.

    A tensor with a row per class may fit by chance, where both have as many classes: its rows
    stand for other classes all the same.
    """
    places = {plain_label(label): index for index, label in enumerate(its_classes.labels)}
    pairs = [(index, places[plain_label(label)]) for index, label in enumerate(classes.labels)
             if plain_label(label) in places]
    result = dict(state)
    for name, tensor in state.items():
        if name not in fresh or name.startswith('backbone.') or tensor.ndim == 0 \
                or tensor.shape[0] != len(its_classes) or fresh[name].shape[0] != len(classes):
            continue
        if tensor.shape[1:] == fresh[name].shape[1:]:
            result[name] = fresh[name].clone()
            for mine, theirs in pairs:
                result[name][mine] = tensor[theirs]
    return result
