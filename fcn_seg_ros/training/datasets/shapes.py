"""Areas that labelling tools draw: outlines and masks, in pixels of the picture."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ...errors import DatasetError
from ...support.arrays import BoolArray, Float64Array, MAX_PIXELS, Size

_ELLIPSE_POINTS = 64
_FAR = 1e6  # pixels: points further away are taken to be there


@dataclass(frozen=True, eq=False)
class _Outlined(ABC):
    label: str
    rings: tuple[tuple[tuple[float, float], ...], ...]

    def draw(self, labels: Image.Image, index: int) -> None:
        """
        Draw it into a picture of class ids.

        :param labels: PIL picture of mode L.
        :param index: the class id.
        """
        for ring in self.rings:
            if len(ring) > 2:
                self._fill(ring, labels, index)

    @abstractmethod
    def _fill(self, ring: tuple[tuple[float, float], ...], labels: Image.Image, index: int
              ) -> None:
        """Draw what belongs to an outline of three points or more."""


class Polygon(_Outlined):
    """
    An area of one class whose points are pixels, as LabelMe has them: (0, 0) is the first.

    :param label: its class's label.
    :param rings: outlines, (x, y) each; the pixels on and inside any of them belong to it.
    """

    def _fill(self, ring: tuple[tuple[float, float], ...], labels: Image.Image, index: int
              ) -> None:
        ImageDraw.Draw(labels).polygon(ring, fill=index, outline=index)


@dataclass(frozen=True, eq=False)
class Circle:
    """
    A circle of one class whose points are pixels, as LabelMe has it: (0, 0) is the first.

    :param label: its class's label.
    :param x: its middle, pixels.
    :param y: likewise.
    :param radius: pixels; those on the rim belong to it.
    """

    label: str
    x: float
    y: float
    radius: float

    def draw(self, labels: Image.Image, index: int) -> None:
        """
        Draw it into a picture of class ids.

        :param labels: PIL picture of mode L.
        :param index: the class id.
        """
        ImageDraw.Draw(labels).ellipse(
            (self.x - self.radius, self.y - self.radius, self.x + self.radius,
             self.y + self.radius), fill=index, outline=index)


class Area(_Outlined):
    """
    An area of one class whose points lie between pixels, as COCO, CVAT and Label Studio have them.

    The first pixel is the square from (0, 0) to (1, 1), and belongs to what its middle is in.

    :param label: the class's label.
    :param rings: outlines, (x, y) each; pixels whose middle is inside any of them belong to it.
    """

    def _fill(self, ring: tuple[tuple[float, float], ...], labels: Image.Image, index: int
              ) -> None:
        mask, left, top = _middles_inside(ring, Size(labels.height, labels.width))
        if mask.size:
            Stencil(self.label, mask, left, top).draw(labels, index)


@dataclass(frozen=True, eq=False)
class Stencil:
    """
    An area of one class as a mask.

    :param label: its class's label.
    :param mask: bool array h x w, True where the class is.
    :param left: column of the mask's left edge in the picture, pixels.
    :param top: row of its upper edge.
    """

    label: str
    mask: npt.NDArray[np.bool_]
    left: int = 0
    top: int = 0

    def draw(self, labels: Image.Image, index: int) -> None:
        """
        Draw it into a picture of class ids.

        :param labels: PIL picture of mode L.
        :param index: the class id.
        """
        labels.paste(index, (self.left, self.top),
                     Image.fromarray(self.mask.astype(np.uint8) * 255))


Shape = Polygon | Circle | Area | Stencil


@dataclass(frozen=True, eq=False)
class Drawing:
    """
    The shapes on one picture.

    :param size: of the picture, pixels, as the tool says.
    :param shapes: drawn in this order: later ones cover earlier ones.
    """

    size: Size
    shapes: Sequence[Shape]


def checked_size(width: object, height: object, where: str | Path) -> Size:
    """
    Return the size that a tool has written down.

    :param width: what stands there.
    :param height: likewise.
    :param where: file or picture, for the message.
    :raises DatasetError: when it is none, or too large.
    """
    if not (isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0
            and width * height <= MAX_PIXELS):
        raise DatasetError(f'{where}: {width}x{height} is no size of a picture')
    return Size(height, width)


def ring(points: Iterable[Any], where: str | Path) -> tuple[tuple[float, float], ...]:
    """
    Return an outline as pairs of numbers.

    :param points: pairs (x, y).
    :param where: file or picture, for the message.
    :raises DatasetError: when they are something else.
    """
    try:
        pairs = tuple((float(x), float(y)) for x, y in points)
    except (TypeError, ValueError):
        pairs = ((float('nan'), 0.0),)
    if not np.isfinite(np.array(pairs)).all():
        raise DatasetError(f'{where}: an outline is no list of points (x, y)')
    return pairs


def ellipse(x: float, y: float, a: float, b: float) -> Float64Array:
    """
    Return the outline of an upright ellipse, N x 2.

    :param x: its middle, pixels.
    :param y: likewise.
    :param a: half of its width.
    :param b: half of its height.
    """
    turns = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS, endpoint=False)
    return np.stack((x + a * np.cos(turns), y + b * np.sin(turns)), 1)


def turned(outline: Float64Array, degrees: float, about: Float64Array) -> Float64Array:
    """
    Return an outline turned clockwise, N x 2.

    :param outline: N x 2, x to the right and y down.
    :param degrees: by how much.
    :param about: the point (x, y) that stays.
    """
    angle = np.radians(degrees)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    return np.asarray((outline - about) @ turn + about, np.float64)


def _middles_inside(points: Sequence[tuple[float, float]], size: Size
                    ) -> tuple[BoolArray, int, int]:
    """
    Return which pixels have their middle inside of an outline, and where these pixels begin.

    :param points: of the outline, between pixels.
    :param size: of the picture; what is outside of it is left out.
    :returns: bool array h x w, perhaps empty; its left column and its upper row in the picture.
    """
    x, y = np.clip(np.array(points, np.float64), -_FAR, _FAR).T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    # Each edge crosses the middles of some rows, from which on inside and outside change places.
    begin, end = (np.clip(np.ceil(ends - 0.5), 0, size.height).astype(np.int64)
                  for ends in (np.minimum(y, next_y), np.maximum(y, next_y)))
    counts = end - begin
    edges = np.repeat(np.arange(len(x)), counts)
    if not len(edges):
        return np.zeros((0, 0), bool), 0, 0
    rows = np.arange(len(edges)) + np.repeat(begin - (np.cumsum(counts) - counts), counts)
    parts = (rows + 0.5 - y[edges]) / (next_y - y)[edges]
    crossings = x[edges] + parts * (next_x - x)[edges]
    columns = np.clip(np.ceil(crossings - 0.5), 0, size.width).astype(np.int64)
    top, left = int(rows.min()), int(columns.min())
    changes = np.zeros((int(rows.max()) - top + 1, int(columns.max()) - left + 1), np.int64)
    np.add.at(changes, (rows - top, columns - left), 1)
    return changes.cumsum(axis=1)[:, :-1] % 2 == 1, left, top
