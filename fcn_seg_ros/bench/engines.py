"""The forward pass alone, by every engine that works here."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
import logging
from typing import TypedDict

import torch

from .stages import synchronized
from .timing import measure, Timing
from ..errors import DeviceError
from ..inference.devices import Device
from ..inference.engines import computes_bf16, create_engine, ENGINES
from ..networks.loading import find_network
from ..networks.weights import load_network

_log = logging.getLogger(__name__)

EAGER = 'torch eager, fp32'
"""The usual way, for comparison: torchvision's modules as they are."""

_TABLE = {
    'cpu': (('torch', 'fp32'), ('onnxruntime', 'fp32'), ('torch', 'bf16'),
            ('onnxruntime', 'int8')),
    'cuda': (('torch', 'fp32'), ('torch', 'fp16'), ('torch', 'bf16'), ('tensorrt', 'fp16'),
             ('tensorrt', 'fp32'), ('onnxruntime', 'fp32')),
}


def with_others(engines: Sequence[str]) -> dict[str, tuple[tuple[str, str], ...]]:
    """
    Return which engines and precisions are tried on each kind of device, the reference first.

    :param engines: all that there are; those that the table above does not know are tried
        everywhere, in the precision of their own choice.
    """
    known = {'auto'}.union(engine for pairs in _TABLE.values() for engine, _ in pairs)
    others = tuple((engine, 'auto') for engine in engines if engine not in known)
    return {kind: pairs + others for kind, pairs in _TABLE.items()}


CANDIDATES = with_others(ENGINES)
"""Engines and precisions that are tried on a kind of device; the first is the reference."""


class Options(TypedDict):
    """What is measured: the :class:`.Segmenter`'s arguments, and the node's parameters."""

    network: str
    weights: str
    models_dir: str
    device: str
    engine: str
    precision: str
    threads: int


def load_forwards(options: Options, device: Device) -> dict[str, Callable[[], object]]:
    """
    Return every way to run a network on a device that works, ready to call.

    :param options: which network, how many threads, and the precision that is compared, or
        ``auto`` for all that there are; every engine is loaded, whichever they name.
    :param device: where it runs.
    :returns: {description: function without arguments}, :data:`EAGER` first.
    :raises FcnSegError: when the network cannot be had.
    """
    entry, path = find_network(options['network'], options['weights'], options['models_dir'])
    threads = options['threads']
    size = entry.size
    batch = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0)).to(str(device))
    if threads:
        torch.set_num_threads(threads)
    eager = load_network(entry, path)[0].to(str(device))
    forwards: dict[str, Callable[[], object]] = {EAGER: partial(_run_eager, eager, batch)}
    for engine, number_format in candidates(device, options['precision']):
        model = load_network(entry, path)[0]  # the engines change what they take over
        try:
            made = create_engine(
                model, size=size, device=device, engine=engine, precision=number_format,
                threads=threads, weights=path)
        except DeviceError as error:
            _log.info('%s, %s: %s', engine, number_format, error)
            continue
        forwards[f'{made.name}: {made.detail}'] = partial(made, batch)
    return {name: synchronized(forward, device) for name, forward in forwards.items()}


def candidates(device: Device, precision: str = 'auto') -> list[tuple[str, str]]:
    """
    Return (engine, precision) pairs worth comparing on a device, see :data:`CANDIDATES`.

    :param device: where they would run.
    :param precision: the only one to compare, or ``auto``.
    """
    slow = {'bf16'} if device.type == 'cpu' and not computes_bf16() else set()
    return [(engine, name) for engine, name in CANDIDATES[device.type]
            if precision in ('auto', name) and name not in slow]


def _run_eager(model: torch.nn.Module, batch: torch.Tensor) -> object:
    with torch.inference_mode():
        return model(batch)


def measure_engines(forwards: Mapping[str, Callable[[], object]], seconds: float
                    ) -> tuple[dict[str, Timing], str]:
    """
    Time the forward passes in turns.

    :param forwards: of :func:`load_forwards`.
    :param seconds: about how long to go on.
    :returns: the times by description, and which one but eager is the fastest.
    """
    timings = measure(forwards, seconds)
    fastest = min((name for name in timings if name != EAGER),
                  key=lambda name: timings[name].median)
    return timings, fastest
