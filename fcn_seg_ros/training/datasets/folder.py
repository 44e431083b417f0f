"""A plain folder of pictures and masks: the way to bring one's own data."""

from pathlib import Path

import numpy as np

from .base import (
    Color, colors_to_ids, ids_table, IGNORE, pictures_in, read_label_picture, require,
    SegmentationDataset)
from .common_labels import classes_beside
from ...errors import DatasetError
from ...images.files import is_picture_name
from ...support.arrays import UInt8Array


class Folder(SegmentationDataset[Path]):
    """
    Your own pictures.

    Layout: ``classes.yaml`` (as in ``config/classes``) or ``classes.txt`` (a label a
    line) with optional ``colors.txt`` (``R G B`` a line); pictures in
    ``<split>/images/`` and masks of the same name in ``<split>/labels/*.png``, subfolders
    allowed.  A mask holds class ids (255 = ignore), or is an RGB picture in the
    colours of the classes (white, unless it is a class, = ignore).  A value that is no
    class is an error: it would silently leave pixels out.  Where there are two classes and
    the masks of all splits hold 0 and 255 but no 1, 255 is the second class.
    """

    name = 'folder'
    splits = ()

    def _load_classes(self) -> None:
        classes = classes_beside(self.root)
        if classes is None:
            raise DatasetError(f'{self.name}: {self.root / "classes.txt"} is missing (labels, one '
                               'a line; or classes.yaml)')
        self.classes = classes
        self.table = ids_table(range(len(self.classes)), len(self.classes))
        if len(self.classes) == 2 and self._is_black_and_white():
            self.table[IGNORE] = 1
            self.notes.append(
                f"the masks hold 0 and 255 and no 1: 255 is read as '{self.classes.labels[1]}'. "
                'If it means "ignore" there, nothing is labelled with that class')
        # Reversed: of two classes with one colour the first is kept.
        self.colors: dict[Color, int] = {
            (red, green, blue): index for index, (red, green, blue)
            in reversed(list(enumerate(self.classes.colors.tolist())))}
        self.colors.setdefault((255, 255, 255), IGNORE)

    def _find(self, root: Path, split: str) -> list[tuple[Path, Path]]:
        images = require(root / split / 'images', 'pictures', self.name)
        self.left_out += [(path, 'of no format that is read') for path in sorted(images.rglob('*'))
                          if path.is_file() and not path.name.startswith('.')
                          and not is_picture_name(path)]
        labels = require(root / split / 'labels', 'masks of the same names', self.name)
        return [(image, require(
            labels / image.relative_to(images).with_suffix('.png'), f'mask of {image.name}',
            self.name)) for image in pictures_in(images)]

    def _is_black_and_white(self) -> bool:
        """Tell whether masks of ids, all splits taken together, hold 0 and 255 alone."""
        found = np.zeros(256, bool)
        for path in sorted(self.root.glob('*/labels/**/*.png')):
            if not is_picture_name(path):
                continue
            values = read_label_picture(path)
            if values.ndim == 3:
                return False
            found[np.unique(values)] = True
            if found[1:IGNORE].any():
                return False
        return bool(found[0] and found[IGNORE])

    def _read_labels(self, picture: Path, source: Path) -> UInt8Array:
        values = read_label_picture(source)
        if values.ndim == 3:
            labels, unknown = colors_to_ids(values, self.colors)
            if unknown.any():
                color = tuple(values[unknown][0].tolist())
                raise DatasetError(f'{source}: the colour {color} is no class')
            return labels
        wrong = values[(values >= len(self.classes)) & (values != IGNORE)]
        if wrong.size:
            raise DatasetError(
                f'{source}: value {wrong[0]} is no class id (0..{len(self.classes) - 1}, 255)')
        return self.table[values]
