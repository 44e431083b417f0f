"""Which device a network runs on, found out without importing PyTorch where there is no GPU."""

import ctypes
from dataclasses import dataclass
from functools import cache
import os
import re
import sys
from typing import Any, TYPE_CHECKING

from ..errors import DeviceError

if TYPE_CHECKING:
    from torch import device as TorchDevice  # noqa: N812 (a class, whatever its name)

_DRIVERS = ('libcuda.so.1', 'libcuda.dylib', 'nvcuda.dll')
_AMD = '/dev/kfd'


@dataclass(frozen=True)
class Device:
    """
    Where a network runs; its text is what PyTorch calls it, such as ``cuda:0``.

    :param type: 'cpu' or 'cuda'.
    :param index: number of the GPU, 0 for the CPU.
    """

    type: str  # noqa: A003 (PyTorch's name for it)
    index: int = 0

    def __str__(self) -> str:
        return self.type if self.type == 'cpu' else f'{self.type}:{self.index}'

    def torch(self) -> 'TorchDevice':
        """Return it as PyTorch's own."""
        import torch
        return torch.device(str(self))


CPU = Device('cpu')


def resolve_device(name: Any = 'auto') -> Device:
    """
    Return the device that a name means.

    :param name: 'auto', 'cpu', 'cuda' or 'cuda:N', a number N of a GPU (also as a text),
        or a torch.device.
    :raises DeviceError: for another name, or a GPU that is not there.
    """
    text = f'cuda:{name}' if str(name).isdecimal() else str(name)
    if text == 'auto':
        return Device('cuda') if gpu_count() else CPU
    if text == 'cpu':
        return CPU
    match = re.fullmatch(r'cuda(?::(\d+))?', text, re.ASCII)
    if not match:
        raise DeviceError(f"unknown device '{text[:40]}': use auto, cpu, cuda or cuda:N")
    count = gpu_count()
    if not count:
        raise DeviceError(
            f"device '{text}' is not available: {_pytorch()} finds no CUDA GPU; use device "
            "'auto' or 'cpu', or install a CUDA build and driver")
    index = int(match[1] or 0)
    if index >= count:
        raise DeviceError(f"device '{text}' is not available: there are {count} GPUs, counted "
                          'from 0')
    return Device('cuda', index)


def gpu_count() -> int:
    """Return how many GPUs PyTorch can use; it is imported only where a driver is installed."""
    if 'torch' not in sys.modules and not _has_driver():
        return 0
    try:
        import torch
    except ImportError:
        return 0
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


@cache
def _has_driver() -> bool:
    for name in _DRIVERS:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return os.path.exists(_AMD)


def _pytorch() -> str:
    try:
        import torch
    except ImportError:
        return 'without PyTorch fcn_seg_ros'
    return f'this PyTorch ({torch.__version__})'
