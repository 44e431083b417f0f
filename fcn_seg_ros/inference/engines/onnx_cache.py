"""Networks exported to ONNX, once for each set of weights, in the cache folder."""

import hashlib
import logging
import os
import warnings

import torch

from ...errors import DeviceError, NoFolderError
from ...networks.model import FCNResNet18
from ...support.atomic_files import replacing
from ...support.paths import cache_dir

_EXPORT_VERSION = 1
"""Part of the cache's key: raise it when the exported graph changes for equal weights."""

_log = logging.getLogger(__name__)


def digest(model: FCNResNet18, size: tuple[int, int]) -> str:
    """
    Return a hash of what the exported graph is made from, 32 hexadecimal digits.

    :param model: FCNResNet18 on the CPU.
    :param size: (height, width) of the input, pixels.
    """
    result = hashlib.sha256(repr((_EXPORT_VERSION, tuple(size), model.decoder)).encode())
    for name, tensor in sorted(model.state_dict().items()):
        result.update(name.encode())
        result.update(tensor.contiguous().numpy().tobytes())
    return result.hexdigest()[:32]


def exported(model: FCNResNet18, size: tuple[int, int]) -> str:
    """
    Return the path of ``model`` as .onnx, exporting it unless the cache has it.

    :param model: FCNResNet18 in eval mode, float32, on the CPU.
    :param size: (height, width) of the input, pixels.
    :raises DeviceError: when it can be neither exported nor written.
    """
    try:
        folder = cache_dir() / 'onnx'
    except NoFolderError as error:
        raise DeviceError(f'the export needs a cache folder: {error}') from None
    path = folder / f'{digest(model, size)}.onnx'
    if path.is_file():
        return str(path)
    _log.info('exporting the network to ONNX, once')
    try:
        with replacing(path) as temporary:
            export(model, size, temporary)
    except (OSError, ImportError, RuntimeError) as error:
        raise DeviceError(f'cannot export the network to {path}: {error}') from error
    return str(path)


def forget(path: str | os.PathLike[str]) -> None:
    """
    Remove an exported network that cannot be used.

    :param path: as of :func:`exported`.

    :raises DeviceError: when it cannot be removed either.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise DeviceError(f'cannot remove {path}: {error}') from error


def export(model: FCNResNet18, size: tuple[int, int], path: str | os.PathLike[str], *,
           open_batch: bool = True) -> None:
    """
    Write a network as ONNX, in the type that its weights have.

    :param model: FCNResNet18 in eval mode, on the CPU.
    :param size: (height, width) of the input, pixels.
    :param path: of the file to write.
    :param open_batch: whether the number of pictures is left open; else it is 1.
    :raises OSError: when it cannot be written.
    """
    axes = {'input_0': {0: 'batch'}, 'output_0': {0: 'batch'}} if open_batch else None
    dtype = next(model.parameters()).dtype
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the exporter deprecates itself at length
        torch.onnx.export(
            model, (torch.zeros(1, 3, *size, dtype=dtype),), str(path), dynamo=False,
            opset_version=17, input_names=['input_0'], output_names=['output_0'],
            dynamic_axes=axes)
