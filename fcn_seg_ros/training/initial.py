"""The model that training starts from."""

from safetensors import SafetensorError
from safetensors.torch import load_file

from ..errors import WeightsError
from ..model import FCNResNet18
from ..registry import Network
from ..weights import load_network


def initial_model(recipe, classes):
    """
    Return the model that training starts from.

    ``recipe.weights`` is '' (random), 'imagenet' (torchvision downloads its ResNet-18) or
    a weights file of a network with the same classes and decoder; with the
    ``weights_part`` backbone classes and decoder may differ, but it must be a
    .safetensors file.

    :raises FcnSegError: when the file does not fit.
    """
    if recipe.weights == 'imagenet':
        return FCNResNet18(len(classes), recipe.decoder, backbone_weights='IMAGENET1K_V1')
    model = FCNResNet18(len(classes), recipe.decoder)
    if recipe.weights and recipe.weights_part == 'backbone':
        _load_backbone(model.backbone, recipe.weights)
    elif recipe.weights:
        network = Network(name=recipe.name, classes=classes, width=recipe.size[0],
                          height=recipe.size[1], decoder=recipe.decoder)
        loaded, _ = load_network(network, recipe.weights)
        model.load_state_dict(loaded.state_dict())
    return model


def _load_backbone(backbone, path):
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f'cannot read the weights {path}: {error}') from None
    prefix = 'backbone.'
    state = {name.removeprefix(prefix): tensor for name, tensor in state.items()
             if name.startswith(prefix)}
    wrong = [name for name, tensor in backbone.state_dict().items()
             if not name.endswith('.num_batches_tracked')
             and (name not in state or state[name].shape != tensor.shape)]
    if wrong:
        raise WeightsError(f'{path} lacks {prefix}{wrong[0]}, or it has another shape')
    backbone.load_state_dict(state, strict=False)
