"""Which backend segments: the one of the device, around the engine that was asked for."""

from collections.abc import Sequence
import logging
from typing import cast

from . import kernels
from .engines import start_engine
from .interface import Backend, Engine, EngineRequest, GpuEngine
from ..support.arrays import Size

_log = logging.getLogger(__name__)


def create_backend(request: EngineRequest, engine: str = 'auto', *, mean: Sequence[float],
                   std: Sequence[float], nearest: bool = False) -> Backend:
    """
    Return what segments pictures on a device.

    :param request: what the engine is made for.
    :param engine: one of :data:`.engines.ENGINES`.
    :param mean: per channel (R, G, B), in shares of full scale, that the input is normalised by.
    :param std: per channel (R, G, B), likewise.
    :param nearest: take scores from the nearest cell of the grid instead of interpolating.
    :raises DeviceError: when the engine or the precision can't be had.
    """
    return backend_around(start_engine(request, engine), size=request.size, mean=mean, std=std,
                          nearest=nearest, threads=request.threads)


def backend_around(engine: Engine, *, size: Size, mean: Sequence[float], std: Sequence[float],
                   nearest: bool = False, threads: int = 0) -> Backend:
    """
    Return the backend of an engine's device.

    :param engine: runs the network.
    :param size: of the network's input.
    :param mean: per channel (R, G, B), in shares of full scale, that the input is normalised by.
    :param std: per channel (R, G, B), likewise.
    :param nearest: take scores from the nearest cell of the grid instead of interpolating.
    :param threads: CPU threads that the steps around the network may use, 0 = all cores.
    """
    if engine.device.type == 'cpu':
        if kernels.load() is not None:
            from .cpu_backend import CpuBackend
            return CpuBackend(engine, size=size, mean=mean, std=std, nearest=nearest,
                              threads=threads)
        _log.warning('%s is not installed: pre- and post-processing take several times as long',
                     kernels.LIBRARY)
        from .torch_backend import TorchBackend
        return TorchBackend(engine, size=size, mean=mean, std=std, nearest=nearest)
    from .cuda.backend import CudaBackend
    # Every engine runs on GPUs as well, if it runs there at all.
    return CudaBackend(cast(GpuEngine, engine), size=size, mean=mean, std=std, nearest=nearest)
