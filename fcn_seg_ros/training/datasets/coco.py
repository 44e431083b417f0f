"""COCO: one JSON file for all pictures of a split, with polygons or run lengths."""

from pathlib import Path
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import Color
from .exports import Export, Labelled, split_of
from .shapes import Area, checked_size, Drawing, ring, Shape, Stencil
from ...errors import DatasetError
from ...support.arrays import Size


class Coco(Export):
    """
    The COCO format, as CVAT, Label Studio, Roboflow and others export it.

    Layout: any ``*.json`` with ``images``, ``annotations`` and ``categories``; the split is in
    its name or its folder's (``instances_val2017.json``, ``valid/_annotations.coco.json``).
    Pictures lie where ``file_name`` says, from the file, from the root or below ``images/``.
    Polygons and run lengths are drawn in the file's order.
    """

    name = 'coco'

    def _read_export(self) -> None:
        self._files = self._json_files(
            lambda data: all(isinstance(data.get(key), list)
                             for key in ('images', 'annotations', 'categories')),
            'with images, annotations and categories')

    def _named(self) -> tuple[list[str], dict[str, Color]]:
        used = {annotation.get('category_id') for _, data in self._files
                for annotation in data['annotations'] if isinstance(annotation, dict)}
        labels: dict[str, None] = {}
        for path, data in self._files:
            # Roboflow adds a category above all others that nothing is labelled with.
            labels.update((label, None) for number, label in _categories(path, data).items()
                          if number in used)
        return list(labels), {}

    def _pictures(self) -> Labelled:
        result: Labelled = []
        for path, data in self._files:
            categories = _categories(path, data)
            drawings = {}
            for image in data['images']:
                try:
                    number, name = image['id'], str(image['file_name'])
                except (KeyError, TypeError):
                    raise DatasetError(f"{path}: an image lacks 'id' or 'file_name'") from None
                size = checked_size(image.get('width'), image.get('height'), f'{path}: {name}')
                drawings[number] = name, Drawing(size, [])
            for annotation in data['annotations']:
                try:
                    name, drawing = drawings[annotation['image_id']]
                    label = categories[annotation['category_id']]
                except (KeyError, TypeError):
                    raise DatasetError(f'{path}: an annotation is of an image or a category that '
                                       'the file does not have') from None
                assert isinstance(drawing.shapes, list)
                drawing.shapes.append(_shape(annotation.get('segmentation'), label, drawing.size,
                                             f'{path}: {name}'))
            split = _split(path, self.root)
            folders = (path.parent, self.root, self.root / 'images', path.parent.parent / 'images')
            result += [(self._picture(name, *folders), drawing, split)
                       for name, drawing in drawings.values()]
        return result


def _categories(path: Path, data: dict[str, Any]) -> dict[Any, str]:
    try:
        return {category['id']: str(category['name']) for category in data['categories']}
    except (KeyError, TypeError):
        raise DatasetError(f"{path}: a category lacks 'id' or 'name'") from None


def _split(path: Path, root: Path) -> str:
    words = [word for part in reversed(path.relative_to(root).with_suffix('').parts)
             for word in re.split(r'[^a-z]+', part.lower())]
    return next(filter(None, map(split_of, words)), '')


def _shape(value: Any, label: str, size: Size, where: str) -> Shape:
    if isinstance(value, dict):
        return Stencil(label, decode_run_lengths(value, size, where))
    if not isinstance(value, list) or not value:
        raise DatasetError(f"{where}: '{label}' has a box and no outline: export it for "
                           'segmentation')
    rings = []
    for flat in value:
        if not isinstance(flat, list) or len(flat) % 2:
            raise DatasetError(f"{where}: the outline of '{label}' is no list of x, y, x, y, ...")
        rings.append(ring(zip(flat[::2], flat[1::2]), where))
    return Area(label, tuple(rings))


def decode_run_lengths(value: dict[str, Any], size: Size, where: str) -> npt.NDArray[np.bool_]:
    """
    Return the mask that COCO's run lengths stand for.

    :param value: ``size`` ([height, width]) and ``counts``: lengths of runs of 0 and 1 in turn,
        column by column, as a list, or as pycocotools packs it into a text.
    :param size: of the picture, which the mask must have.
    :param where: file and picture, for messages.
    :returns: bool array H x W.
    :raises DatasetError: when it is no such thing.
    """
    counts = value.get('counts')
    if list(value.get('size') or ()) != list(size):
        raise DatasetError(f'{where}: a mask of the size {value.get("size")}, the picture is '
                           f'{size.height} high and {size.width} wide')
    if isinstance(counts, str):
        counts = _unpack(counts)
    if not isinstance(counts, list) or not all(
            isinstance(count, int) and count >= 0 for count in counts) \
            or sum(counts) != size.height * size.width:
        raise DatasetError(f'{where}: run lengths that do not fill the picture')
    runs = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return runs.reshape(size.width, size.height).T


def _unpack(text: str) -> list[int] | None:
    """
    Return the counts of a packed text, None if it is none.

    Numbers of 5 bits a character, the lowest first, 32 = more follow, 16 of the last = negative;
    from the third on they are differences to the last but one.
    """
    counts: list[int] = []
    number = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            return None
        number |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                number -= 1 << shift
            counts.append(number + (counts[-2] if len(counts) > 2 else 0))
            number = shift = 0
    return counts if not shift else None
