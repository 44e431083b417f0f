"""LabelMe: a JSON file beside each picture."""

import base64
import binascii
from io import BytesIO
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from .base import Color
from .exports import Export, Labelled
from .shapes import checked_size, Circle, Drawing, Polygon, ring, Shape, Stencil
from ...errors import DatasetError
from ...support.arrays import MAX_PIXELS

_MAX_RADIUS = 1e5  # pixels of a circle: it is drawn row by row, also outside of the picture


class LabelMe(Export):
    """
    The folder that LabelMe works in (github.com/wkentaro/labelme).

    Layout: ``NAME.json`` beside ``NAME.jpg``, subfolders allowed; files below a folder
    ``train`` or ``val`` are of that split.  Polygons, rectangles, circles and masks are drawn in
    the file's order, as LabelMe draws them; lines and points have no area and are left out.
    """

    name = 'labelme'

    def _read_export(self) -> None:
        self._files = self._json_files(
            lambda data: isinstance(data.get('shapes'), list), 'of LabelMe')

    def _named(self) -> tuple[list[str], dict[str, Color]]:
        labels = {_label(shape, path) for path, data in self._files for shape in data['shapes']}
        return sorted(labels), {}

    def _pictures(self) -> Labelled:
        result: Labelled = []
        for path, data in self._files:
            name = data.get('imagePath')
            if not isinstance(name, str) or not name:
                raise DatasetError(f"{path}: 'imagePath' does not name the picture")
            picture = self._picture(name, path.parent)
            size = checked_size(data.get('imageWidth'), data.get('imageHeight'), path)
            shapes = [shape for shape in (_shape(one, path) for one in data['shapes']) if shape]
            skipped = len(data['shapes']) - len(shapes)
            if skipped:
                self.notes.append(f'{path.name}: {skipped} lines or points have no area')
            result.append((picture, Drawing(size, shapes), self._split_of_folder(path)))
        return result


def _label(shape: Any, path: Path) -> str:
    label = shape.get('label') if isinstance(shape, dict) else None
    if not isinstance(label, str) or not label.strip():
        raise DatasetError(f'{path}: a shape has no label')
    return label.strip()


def _shape(shape: dict[str, Any], path: Path) -> Shape | None:
    """Return what a shape covers; None for one without area."""
    kind, label = shape.get('shape_type') or 'polygon', _label(shape, path)
    points = ring(shape.get('points') or (), path)
    if kind in ('polygon', 'oriented_rectangle'):
        return Polygon(label, (points,)) if len(points) > 2 else None
    if kind in ('line', 'linestrip', 'point', 'points'):
        return None
    if len(points) != 2 or kind not in ('rectangle', 'circle', 'mask'):
        raise DatasetError(f"{path}: a shape of type '{kind}' with {len(points)} points is not "
                           'known')
    (x0, y0), (x1, y1) = points
    if kind == 'rectangle':
        return Polygon(label, (((x0, y0), (x1, y0), (x1, y1), (x0, y1)),))
    if kind == 'circle':
        radius = math.hypot(x1 - x0, y1 - y0)
        if radius > _MAX_RADIUS:
            raise DatasetError(f"{path}: a circle '{label}' with a radius of {radius:.4g} pixels")
        return Circle(label, x0, y0, radius)
    try:
        with Image.open(BytesIO(base64.b64decode(shape.get('mask') or ''))) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise DatasetError(f'{path}: a mask of {picture.width}x{picture.height} pixels')
            mask = np.asarray(picture.convert('L')) > 0
    except (OSError, UnidentifiedImageError, binascii.Error, TypeError, ValueError):
        raise DatasetError(f"{path}: the mask of a shape '{label}' cannot be read") from None
    return Stencil(label, mask, round(min(x0, x1)), round(min(y0, y1)))
