"""
Weights from files into the model, completely checked.

Weights are data: no format runs code, and every file is bounded in size. A model comes
back only when every tensor of the file found its place, every place was filled, and all
shapes and values are right.
"""

import os
from pathlib import Path

import torch

from .checkpoints import read_checkpoint
from .classes import ClassSet
from .decoders import DECODERS, STRIDE32_HEAD
from .labels import ADVICE, installed_classes
from .model import FCNResNet18
from .onnx_walk import format_shape
from .onnx_weights import read_onnx
from .registry import Network
from ..errors import WeightsError
from ..support.text import one_line

MAX_BYTES = 256 * 1024 * 1024
"""Largest weights file; FCN-ResNet18 has 47 MB, a checkpoint with its optimizer 3 times that."""

_IGNORED_PREFIX = 'aux_classifier.'  # torchvision's second head, used in training only
_IGNORED_SUFFIX = '.num_batches_tracked'  # a counter that inference never reads
_AVERAGED = 'n_averaged'  # what AveragedModel counts beside the weights that it averages
_FIRST = 'backbone.conv1.weight'  # there in every network, whatever stands before the name
_COMPILED = '_orig_mod.'  # what torch.compile puts before the names in what it compiled
_CHECKPOINTS = ('.pth', '.pt', '.ckpt', '.bin')  # one format, whatever a tool calls it
_LARGER = '.layer1.0.conv3.weight'  # a ResNet of 50 layers or more has three in each block
_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def load_network(network: Network, path: str | os.PathLike[str]
                 ) -> tuple[FCNResNet18, ClassSet]:
    """
    Build a network's model with the weights of a file.

    :param network: ``registry.Network``; its decoder and classes must fit the file.
    :param path: .safetensors, .onnx or .pth file (or .pt, .ckpt, .bin, the same);
        classes.txt and colors.txt beside it win over the network's own classes.
    :returns: (:class:`FCNResNet18` in eval mode, float32, on the CPU; ``ClassSet``).
    :raises WeightsError: when the file is missing, unreadable or does not fit.
    """
    path = Path(path).expanduser()
    data = read_bounded(path)
    state = _read_state(path, data, network.decoder)
    classes = installed_classes(network.classes, network.name, path)
    state = {name: tensor for name, tensor in _with_own_names(state).items()
             if not name.startswith(_IGNORED_PREFIX) and not name.endswith(_IGNORED_SUFFIX)
             and name != _AVERAGED}
    if any(name.endswith(_LARGER) for name in state):
        raise WeightsError(f'{path} has a ResNet of 50 layers or more, and networks here have '
                           'ResNet-18: train that one instead')
    _check_classes(path, state, classes, network)
    return _fill(path, state, network.decoder, len(classes)), classes


def read_bounded(path: str | os.PathLike[str]) -> bytes:
    """
    Return a file's bytes.

    :param path: of the file.
    :raises WeightsError: when it cannot be read, is empty or larger than :data:`MAX_BYTES`.
    """
    try:
        with open(path, 'rb') as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise WeightsError(f'cannot read the weights {path}: {error.strerror}') from None
    if not data:
        raise WeightsError(f'{path} is empty')
    if len(data) > MAX_BYTES:
        raise WeightsError(f'{path} is larger than {MAX_BYTES >> 20} MiB, no FCN-ResNet18 is')
    return data


def _read_state(path: Path, data: bytes, decoder: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a file by name; its type says how."""
    suffix = path.suffix.lower()
    if suffix == '.safetensors':
        return _read_safetensors(path, data)
    if suffix in _CHECKPOINTS:
        return read_checkpoint(path, data)
    if suffix == '.onnx':
        try:
            return read_onnx(data, decoder)
        except WeightsError as error:
            raise WeightsError(
                f'{path} does not fit an {decoder} network: {one_line(error)}') from None
    raise WeightsError(f'{path}: weights are .safetensors, .onnx or .pth files '
                       '(or .pt, .ckpt, .bin)')


def _read_safetensors(path: Path, data: bytes) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load
    try:
        return load(data)  # checks that header and tensors cover the file exactly
    except (SafetensorError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise WeightsError(f'{path} is not a whole .safetensors file: {one_line(error)}') from None


def _with_own_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors without what training programs put before all names."""
    state = {name.replace(_COMPILED, ''): tensor for name, tensor in state.items()}
    prefix = next((name.removesuffix(_FIRST) for name in state if name.endswith(f'.{_FIRST}')), '')
    return {name.removeprefix(prefix): tensor for name, tensor in state.items()}


def _check_classes(path: Path, state: dict[str, torch.Tensor], classes: ClassSet,
                   network: Network) -> None:
    """Refuse weights of another network's classes with a message that says what to do."""
    name = DECODERS[network.decoder].last
    last = state.get(name)
    if last is None or last.dim() != 4:
        raise WeightsError(f'{path} has no tensor {name}: these are not weights of FCN-ResNet18')
    if last.shape[0] != len(classes):
        raise WeightsError(f'{path} has {last.shape[0]} classes but {network.name} has '
                           f'{len(classes)}: {ADVICE}')


def _fill(path: Path, state: dict[str, torch.Tensor], decoder: str, num_classes: int
          ) -> FCNResNet18:
    """Return the model with the tensors in place, all of them checked."""
    with torch.device('meta'):  # no time and memory for initial values that get replaced
        model = FCNResNet18(num_classes, decoder, stride32_head=STRIDE32_HEAD in state)
    expected = {name: tensor for name, tensor in model.state_dict().items()
                if not name.endswith(_IGNORED_SUFFIX)}
    for kind, names in (('lacks', expected.keys() - state.keys()),
                        ('has an unknown', state.keys() - expected.keys())):
        if names:
            raise WeightsError(f'{path} {kind} tensor {one_line(min(names))} ({len(names)} in '
                               f'all): it does not fit an {decoder} network')
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            raise WeightsError(f'{path}: tensor {name} is {format_shape(tensor.shape)}, expected '
                               f'{format_shape(expected[name].shape)}')
        if tensor.dtype not in _FLOATS:
            raise WeightsError(f'{path}: tensor {name} is {tensor.dtype}, expected floats')
        if not torch.isfinite(tensor).all():
            raise WeightsError(f'{path}: tensor {name} has values that are not finite')
        if name.endswith('.running_var') and (tensor < 0).any():
            raise WeightsError(f'{path}: tensor {name} has negative variances')
    model = model.to_empty(device='cpu').eval()
    for buffer in model.buffers():
        buffer.zero_()  # the ignored counters
    model.load_state_dict(state, strict=False)  # both sets of names are equal by now
    return model.requires_grad_(False)
