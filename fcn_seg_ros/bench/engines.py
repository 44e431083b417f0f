"""The forward pass alone, by every engine that works here."""

from functools import partial
import logging

import torch

from .stages import synchronized
from .timing import measure
from ..errors import DeviceError
from ..inference.engines import computes_bf16, create_engine
from ..networks.loading import find_network
from ..networks.weights import load_network

_log = logging.getLogger(__name__)

EAGER = 'torch eager, fp32'
"""The usual way, for comparison: torchvision's modules as they are."""

CANDIDATES = {
    'cpu': (('torch', 'fp32'), ('onnxruntime', 'fp32'), ('torch', 'bf16'),
            ('onnxruntime', 'int8')),
    'cuda': (('torch', 'fp32'), ('torch', 'fp16'), ('torch', 'bf16'), ('tensorrt', 'fp16'),
             ('tensorrt', 'fp32'), ('onnxruntime', 'fp32')),
}
"""Engines and precisions that are tried on a kind of device; the first is the reference."""


def load_forwards(network, weights, models_dir, device, threads, precision='auto'):
    """
    Return every way to run a network on a device that works, ready to call.

    :param network: name of the network; ``weights`` and ``models_dir`` as for the
        :class:`.Segmenter`.
    :param precision: of those that are compared; ``auto``: all that there are.
    :returns: {description: function without arguments}, :data:`EAGER` first.
    """
    entry, path = find_network(network, weights, models_dir)
    size = entry.size
    batch = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0)).to(str(device))
    if threads:
        torch.set_num_threads(threads)
    eager = load_network(entry, path)[0].to(str(device))
    forwards = {EAGER: partial(_run_eager, eager, batch)}
    for engine, number_format in candidates(device, precision):
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


def candidates(device, precision='auto'):
    """Return (engine, precision) pairs worth comparing on a device, see :data:`CANDIDATES`."""
    slow = {'bf16'} if device.type == 'cpu' and not computes_bf16() else set()
    return [(engine, name) for engine, name in CANDIDATES[device.type]
            if precision in ('auto', name) and name not in slow]


def _run_eager(model, batch):
    with torch.inference_mode():
        return model(batch)


def measure_engines(forwards, seconds):
    """Return ({description: :class:`Timing`}, the fastest one but eager)."""
    timings = measure(forwards, seconds)
    fastest = min((name for name in timings if name != EAGER),
                  key=lambda name: timings[name].median)
    return timings, fastest
