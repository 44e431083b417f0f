"""How the process shares the machine: its memory and the processor's cores."""

import ctypes
import gc
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # glibc's malloc.h
_KEPT = 128 << 20
"""Bytes that may lie unused at the end of the heap: images and a network's activations."""
_LARGEST = 32 << 20
"""Bytes of the largest block that is taken from the heap; glibc allows no more."""


def keep_memory() -> None:
    """
    Let freed blocks of some MB be used again, instead of going back to the machine.

    Every image and every layer takes such blocks.  By default glibc returns them one by
    one, and the machine clears each page that is taken anew (docs/performance.md).  Other C
    libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        # malloc_trim() gives back the end of the first heap only; a thread's own would keep it.
        mallopt(_M_ARENA_MAX, 1)


def release_memory() -> None:
    """Give memory that nothing holds any more back to the machine and the GPU."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)  # glibc's alone has it
    if trim is not None:
        trim(0)
    torch = sys.modules.get('torch')  # takes seconds to import, and without it there is no cache
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def share_cores() -> None:
    """
    Let PyTorch's threads sleep while they wait for each other; call before importing it.

    By default they spin between layers, so that on cores which other programs use as well
    each waits for one that does not run: several times slower (docs/performance.md).  Who
    has set OMP_WAIT_POLICY has chosen.
    """
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
