"""A plain folder of pictures and masks: the way to bring one's own data."""

from .base import (
    colors_to_ids, ids_table, IGNORE, pictures_in, read_labels, require, SegmentationDataset)
from ...errors import DatasetError
from ...networks.classes import class_set_from_labels, ClassSet, read_labels as read_class_labels


class Folder(SegmentationDataset):
    """
    Your own pictures.

    Layout: ``classes.yaml`` (as in ``config/classes``) or ``classes.txt`` (a label a
    line) with optional ``colors.txt`` (``R G B`` a line); pictures in
    ``<split>/images/`` and masks of the same name in ``<split>/labels/*.png``, subfolders
    allowed.  A mask holds class ids (255 = ignore), or is an RGB picture in the
    colours of the classes (white, unless it is a class, = ignore).  A value that is no
    class is an error: it would silently leave pixels out.
    """

    name = 'folder'
    splits = ()

    def _load_classes(self):
        path = self.root / 'classes.yaml'
        if path.is_file():
            self.classes = ClassSet.from_yaml(path)
        else:
            texts = require(
                self.root / 'classes.txt', 'labels, one a line; or classes.yaml', self.name)
            self.classes = class_set_from_labels(
                read_class_labels(texts), self.root.name).replaced_by_files(self.root)
        self.table = ids_table(range(len(self.classes)), len(self.classes))
        # Reversed: of two classes with one colour the first is kept.
        self.colors = {tuple(int(v) for v in color): index for index, color
                       in reversed(list(enumerate(self.classes.colors)))}
        self.colors.setdefault((255, 255, 255), IGNORE)

    def _find(self, root, split):
        images = require(root / split / 'images', 'pictures', self.name)
        labels = require(root / split / 'labels', 'masks of the same names', self.name)
        return [(image, require(
            labels / image.relative_to(images).with_suffix('.png'), f'mask of {image.name}',
            self.name)) for image in pictures_in(images)]

    def _read_labels(self, source):
        values = read_labels(source)
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
