"""How much a frame asks of a GPU: launches are what small networks wait for."""

from collections.abc import Callable
from typing import Any

import torch

CALLS = ('cudaGraphLaunch', 'cudaLaunchKernel', 'cudaLaunchKernelExC', 'cuLaunchKernel',
         'cuLaunchKernelEx', 'cudaMemcpyAsync', 'cudaMemsetAsync')
"""Calls of CUDA's that give it work, as PyTorch's profiler names them."""
_WARM_UP = 3


def count_launches(frame: Callable[[], object], profile: Callable[..., Any] | None = None
                   ) -> dict[str, int]:
    """
    Count what the processor gives to the GPU for a frame, and what the GPU does for it.

    :param frame: does everything for a frame and waits for its end.  It is run some times
        before it is counted: what is recorded at the first has to be.
    :param profile: stands in for ``torch.profiler.profile``.
    :returns: calls of each kind that there were any of, of all kinds, and the kernels and copies
        that the GPU ran.
    """
    for _ in range(_WARM_UP):
        frame()
    kinds = torch.profiler.ProfilerActivity
    with (profile or torch.profiler.profile)(activities=[kinds.CPU, kinds.CUDA]) as profiler:
        frame()
    events = profiler.events()
    calls = {name: sum(event.name == name for event in events) for name in CALLS}
    on_gpu = sum(event.device_type == torch.autograd.DeviceType.CUDA for event in events)
    return {**{name: count for name, count in calls.items() if count},
            'launches': sum(calls.values()), 'kernels and copies': on_gpu}
