"""
Engines: a loaded network that turns a normalised batch into class scores.

Every engine has ``name``, ``device`` (torch.device), ``precision``, ``detail`` (a phrase
for logs) and ``batches`` (whether a batch takes less time than its pictures one by one),
is called with a float32 batch N x 3 x H x W on its device, and returns float32 scores
N x C x h x w on the same device.
"""

from importlib.util import find_spec
import logging
from pathlib import Path

import torch

from ..errors import DeviceError

ENGINES = ('auto', 'torch', 'onnxruntime')
PRECISIONS = ('auto', 'fp32', 'fp16', 'bf16', 'int8')

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


def computes_bf16():
    """Tell whether this CPU multiplies bf16 itself: elsewhere that is emulated, and slow."""
    try:
        return 'avx512_bf16' in Path('/proc/cpuinfo').read_text().split()
    except OSError:
        return False


def create_engine(model, *, size, device, engine='auto', precision='auto', threads=0,
                  deterministic=False, weights=None):
    """
    Return the engine that runs ``model`` on ``device``.

    ``auto`` takes what is fastest (docs/performance.md) and logs why: torch on a GPU, in
    fp16, and on a CPU that computes in bf16; on other CPUs onnxruntime where it is
    installed, else torch.  An automatic choice that fails falls back to torch with a
    warning; an explicit one raises.

    :param model: FCNResNet18 in eval mode, float32, on the CPU.
    :param size: (height, width) of the input, pixels.
    :param weights: path of the network's weights: an .onnx file is run as it is, and int8
        is the file that ``fcn-seg export --int8`` has written beside it.
    :raises DeviceError: when the engine or the precision can't be had.
    """
    if engine not in ENGINES:
        raise DeviceError(f"unknown engine '{engine}', known: {', '.join(ENGINES)}")
    if precision not in PRECISIONS:
        raise DeviceError(f"unknown precision '{precision}', known: {', '.join(PRECISIONS)}")
    from .torch_engine import TorchEngine

    options = {'size': size, 'device': device, 'threads': threads,
               'deterministic': deterministic}
    chosen, precision, reason = _choose(engine, precision, device.type)
    if chosen == 'onnxruntime':
        try:
            from .onnxruntime_engine import OnnxRuntimeEngine
            made = OnnxRuntimeEngine(model, precision=precision, weights=weights, **options)
        except (ImportError, DeviceError) as error:
            if engine == 'onnxruntime' or precision == 'int8':
                raise DeviceError(f'engine onnxruntime cannot be used: {error}') from error
            _log.warning('engine onnxruntime cannot be used (%s): falling back to torch', error)
            made = TorchEngine(model, precision=precision, **options)
    else:
        made = TorchEngine(model, precision=precision, **options)
    if reason:
        _log.info('engine %s in %s is chosen: %s', made.name, made.precision, reason)
    return made


def _choose(engine, precision, device):
    """Return (engine, precision, why this engine, '' where it was asked for)."""
    if engine == 'onnxruntime':
        return engine, precision, ''
    if engine == 'auto' and precision == 'int8':
        return 'onnxruntime', precision, 'the only one with int8'
    if device == 'cuda':
        return 'torch', precision, 'the fastest on a GPU' if engine == 'auto' else ''
    fast_bf16 = precision == 'auto' and computes_bf16()
    if fast_bf16:
        precision = 'bf16'
    if engine == 'torch':
        return engine, precision, ''
    if fast_bf16:
        return 'torch', precision, 'the fastest on this CPU, which computes in bf16'
    if precision in ('bf16', 'fp16'):
        return 'torch', precision, f'the only one with {precision}'
    if find_spec('onnxruntime') is None:
        return 'torch', precision, 'onnxruntime, which is faster on this CPU, is not installed'
    return 'onnxruntime', precision, 'the fastest on this CPU'
