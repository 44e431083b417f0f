"""The compiled steps around the network on a CPU, ``src/*.cpp``, where they are installed."""

from collections.abc import Sequence
import ctypes

import numpy as np
import numpy.typing as npt

from ..support.arrays import Float32Array, Size, UInt8Array
from ..support.compiled import LIBRARY as LIBRARY, load as load, pointer


def lookup_tables(mean: Sequence[float], std: Sequence[float]) -> Float32Array:
    """
    Return what each byte of each channel is normalised to, float32 3 x 256.

    :param mean: per channel (R, G, B), in shares of full scale.
    :param std: per channel (R, G, B), in shares of full scale.
    """
    deviation = np.asarray(std, np.float32)
    scale = (1 / (np.float32(255) * deviation)).astype(np.float32)
    offset = (-np.asarray(mean, np.float32) / deviation).astype(np.float32)
    levels = np.arange(256, dtype=np.float32)
    return np.ascontiguousarray(offset[:, None] + levels * scale[:, None], np.float32)


def preprocess(image: UInt8Array, out: Float32Array, tables: Float32Array, *, threads: int = 1
               ) -> None:
    """
    Stretch a picture to the network's input and normalise it, in one pass over its bytes.

    Shrinking is antialiased; the bytes in between are those of PyTorch's antialiased bilinear
    filter, bit for bit.  RGB, BGR reversed by strides, and the first three channels of RGBA are
    read where they lie; other strides cost a copy.

    :param image: uint8 array H x W x 3, RGB.
    :param out: contiguous float32 array 3 x h x w, which is filled.
    :param tables: as of :func:`lookup_tables`.
    :param threads: how many may work.
    :raises RuntimeError: when the library is not installed, see :func:`load`.
    :raises MemoryError: when there is not enough of it.
    """
    height, width, _ = image.shape
    planes = out
    if image.strides[2] == -1:  # BGR: read forwards, its first channel is the last plane
        image, planes, tables = image[..., ::-1], out[::-1], np.ascontiguousarray(tables[::-1])
    if image.strides[2] != 1 or image.strides[1] not in (3, 4):
        image = np.ascontiguousarray(image)
    failed = _library().fcn_seg_preprocess(
        pointer(image), ctypes.c_int64(image.strides[0]), image.strides[1], height, width,
        pointer(tables), pointer(planes), ctypes.c_int64(planes.strides[0] // planes.itemsize),
        *out.shape[1:], threads)
    if failed:
        raise MemoryError(f'no memory to shrink {width}x{height} pixels')


def classify(scores: Float32Array, size: Size | tuple[int, int], kept: npt.NDArray[np.intp], *,
             want_confidence: bool = True, min_confidence: float = 0.0, threads: int = 1
             ) -> tuple[UInt8Array, UInt8Array | None]:
    """
    Do on the CPU what :func:`fcn_seg_ros.inference.postprocess.classify` does.

    The interpreter is free for other threads meanwhile.

    :param scores: float32 array C x h x w, any strides, class scores of one picture.
    :param size: (height, width) of the mask, pixels.
    :param kept: the class ids that may be predicted, ascending.
    :param want_confidence: whether the second result is wanted.
    :param min_confidence: pixels whose probability is below it become 255, unknown.
    :param threads: how many may work.
    :returns: uint8 arrays H x W: class ids, and the probability x 255 or None.
    :raises RuntimeError: when the library is not installed, see :func:`load`.
    :raises MemoryError: when there is not enough of it.
    """
    library = _library()
    if len(kept) != len(scores):
        scores = scores[kept]
    ids = np.ascontiguousarray(kept, np.uint8)
    class_ids = np.empty(size, np.uint8)
    confidence = np.empty(size, np.uint8) if want_confidence else None
    strides = (ctypes.c_int64 * 3)(*(stride // scores.itemsize for stride in scores.strides))
    failed = library.fcn_seg_classify(
        pointer(scores), strides, pointer(ids), *scores.shape, *size,
        ctypes.c_float(min_confidence), pointer(class_ids), pointer(confidence), threads)
    if failed:
        raise MemoryError(f'no memory to classify {size[1]}x{size[0]} pixels')
    return class_ids, confidence


def _library() -> ctypes.CDLL:
    library = load()
    if library is None:
        raise RuntimeError(f'{LIBRARY} is not installed')
    return library
