"""
Engines: a loaded network that turns a normalised batch into class scores.

Every engine has ``name``, ``device`` (torch.device), ``precision``, ``detail`` (a phrase
for logs) and ``batches`` (whether a batch takes less time than its pictures one by one),
is called with a float32 batch N x 3 x H x W on its device, and returns float32 scores
N x C x h x w on the same device.
"""

from functools import partial
from importlib.util import find_spec
from itertools import pairwise
import logging
from pathlib import Path

import torch

from .quantized import quantized_path
from ..tuning import recall, situation_of
from ...errors import DeviceError

ENGINES = ('auto', 'torch', 'onnxruntime', 'tensorrt')
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
    return 'avx512_bf16' in _cpu_flags()


def computes_int8():
    """Tell whether this CPU has instructions for sums of 8-bit products: x86's VNNI."""
    return not _cpu_flags().isdisjoint(('avx512_vnni', 'avx_vnni'))


def _cpu_flags():
    try:
        return set(Path('/proc/cpuinfo').read_text().split())
    except OSError:
        return set()


def create_engine(model, *, size, device, engine='auto', precision='auto', threads=0,
                  deterministic=False, weights=None, on_wait=lambda: None):
    """
    Return the engine that runs ``model`` on ``device``.

    ``auto`` takes what ``fcn-seg tune`` has found to be the fastest here.  Where nothing was
    measured it guesses (docs/performance.md) and logs why: torch on a GPU, in fp16.  On a CPU onnxruntime in int8, where it is installed, the network comes with an int8
    graph and the CPU computes in it; torch in bf16 on a CPU that computes in that; else
    onnxruntime, or torch without it.  An automatic choice that fails falls back to the next
    one with a warning; an explicit one raises.

    :param model: FCNResNet18 in eval mode, float32, on the CPU.
    :param size: (height, width) of the input, pixels.
    :param weights: path of the network's weights: an .onnx file is run as it is, and int8
        is the file that ``fcn-seg export --int8`` has written beside it.
    :param on_wait: called about ten times a second while an engine is built, which takes
        minutes with TensorRT; what it raises breaks that off.
    :raises DeviceError: when the engine or the precision can't be had.
    """
    if engine not in ENGINES:
        raise DeviceError(f"unknown engine '{engine}', known: {', '.join(ENGINES)}")
    if precision not in PRECISIONS:
        raise DeviceError(f"unknown precision '{precision}', known: {', '.join(PRECISIONS)}")
    choices = _choices(engine, precision, device.type, weights)
    if engine == precision == 'auto' and weights:
        choices = [*_remembered(weights, size, device, deterministic), *choices]
    create = partial(_create, model, size=size, device=device, threads=threads,
                     deterministic=deterministic, weights=weights, on_wait=on_wait)
    for choice, following in pairwise(choices):
        try:
            return create(*choice)
        except (ImportError, DeviceError) as error:
            _log.warning('engine %s in %s cannot be used (%s): falling back to %s in %s',
                         *choice[:2], error, *following[:2])
    try:
        return create(*choices[-1])
    except ImportError as error:
        raise DeviceError(f'engine {choices[-1][0]} cannot be used: {error}') from error


def _remembered(weights, size, device, deterministic):
    """Return the choice that was measured in this situation as a list, empty without one."""
    choice = recall(situation_of(weights, size, device))
    if choice is None:
        _log.info("which engine is the fastest here is a guess: 'fcn-seg tune' measures it")
        return []
    if deterministic and not choice.repeats:
        return []
    return [(choice.engine, choice.precision,
             f"the fastest when 'fcn-seg tune' measured it on {choice.measured}, "
             f'{choice.milliseconds:.1f} ms a frame')]


def _create(model, name, precision, reason, *, weights, on_wait, **options):
    if name == 'onnxruntime':
        from .onnxruntime_engine import OnnxRuntimeEngine
        made = OnnxRuntimeEngine(model, precision=precision, weights=weights, **options)
    elif name == 'tensorrt':
        from .tensorrt_engine import TensorRtEngine
        made = TensorRtEngine(model, precision=precision, on_wait=on_wait,
                              size=options['size'], device=options['device'])
    else:
        from .torch_engine import TorchEngine
        made = TorchEngine(model, precision=precision, **options)
    if reason:
        _log.info('engine %s in %s is chosen: %s', made.name, made.precision, reason)
    return made


def _choices(engine, precision, device, weights):
    """Return [(engine, precision, why this one, '' where it was asked for)], best first."""
    on_gpu, auto = device == 'cuda', precision == 'auto'
    bf16 = auto and not on_gpu and computes_bf16()
    if engine == 'torch':
        return [('torch', 'bf16' if bf16 else precision, '')]
    if engine in ('onnxruntime', 'tensorrt'):
        return [(engine, precision, '')]
    if precision == 'int8':
        return [('onnxruntime', precision, 'the only one with int8')]
    if on_gpu:
        return [('torch', precision, 'the fastest on a GPU')]
    if precision in ('bf16', 'fp16'):
        return [('torch', precision, f'the only one with {precision}')]
    choices = []
    installed = find_spec('onnxruntime') is not None
    if auto and installed and computes_int8() and weights and quantized_path(weights).is_file():
        choices.append(('onnxruntime', 'int8', 'the fastest on this CPU, which computes in int8'))
    if bf16:
        choices.append(('torch', 'bf16', 'the fastest on this CPU, which computes in bf16'))
    elif installed:
        choices += [('onnxruntime', 'fp32', 'the fastest on this CPU'), ('torch', 'fp32', '')]
    else:
        choices.append(('torch', 'fp32',
                        'onnxruntime, which is faster on this CPU, is not installed'))
    return choices
