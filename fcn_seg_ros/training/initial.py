"""The model that training starts from."""

from safetensors import SafetensorError
from safetensors.torch import load_file

from .teacher import make_teacher, TEACHER
from ..errors import WeightsError
from ..model import FCNResNet18
from ..registry import Network
from ..weights import load_network


def initial_model(recipe, classes):
    """
    Return the model that training starts from.

    ``recipe.weights`` is '' (random), 'imagenet' (torchvision downloads its ResNet-18) or
    a weights file of a network with the same classes and decoder.  With the
    ``weights_part`` backbone or fitting classes and decoder may differ, but it must be a
    .safetensors file; fitting takes every tensor of it whose name and shape fit.

    With the decoder teacher see :func:`teacher.make_teacher`.

    :raises FcnSegError: when the file does not fit.
    """
    if recipe.decoder == TEACHER:
        return make_teacher(len(classes), recipe.weights)
    if recipe.weights == 'imagenet':
        return FCNResNet18(len(classes), recipe.decoder, backbone_weights='IMAGENET1K_V1')
    model = FCNResNet18(len(classes), recipe.decoder)
    if recipe.weights and recipe.weights_part != 'all':
        _load_part(model, recipe.weights, recipe.weights_part)
    elif recipe.weights:
        network = Network(name=recipe.name, classes=classes, width=recipe.size[0],
                          height=recipe.size[1], decoder=recipe.decoder)
        loaded, _ = load_network(network, recipe.weights)
        model.load_state_dict(loaded.state_dict())
    return model


def _load_part(model, path, part):
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
