"""The forward pass alone, by every engine that works here."""

from functools import partial
import logging

import torch

from .stages import synchronized
from .timing import measure
from ..engines import create_engine
from ..errors import DeviceError
from ..registry import Registry
from ..weights import load_network

_log = logging.getLogger(__name__)

EAGER = 'torch eager, fp32'
"""The usual way, for comparison: torchvision's modules as they are."""


def load_forwards(network, weights, models_dir, device, threads):
    """
    Return every way to run a network on a device that works, ready to call.

    :param network: name of the network; ``weights`` and ``models_dir`` as for the
        :class:`.Segmenter`.
    :returns: {description: function without arguments}, :data:`EAGER` first.
    """
    registry = Registry.load(models_dir)
    entry = registry.get(network)
    path = weights or registry.find_weights(entry)
    size = (entry.height, entry.width)
    batch = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0)).to(device)
    if threads:
        torch.set_num_threads(threads)
    eager = load_network(entry, path)[0].to(device)
    forwards = {EAGER: partial(_run_eager, eager, batch)}
    for engine, precision in candidates(device):
        model = load_network(entry, path)[0]  # the engines change what they take over
        try:
            made = create_engine(
                model, size=size, device=device, engine=engine, precision=precision,
                threads=threads, onnx_file=path if str(path).endswith('.onnx') else None)
        except DeviceError as error:
            _log.info('%s, %s: %s', engine, precision, error)
            continue
        forwards[f'{made.name}: {made.detail}'] = partial(made, batch)
    return {name: synchronized(forward, device) for name, forward in forwards.items()}


def candidates(device):
    """Return (engine, precision) pairs worth comparing on a device."""
    precisions = ('fp32', 'fp16', 'bf16') if device.type == 'cuda' else ('fp32',)
    return [*(('torch', precision) for precision in precisions), ('onnxruntime', 'fp32')]


def _run_eager(model, batch):
    with torch.inference_mode():
        return model(batch)


def measure_engines(forwards, seconds):
    """Return ({description: :class:`Timing`}, the fastest one but eager)."""
    timings = measure(forwards, seconds)
    fastest = min((name for name in timings if name != EAGER),
                  key=lambda name: timings[name].median)
    return timings, fastest
