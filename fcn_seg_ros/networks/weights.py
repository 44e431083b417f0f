"""
Weights from files into the model, completely checked.

Weights are data: no format runs code, and every file is bounded in size. A model comes
back only when every tensor of the file found its place, every place was filled, and all
shapes and values are right.
"""

import argparse
import io
from pathlib import Path
import pickle
import zipfile

import torch

from .labels import ADVICE, installed_classes
from .model import FCNResNet18, LADDERS
from .onnx_weights import format_shape, read_onnx
from ..errors import WeightsError

MAX_BYTES = 256 * 1024 * 1024
"""Largest weights file; FCN-ResNet18 has 47 MB, a checkpoint with its optimizer 3 times that."""

_IGNORED_PREFIX = 'aux_classifier.'  # torchvision's second head, used in training only
_IGNORED_SUFFIX = '.num_batches_tracked'  # a counter that inference never reads
_FIRST, _HEAD = 'backbone.conv1.weight', 'classifier.4.weight'
_LAST = {'fcn32s': _HEAD, 'fcn8s': _HEAD} | dict.fromkeys(LADDERS, 'ladder.score.weight')
_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def load_network(network, path):
    """
    Build a network's model with the weights of a file.

    :param network: ``registry.Network``; its decoder and classes must fit the file.
    :param path: .safetensors, .onnx or .pth file; classes.txt and colors.txt beside it
        win over the network's own classes.
    :returns: (:class:`FCNResNet18` in eval mode, float32, on the CPU; ``ClassSet``).
    :raises WeightsError: when the file is missing, unreadable or does not fit.
    """
    path = Path(path).expanduser()
    data = read_bounded(path)
    state = _read_state(path, data, network.decoder)
    classes = installed_classes(network.classes, network.name, path)
    state = {name: tensor for name, tensor in state.items()
             if not name.startswith(_IGNORED_PREFIX) and not name.endswith(_IGNORED_SUFFIX)}
    _check_classes(path, state, classes, network)
    return _fill(path, state, network.decoder, len(classes)), classes


def read_bounded(path):
    """
    Return a file's bytes.

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


def _read_state(path, data, decoder):
    """Return the tensors of a file by name; its type says how."""
    suffix = path.suffix.lower()
    if suffix == '.safetensors':
        return _read_safetensors(path, data)
    if suffix == '.pth':
        return _read_checkpoint(path, data)
    if suffix == '.onnx':
        try:
            return read_onnx(data, decoder)
        except WeightsError as error:
            raise WeightsError(
                f'{path} does not fit an {decoder} network: {one_line(error)}') from None
    raise WeightsError(f'{path}: weights are .safetensors, .onnx or .pth files')


def _read_safetensors(path, data):
    from safetensors import SafetensorError
    from safetensors.torch import load
    try:
        return load(data)  # checks that header and tensors cover the file exactly
    except (SafetensorError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise WeightsError(f'{path} is not a whole .safetensors file: {one_line(error)}') from None


def _read_checkpoint(path, data):
    """Return the state_dict of a checkpoint of pytorch-segmentation, or of a plain one."""
    if torch.__version__ < (2, 6):  # weights_only could be tricked into running code
        raise WeightsError(f'{path}: .pth files are read with PyTorch 2.6 or newer only, this '
                           f'is {torch.__version__}: convert it to .safetensors elsewhere')
    _check_zip(path, data)
    try:
        # The checkpoints hold the options of the training beside the tensors.
        with torch.serialization.safe_globals([argparse.Namespace]):
            checkpoint = torch.load(io.BytesIO(data), map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f'{path} is damaged, or holds more than tensors and plain values, '
                           f'which could run code: not loaded ({_reason(error)})') from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise WeightsError(f'{path} is not a whole checkpoint: {_reason(error)}') from None
    state = checkpoint.get('model', checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or not all(_is_plain(*item) for item in state.items()):
        raise WeightsError(f'{path} holds no state_dict of tensors')
    arch = checkpoint.get('arch')
    if isinstance(arch, str) and arch != 'fcn_resnet18':
        raise WeightsError(f'{path} is a {one_line(arch)[:40]}, not an fcn_resnet18')
    return {name.removeprefix('module.'): tensor for name, tensor in state.items()}


def _check_zip(path, data):
    """Refuse zip files (checkpoints since PyTorch 1.6) that would grow when unpacked."""
    if not data.startswith(b'PK'):
        return
    try:
        if data.count(b'PK\x01\x02') > 10_000:
            raise zipfile.BadZipFile('too many entries')
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise WeightsError(f'{path} is not a whole checkpoint: {_reason(error)}') from None
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) \
            or sum(entry.file_size for entry in entries) > len(data):
        raise WeightsError(f'{path} is compressed, which checkpoints are not: not loaded')


def _is_plain(name, value):
    """Tell whether this is an ordinary tensor under a name, with its values in memory."""
    return (isinstance(name, str) and isinstance(value, torch.Tensor)
            and value.layout == torch.strided and value.device.type == 'cpu'
            and not value.is_quantized)


def _reason(error):
    """Return the first sentence of PyTorch's or zipfile's explanation."""
    return one_line(error).partition('. ')[0] or type(error).__name__


def _check_classes(path, state, classes, network):
    """Refuse weights of another network's classes with a message that says what to do."""
    name = _LAST[network.decoder]
    last = state.get(name)
    if last is None or last.dim() != 4:
        raise WeightsError(f'{path} has no tensor {name}: these are not weights of FCN-ResNet18')
    if last.shape[0] != len(classes):
        raise WeightsError(f'{path} has {last.shape[0]} classes but {network.name} has '
                           f'{len(classes)}: {ADVICE}')


def _fill(path, state, decoder, num_classes):
    """Return the model with the tensors in place, all of them checked."""
    with torch.device('meta'):  # no time and memory for initial values that get replaced
        model = FCNResNet18(num_classes, decoder, stride32_head=_HEAD in state)
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


def one_line(error):
    """Return an error's text, or any text out of a file, in one short printable line."""
    text = ' '.join(str(error).split())[:200]
    return ''.join(char if char.isprintable() else '?' for char in text)
