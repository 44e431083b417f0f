"""
CUDA graphs: work that is recorded once and replayed in one launch.

Recording is safe beside other threads that use the GPU: in CUDA's default mode an allocation
or an event query anywhere in the process would be an error while a graph is captured, and
the node loads a network while it segments with another.
"""

from collections.abc import Callable
import threading
from typing import Any

import torch

_WARM_UP_RUNS = 3
"""Runs before capture: cuDNN's algorithm search and lazy allocations must be over."""

_capturing = threading.Lock()
"""Held while a graph is captured: there may be one capture at a time in a process."""


class Recording:
    """
    Some work on a GPU, recorded as a CUDA graph.

    The work reads the same tensors and fills the same tensors at each replay.  What it
    allocates meanwhile is bound to the graph, or shared by the graphs of a pool.

    :param work: gives kernels and copies to the current stream; must not wait for the GPU,
        and what it fills must be allocated before.  It is run some times before it is
        recorded.
    :param device: the GPU that it works on, which need not be the current one.
    :param pool: of ``torch.cuda.graph_pool_handle()``: memory that it shares with other
        recordings, of which only one is replayed at a time.
    """

    def __init__(self, work: Callable[[], object], device: torch.device, pool: Any) -> None:
        self._device = device
        with _capturing, torch.cuda.device(device):
            # A stream of its own: the one that torch.cuda.graph would take belongs to the
            # device that was current at the first capture of the process.
            stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # PyTorch's
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UP_RUNS):
                    work()
            torch.cuda.current_stream(device).wait_stream(stream)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, pool=pool, stream=stream,
                                  capture_error_mode='thread_local'):
                work()

    def replay(self) -> None:
        """Give the recorded work to the current stream, in one launch."""
        with torch.cuda.device(self._device):
            self._graph.replay()
