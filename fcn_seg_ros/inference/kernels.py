"""The compiled post-processing of the CPU, ``src/classify.cpp``, where it is installed."""

import ctypes
from functools import cache
from pathlib import Path

import torch

_VERSION = 2
_LIBRARY = '_kernels.so'
_MAX_THREADS = 8  # more do not pay for a few milliseconds of work


@cache
def load():
    """Return the compiled library, or None where the package runs without its build."""
    import fcn_seg_ros
    for folder in fcn_seg_ros.__path__:
        path = Path(folder) / _LIBRARY
        if path.is_file():
            try:
                library = ctypes.CDLL(str(path))
            except OSError:  # built for another machine
                continue
            if library.fcn_seg_kernels_version() == _VERSION:
                return library
    return None


def classify(scores, size, kept, *, want_confidence=True, min_confidence=0.0):
    """
    Do on the CPU what :func:`fcn_seg_ros.inference.postprocess.classify` does.

    The interpreter is free for other threads meanwhile.

    :param scores: float32 tensor C x h x w on the CPU, in any memory format.
    :param size: (height, width) of the mask, pixels.
    :param kept: int64 tensor of the class ids that may be predicted, ascending.
    :returns: uint8 tensors H x W: class ids, and the probability x 255 or None.
    :raises RuntimeError: when the library is not installed, see :func:`load`.
    :raises MemoryError: when there is not enough of it.
    """
    library = load()
    if library is None:
        raise RuntimeError(f'{_LIBRARY} is not installed')
    if len(kept) != len(scores):
        scores = scores.index_select(0, kept)
    ids = kept.to(torch.uint8)
    class_ids = torch.empty(size, dtype=torch.uint8)
    confidence = torch.empty(size, dtype=torch.uint8) if want_confidence else None
    threads = min(_MAX_THREADS, torch.get_num_threads())
    strides = (ctypes.c_int64 * 3)(*scores.stride())
    failed = library.fcn_seg_classify(
        _pointer(scores), strides, _pointer(ids), *scores.shape, *size,
        ctypes.c_float(min_confidence), _pointer(class_ids), _pointer(confidence), threads)
    if failed:
        raise MemoryError(f'no memory to classify {size[1]}x{size[0]} pixels')
    return class_ids, confidence


def _pointer(tensor):
    return None if tensor is None else ctypes.c_void_p(tensor.data_ptr())
