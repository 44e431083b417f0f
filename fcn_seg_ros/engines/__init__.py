"""
Engines: a loaded network that turns a normalised batch into class scores.

Every engine has ``name``, ``device`` (torch.device), ``precision`` and ``detail`` (a
phrase for logs), is called with a float32 batch N x 3 x H x W on its device, and
returns float32 scores N x C x h x w on the same device.
"""

from importlib.util import find_spec
import logging

import torch

from ..errors import DeviceError

ENGINES = ('auto', 'torch', 'onnxruntime')
PRECISIONS = ('auto', 'fp32', 'fp16', 'bf16')

_log = logging.getLogger(__name__)


def resolve_device(name='auto'):
    """
    Return the torch device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    :raises DeviceError: for another name, or a GPU that is not there.
    """
    if name == 'auto':
        return torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')
    if name == 'cpu':
        return torch.device('cpu')
    index = name.removeprefix('cuda').removeprefix(':') or '0'
    if not name.startswith('cuda') or not index.isdecimal():
        raise DeviceError(f"unknown device '{name}': use auto, cpu, cuda or cuda:N")
    if not torch.cuda.is_available():
        raise DeviceError(
            f"device '{name}' is not available: this PyTorch ({torch.__version__}) finds no "
            "CUDA GPU; use device 'auto' or 'cpu', or install a CUDA build and driver")
    if int(index) >= torch.cuda.device_count():
        raise DeviceError(f"device '{name}' is not available: there are "
                          f'{torch.cuda.device_count()} GPUs, counted from 0')
    return torch.device('cuda', int(index))


def create_engine(model, *, size, device, engine='auto', precision='auto', threads=0,
                  deterministic=False, onnx_file=None):
    """
    Return the engine that runs ``model`` on ``device``.

    ``auto`` takes torch on a GPU, and on the CPU onnxruntime where it is installed,
    which is faster there (docs/performance.md), else torch.  An automatic choice that
    fails falls back to torch with a warning; an explicit one raises.

    :param model: FCNResNet18 in eval mode, float32, on the CPU.
    :param size: (height, width) of the input, pixels.
    :param onnx_file: the network's own .onnx file if it has one, run as it is.
    :raises DeviceError: when the engine or the precision can't be had.
    """
    if engine not in ENGINES:
        raise DeviceError(f"unknown engine '{engine}', known: {', '.join(ENGINES)}")
    if precision not in PRECISIONS:
        raise DeviceError(f"unknown precision '{precision}', known: {', '.join(PRECISIONS)}")
    from .torch_engine import TorchEngine

    options = {'size': size, 'device': device, 'precision': precision, 'threads': threads,
               'deterministic': deterministic}
    wants_ort = engine == 'onnxruntime' or (
        engine == 'auto' and device.type == 'cpu' and precision in ('auto', 'fp32')
        and find_spec('onnxruntime') is not None)
    if wants_ort:
        try:
            from .onnxruntime_engine import OnnxRuntimeEngine
            return OnnxRuntimeEngine(model, onnx_file=onnx_file, **options)
        except (ImportError, DeviceError) as error:
            if engine == 'onnxruntime':
                raise DeviceError(f'engine onnxruntime cannot be used: {error}') from error
            _log.warning('engine onnxruntime cannot be used (%s): falling back to torch', error)
    return TorchEngine(model, **options)
