"""PyTorch's .pth files: tensors are read, and nothing in them is run."""

import argparse
import io
from pathlib import Path
import pickle
import re
from typing import Any
import zipfile

import torch

from ..errors import WeightsError
from ..support.text import one_line

_STATES = ('model', 'state_dict', 'model_state_dict', 'model_ema', 'state_dict_ema')
"""Under which keys training programs keep the tensors beside other things; the first counts."""


class _LeftOut:
    """Stands for a NumPy scalar, such as an accuracy beside the tensors, which is not read."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


# Of NumPy itself nothing runs: its dtype and scalar are rebuilt by code that trusts the file.
_HARMLESS: list[Any] = [argparse.Namespace, *((_LeftOut, name) for name in (
    'numpy.dtype', 'numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar'))]


def read_checkpoint(path: Path, data: bytes) -> dict[str, torch.Tensor]:
    """
    Return the state_dict of a training program's checkpoint, or of a file that is one.

    :param path: of the file, for messages.
    :param data: its bytes.
    :raises WeightsError: when it is damaged, or holds what could run code or is no state_dict.
    """
    if torch.__version__ < '2.6':  # weights_only could be tricked into running code
        raise WeightsError(f'{path}: .pth files are read with PyTorch 2.6 or newer only, this '
                           f'is {torch.__version__}: convert it to .safetensors elsewhere')
    _check_zip(path, data)
    try:
        # The checkpoints hold the options of the training beside the tensors.
        with torch.serialization.safe_globals(_HARMLESS):
            checkpoint = torch.load(io.BytesIO(data), map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f'{path} {_refusal(error)}') from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise WeightsError(f'{path} is not a whole checkpoint: {_reason(error)}') from None
    if not isinstance(checkpoint, dict):
        raise WeightsError(f'{path} holds no state_dict of tensors')
    state = next((checkpoint[key] for key in _STATES if key in checkpoint), checkpoint)
    if not isinstance(state, dict) or not all(_is_plain(*item) for item in state.items()):
        raise WeightsError(f'{path} holds no state_dict of tensors')
    arch = checkpoint.get('arch')
    if isinstance(arch, str) and arch != 'fcn_resnet18':
        raise WeightsError(f'{path} is a {one_line(arch)[:40]}, not an fcn_resnet18')
    return state


def _check_zip(path: Path, data: bytes) -> None:
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


def _is_plain(name: object, value: object) -> bool:
    """Tell whether this is an ordinary tensor under a name, with its values in memory."""
    return (isinstance(name, str) and isinstance(value, torch.Tensor)
            and value.layout == torch.strided and value.device.type == 'cpu'
            and not value.is_quantized)


def _refusal(error: pickle.UnpicklingError) -> str:
    """Return what is wrong with a file that PyTorch does not unpickle, and the way out."""
    found = re.search(r'GLOBAL ([\w.]{1,100}) was not an allowed global', str(error))
    if found is None:
        return ('is damaged, or holds more than tensors and plain values, which could run code: '
                f'not loaded ({_reason(error)})')
    return (f'holds a {found[1]} beside its tensors, which could run code: not loaded; save the '
            'tensors alone where it was made, with torch.save(model.state_dict(), ...)')


def _reason(error: Exception) -> str:
    """Return the first sentence of PyTorch's or zipfile's explanation."""
    return one_line(error).partition('. ')[0] or type(error).__name__
