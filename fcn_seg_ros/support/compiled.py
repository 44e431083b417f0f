"""The compiled part of the package, ``src/*.cpp``, where it is installed."""

import ctypes
from functools import cache
import os
from pathlib import Path
from typing import Any

import numpy.typing as npt

LIBRARY = '_kernels.so'
_VERSION = 4
_MAX_THREADS = 8  # more do not pay for a few milliseconds of work


@cache
def load() -> ctypes.CDLL | None:
    """Return the compiled library, or None where the package runs without its build."""
    import fcn_seg_ros
    for folder in fcn_seg_ros.__path__:
        path = Path(folder) / LIBRARY
        if path.is_file():
            try:
                library = ctypes.CDLL(str(path))
            except OSError:  # built for another machine
                continue
            if library.fcn_seg_kernels_version() == _VERSION:
                return library
    return None


def default_threads(asked: int = 0) -> int:
    """
    Return how many threads a kernel is to use.

    :param asked: what the user wants the engine to use, 0 for all cores of the process.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        cores = os.cpu_count() or 1
    return max(1, min(_MAX_THREADS, asked or cores))


def pointer(array: npt.NDArray[Any] | None) -> ctypes.c_void_p | None:
    """
    Return the address of an array's first element, as functions of the library take it.

    :param array: the array, or None for none; it has to live as long as the call lasts.
    """
    return None if array is None else ctypes.c_void_p(array.ctypes.data)
