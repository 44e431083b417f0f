"""CUDA graph capture and replay: one launch instead of one per kernel."""

from collections.abc import Callable

import torch

_WARM_UP_RUNS = 3
"""Runs before capture: cuDNN's algorithm search and lazy allocations must be over."""

_Recorded = tuple[torch.cuda.CUDAGraph, torch.Tensor, torch.Tensor]
"""A graph, the tensor that it reads and the tensor that it fills."""


class CudaGraphs:
    """
    Call a module through CUDA graphs, one for each shape of its input.

    Memory stays bound to a graph, so the result of a call is overwritten by the next
    one of the same shape: use it, or copy it, before.

    :param module: torch module on a CUDA device, in eval mode.
    """

    def __init__(self, module: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._module = module
        self._recorded: dict[torch.Size, _Recorded] = {}

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """
        Return the module's output, by replay once it was recorded.

        :param batch: the module's input.
        """
        if batch.shape not in self._recorded:
            self._recorded[batch.shape] = self._record(batch)
        graph, static_in, static_out = self._recorded[batch.shape]
        static_in.copy_(batch)
        graph.replay()
        return static_out

    def _record(self, batch: torch.Tensor) -> _Recorded:
        static_in = batch.clone()
        stream = torch.cuda.Stream(batch.device)  # type: ignore[no-untyped-call]  # PyTorch's
        stream.wait_stream(torch.cuda.current_stream(batch.device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_RUNS):
                self._module(static_in)
        torch.cuda.current_stream(batch.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            static_out = self._module(static_in)
        return graph, static_in, static_out
