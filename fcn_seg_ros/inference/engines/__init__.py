"""
Engines: what runs a network, see :class:`fcn_seg_ros.inference.interface.Engine`.

An engine is one module of this package whose name ends in ``_engine``; what comes before that is
the engine's name.  The module has a function ``create(request)`` that takes an
:class:`.EngineRequest` and returns the engine, or raises DeviceError (or ImportError) where it
cannot be had.  Modules are imported only when their engine is wanted: PyTorch takes seconds.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
import logging
from pathlib import Path
import pkgutil
from typing import Any, NamedTuple, TYPE_CHECKING

from .quantized import quantized_path
from ..devices import Device, resolve_device as resolve_device
from ..interface import Engine, EngineRequest
from ..tuning import recall, situation_of
from ...errors import DeviceError, FcnSegError, WeightsError
from ...support.arrays import Size

if TYPE_CHECKING:
    from ...networks.model import FCNResNet18

_SUFFIX = '_engine'

ENGINES = ('auto', *sorted((module.name.removesuffix(_SUFFIX)
                            for module in pkgutil.iter_modules(__path__)
                            if module.name.endswith(_SUFFIX)), reverse=True))
"""What the option ``engine`` may be; known without importing any of them."""

PRECISIONS = ('auto', 'fp32', 'fp16', 'bf16', 'int8')
"""What the option ``precision`` may be."""

_log = logging.getLogger(__name__)


class _Choice(NamedTuple):
    """An engine in a precision, and why this one; '' where it was asked for."""

    engine: str
    precision: str
    reason: str = ''


def computes_bf16() -> bool:
    """Tell whether this CPU multiplies bf16 itself: elsewhere that is emulated, and slow."""
    return 'avx512_bf16' in _cpu_flags()


def computes_int8() -> bool:
    """
    Tell whether this CPU has instructions for sums of 8-bit products: x86's VNNI, or AVX2.

    AVX2 adds pairs of them in 16 bits, in which weights of 7 bits do not overflow.  ONNX Runtime
    takes 0.6 times as long with it as in fp32 (bundled network, AMD, without VNNI).
    """
    return not _cpu_flags().isdisjoint(('avx2', 'avx512_vnni', 'avx_vnni'))


@cache  # a training asks with every step
def _cpu_flags() -> frozenset[str]:
    try:
        return frozenset(Path('/proc/cpuinfo').read_text().split())
    except OSError:
        return frozenset()


def create_engine(model: 'FCNResNet18', *, size: Sequence[int], device: Any,
                  engine: str = 'auto', precision: str = 'auto', threads: int = 0,
                  deterministic: bool = False, weights: Any = None) -> Engine:
    """
    Return the engine that runs a model that is loaded already, see :func:`start_engine`.

    :param model: FCNResNet18 in eval mode, float32, on the CPU; the engine may change it.
    :param size: (height, width) of the input, pixels.
    :param device: as in :func:`resolve_device`.
    :param engine: one of :data:`ENGINES`.
    :param precision: one of :data:`PRECISIONS`.
    :param threads: CPU threads that it may use, 0 = its own choice.
    :param deterministic: no autotuning; the same picture gives the same scores.
    :param weights: path of the network's weights, or None.
    :raises DeviceError: when the engine or the precision can't be had.
    """
    return start_engine(EngineRequest(
        load_model=lambda: model, size=Size(*size), num_classes=model.num_classes,
        device=resolve_device(device), precision=precision, threads=threads,
        deterministic=deterministic, weights=None if weights is None else str(weights)), engine)


def start_engine(request: EngineRequest, engine: str = 'auto') -> Engine:
    """
    Return the engine that runs a network on a device.

    ``auto`` takes what ``fcn-seg tune`` has found to be the fastest here.  Where nothing was
    measured it guesses (docs/performance.md) and logs why: torch on a GPU, in fp16.  On a CPU
    onnxruntime in int8, where it is installed, the network comes with an int8 graph and the
    CPU computes in it; torch in bf16 on a CPU that computes in that; else onnxruntime, or torch
    without it.  An automatic choice that fails falls back to the next one with a warning; an
    explicit one raises.

    :param request: what it is made for.  Of its weights an .onnx file is run as it is, and int8
        is the file that ``fcn-seg export --int8`` has written beside them.
    :param engine: one of :data:`ENGINES`.
    :raises DeviceError: when the engine or the precision can't be had.
    """
    if engine not in ENGINES:
        raise DeviceError(f"unknown engine '{engine}', known: {', '.join(ENGINES)}")
    if request.precision not in PRECISIONS:
        raise DeviceError(
            f"unknown precision '{request.precision}', known: {', '.join(PRECISIONS)}")
    choices = _choices(engine, request.precision, request.device, request.weights)
    if engine == request.precision == 'auto':
        choices = [*_remembered(request), *choices]
    for choice, following in pairwise(choices):
        try:
            return _create(request, choice)
        except (ImportError, DeviceError) as error:
            _log.warning('engine %s in %s cannot be used (%s): falling back to %s in %s',
                         choice.engine, choice.precision, error, following.engine,
                         following.precision)
    try:
        return _create(request, choices[-1])
    except ImportError as error:
        if error.name == 'torch':
            raise _without_torch(request.weights) from None
        raise DeviceError(f'engine {choices[-1].engine} cannot be used: {error}') from error


def _without_torch(weights: str | None) -> FcnSegError:
    """Return what is wrong where PyTorch is missing for a network."""
    if weights and not Path(weights).is_file():
        return WeightsError(f'cannot read the weights {weights}: there is no such file')
    return DeviceError(
        f"{weights or 'the network'} needs PyTorch (pip install torch torchvision); without it "
        'onnxruntime runs .onnx files, and networks with an int8 graph')


def _remembered(request: EngineRequest) -> list[_Choice]:
    """Return the choice that was measured in this situation, if there is one."""
    if request.weights is None:
        return []
    choice = recall(situation_of(request.weights, request.size, request.device))
    if choice is None:
        _log.info("which engine is the fastest here is a guess: 'fcn-seg tune' measures it")
        return []
    if request.deterministic and not choice.repeats:
        return []
    return [_Choice(choice.engine, choice.precision,
                    f"'fcn-seg tune' found it to be the fastest on {choice.measured}, with "
                    f'{choice.milliseconds:.1f} ms a frame')]


def _create(request: EngineRequest, choice: _Choice) -> Engine:
    module = import_module(f'{__name__}.{choice.engine}{_SUFFIX}')
    made: Engine = module.create(replace(request, precision=choice.precision))
    if choice.reason:
        _log.info('engine %s in %s is chosen: %s', made.name, made.precision, choice.reason)
    return made


def _choices(engine: str, precision: str, device: Device, weights: str | None) -> list[_Choice]:
    """Return what is worth trying, the best first."""
    on_gpu, auto = device.type == 'cuda', precision == 'auto'
    bf16 = auto and not on_gpu and computes_bf16()
    if engine == 'torch':
        return [_Choice('torch', 'bf16' if bf16 else precision)]
    if engine != 'auto':
        return [_Choice(engine, precision)]
    if precision == 'int8':
        return [_Choice('onnxruntime', precision, 'the only one with int8')]
    if on_gpu:
        return [_Choice('torch', precision, 'the fastest on a GPU')]
    if precision in ('bf16', 'fp16'):
        return [_Choice('torch', precision, f'the only one with {precision}')]
    choices = []
    installed = find_spec('onnxruntime') is not None
    quantized = auto and installed and weights and quantized_path(weights).is_file()
    if installed and find_spec('torch') is None:
        return [_Choice('onnxruntime', 'int8' if quantized else 'fp32',
                        'the only one without PyTorch')]
    if quantized and computes_int8():
        choices.append(_Choice(
            'onnxruntime', 'int8', 'the fastest on this CPU, which computes in int8'))
    if bf16:
        choices.append(_Choice('torch', 'bf16', 'the fastest on this CPU, which computes in bf16'))
    elif installed:
        choices += [_Choice('onnxruntime', 'fp32', 'the fastest on this CPU'),
                    _Choice('torch', 'fp32')]
    else:
        choices.append(_Choice(
            'torch', 'fp32', 'onnxruntime, which is faster on this CPU, is not installed'))
    return choices
