"""The backend of CPUs: NumPy arrays and compiled kernels, and no PyTorch."""

from collections.abc import Sequence

import numpy as np

from . import kernels
from .interface import Engine, Masks
from ..errors import DeviceError
from ..support.arrays import Float32Array, Int64Array, Size, UInt8Array
from ..support.compiled import default_threads


class CpuBackend:
    """
    Segment pictures on a CPU; for use by one thread at a time.

    :param engine: runs the network, NumPy arrays in and out.
    :param size: of the network's input.
    :param mean: per channel (R, G, B), in shares of full scale.
    :param std: per channel (R, G, B), in shares of full scale.
    :param nearest: take scores from the nearest cell of the grid instead of interpolating.
    :param threads: CPU threads that the kernels may use, 0 = all cores.
    :raises DeviceError: when the compiled kernels are not installed.
    """

    def __init__(self, engine: Engine, *, size: Size, mean: Sequence[float],
                 std: Sequence[float], nearest: bool = False, threads: int = 0) -> None:
        if kernels.load() is None:
            raise DeviceError(f'{kernels.LIBRARY} is not installed')
        self.engine = engine
        self.device = engine.device
        self._size = size
        self._tables = kernels.lookup_tables(mean, std)
        self._nearest = nearest
        self._threads = default_threads(threads)

    def __call__(self, images: Sequence[UInt8Array], sizes: Sequence[Size],
                 kept: Sequence[int], *, min_confidence: float = 0.0,
                 want_confidence: bool = True, want_scores: bool = False) -> list[Masks]:
        """Segment some pictures as one batch, see :class:`.Backend`."""
        scores = self.engine(self.preprocess(images))
        return [Masks(*self.classify(one, size, kept, min_confidence=min_confidence,
                                     want_confidence=want_confidence),
                      one if want_scores else None)
                for one, size in zip(scores, sizes)]

    def preprocess(self, images: Sequence[UInt8Array]) -> Float32Array:
        """
        Return the network's input for some pictures, float32 array N x 3 x h x w.

        :param images: uint8 arrays H x W x 3, RGB, any strides; sizes may differ.
        """
        batch = np.empty((len(images), 3, *self._size), np.float32)
        for image, planes in zip(images, batch):
            kernels.preprocess(image, planes, self._tables, threads=self._threads)
        return batch

    def classify(self, scores: Float32Array, size: Size, kept: Sequence[int], *,
                 min_confidence: float = 0.0, want_confidence: bool = True
                 ) -> tuple[UInt8Array, UInt8Array | None]:
        """
        Return class ids and confidence of one picture.

        :param scores: float32 array C x h x w.
        :param size: of the mask.
        :param kept: ids of the classes that may be predicted, ascending.
        :param min_confidence: pixels whose probability is below it become 255, unknown.
        :param want_confidence: whether confidence is wanted; else it is None.
        :returns: uint8 arrays H x W.
        """
        grid = Size(*scores.shape[1:])
        ids, confidence = kernels.classify(
            scores, grid if self._nearest else size, np.asarray(kept),
            want_confidence=want_confidence, min_confidence=min_confidence,
            threads=self._threads)
        if self._nearest:
            cells = np.ix_(nearest_cells(grid.height, size.height),
                           nearest_cells(grid.width, size.width))
            ids = ids[cells]
            confidence = confidence if confidence is None else confidence[cells]
        return ids, confidence


def nearest_cells(cells: int, pixels: int) -> Int64Array:
    """
    Return the cell of the grid that is the nearest to each pixel of an axis.

    :param cells: of the grid.
    :param pixels: of the mask.
    """
    position = (np.arange(pixels, dtype=np.float32) + 0.5) * np.float32(cells / pixels)
    return np.minimum(position.astype(np.int64), cells - 1)
