"""What a network saw in one picture."""

from dataclasses import dataclass
from functools import cached_property
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .errors import MediaError, OptionError
from .fractions import count_ids
from .images.drawing import paint_classes
from .images.files import PICTURE_SUFFIXES
from .images.pictures import PICTURES
from .inference.cpu_backend import nearest_cells
from .networks.classes import ClassSet, UNKNOWN
from .support.arrays import Float32Array, Int64Array, Size, UInt8Array
from .support.atomic_files import write_file

_LOSSLESS = ('.png', '.bmp', '.tif', '.tiff', '.pgm')
_MONO_ONLY = '.pgm'
_REPR_CLASSES = 3


@dataclass(frozen=True, eq=False)
class GridScores:
    """
    Class scores as the network gave them, to work the probabilities out from.

    :param scores: float32 array C x h x w.
    :param kept: ids of the classes that could be predicted, ascending.
    :param nearest: pixels take the scores of the nearest cell instead of interpolating.
    """

    scores: Float32Array
    kept: tuple[int, ...]
    nearest: bool = False


class Segmentation:
    """
    What a network saw in one picture; pictures of it are drawn when asked for.

    :param image: uint8 array H x W x 3, RGB, the picture.
    :param class_mask: uint8 array H x W, class id per pixel, 255 = unknown.
    :param confidence: uint8 array H x W, probability of the winning class x 255, or None.
    :param classes: the :class:`ClassSet` the ids belong to.
    :param palette: the classes' colours as an OpenCV colour map, uint8 256 x 1 x 3.
    :param grid: what the probabilities are made from, or None.
    """

    def __init__(self, image: UInt8Array, class_mask: UInt8Array, confidence: UInt8Array | None,
                 classes: ClassSet, palette: UInt8Array, grid: GridScores | None = None) -> None:
        self.class_mask = class_mask
        self.confidence = confidence
        self.classes = classes
        self._image = image
        self._palette = palette
        self._grid = grid

    def __repr__(self) -> str:
        size = Size(*self.class_mask.shape)
        shares = sorted(self.fractions.items(), key=lambda item: -item[1])
        most = [f'{label} {share:.0%}' for label, share in shares[:_REPR_CLASSES] if share > 0]
        if self.unknown:
            most.append(f'unknown {self.unknown:.0%}')
        return f'<Segmentation {size}: {", ".join(most)}>'

    @property
    def image_size(self) -> Size:
        """Return the size of the picture."""
        return Size(*self._image.shape[:2])

    @cached_property
    def color_mask(self) -> UInt8Array:
        """Return the class colours, uint8 array H x W x 3, RGB; unknown is black."""
        return paint_classes(self.class_mask, self._palette)

    @cached_property
    def histogram(self) -> Int64Array:
        """Return the pixels of each class id, int64 array of 256."""
        return count_ids(self.class_mask)

    @property
    def fractions(self) -> dict[str, float]:
        """Return {label: share of all pixels}; with the unknown pixels they sum to 1."""
        shares = self.histogram / self.class_mask.size
        return dict(zip(self.classes.labels, shares.tolist()))

    @property
    def unknown(self) -> float:
        """Return the share of pixels whose class is not known."""
        return float(self.histogram[UNKNOWN] / self.class_mask.size)

    def overlay(self, alpha: float = 0.5) -> UInt8Array:
        """
        Return the picture blended with the class colours, uint8 H x W x 3 at the mask's size.

        Pixels of unknown class show the picture alone.

        :param alpha: weight of the colours, 0..1.
        """
        height, width = self.class_mask.shape
        image: npt.NDArray[Any] = np.ascontiguousarray(self._image)
        if image.shape[:2] != (height, width):
            shrinks = height * width < image.shape[0] * image.shape[1]
            image = np.asarray(cv2.resize(
                image, (width, height),
                interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))
        blended = np.asarray(
            cv2.addWeighted(self.color_mask, alpha, image, 1 - alpha, 0), np.uint8)
        if self.histogram[UNKNOWN]:
            cv2.copyTo(image, (self.class_mask == UNKNOWN).view(np.uint8), blended)
        return blended

    def probabilities(self) -> Float32Array:
        """
        Return the probability of every class for every pixel of the mask.

        They are made anew at each call and take 4 bytes a class and pixel.

        :returns: float32 array C x H x W that sums to 1 over the classes; classes that are
            ignored have 0.
        :raises OptionError: when they were not asked for.
        """
        if self._grid is None:
            raise OptionError('the probabilities were not kept: ask for them with '
                              'segmenter(image, probabilities=True)')
        height, width = self.class_mask.shape
        scores, kept = self._grid.scores, list(self._grid.kept)
        result = np.zeros((len(scores), height, width), np.float32)
        cells = np.ix_(nearest_cells(scores.shape[1], height),
                       nearest_cells(scores.shape[2], width))
        for index in kept:
            result[index] = scores[index][cells] if self._grid.nearest else cv2.resize(
                np.ascontiguousarray(scores[index]), (width, height))  # bilinear
        best = result[kept].max(axis=0)
        total = np.zeros((height, width), np.float32)
        for index in kept:
            np.exp(result[index] - best, out=result[index])
            total += result[index]
        for index in kept:
            result[index] /= total
        return result

    def picture(self, name: str, *, alpha: float = 0.5) -> UInt8Array:
        """
        Return a picture of the result by its name.

        :param name: one of :data:`.PICTURES`.
        :param alpha: weight of the colours in an overlay, 0..1.
        :returns: uint8 array H x W (numbers) or H x W x 3, RGB.
        :raises OptionError: when there is no such picture, or none of this result.
        """
        if name not in PICTURES:
            raise OptionError(f"there is no picture '{name}' of a segmentation: choose one of "
                              f'{", ".join(PICTURES)}')
        pixels: UInt8Array | None = \
            self.overlay(alpha) if name == 'overlay' else getattr(self, name)
        if pixels is None:
            raise OptionError('this segmentation was made without confidence')
        return pixels

    def save(self, path: str | os.PathLike[str], what: str = 'overlay', *, alpha: float = 0.5
             ) -> None:
        """
        Write a picture of the result into a file, whole or not at all.

        :param path: of the file; its suffix says the format.  A class mask needs one that
            loses nothing, such as .png: its pixels are ids.
        :param what: one of :data:`.PICTURES`.
        :param alpha: weight of the colours in an overlay, 0..1.
        :raises OptionError: when ``what`` or the suffix is none that there is.
        :raises MediaError: when the file cannot be written.
        """
        pixels = self.picture(what, alpha=alpha)
        suffix = Path(path).suffix.lower()
        mono = PICTURES[what].holds_numbers
        known = [name for name in (_LOSSLESS if what == 'class_mask' else PICTURE_SUFFIXES)
                 if mono or name != _MONO_ONLY]
        if suffix not in known:
            raise OptionError(f"cannot write a {what} as '{Path(path).name}': its name must end "
                              f'in {", ".join(known)}')
        encoded = cv2.imencode(suffix, pixels if mono else pixels[..., ::-1])[1].tobytes()
        try:
            write_file(path, encoded)
        except OSError as error:
            raise MediaError(f'cannot write {path}: {error.strerror}') from None
