"""Roboflow's "Semantic Segmentation Masks": a mask beside each picture, names in a table."""

import csv
from pathlib import Path

import numpy as np

from .base import Color, IGNORE, pictures_in, read_label_picture
from .exports import Export, Labelled, split_of
from ...errors import DatasetError
from ...support.arrays import UInt8Array

_CLASSES, _MASK = '_classes.csv', '_mask'


class Roboflow(Export):
    """
    The folder or zip file of the export "Semantic Segmentation Masks".

    Layout: ``train/``, ``valid/`` and ``test/``, each with ``NAME.jpg``, ``NAME_mask.png`` and
    ``_classes.csv`` (pixel value, class).
    """

    name = 'roboflow'

    def _read_export(self) -> None:
        self._tables: dict[Path, dict[int, str]] = {}
        for path in sorted(self.root.rglob(_CLASSES)):
            self._tables[path.parent] = _read_table(path)
        if not self._tables:
            raise DatasetError(f'roboflow: {self.root} has no {_CLASSES}: export it as "Semantic '
                               'Segmentation Masks"')

    def _named(self) -> tuple[list[str], dict[str, Color]]:
        labels = dict.fromkeys(label for table in self._tables.values()
                               for _, label in sorted(table.items()))
        return list(labels), {}

    def _pictures(self) -> Labelled:
        result: Labelled = []
        for folder in self._tables:
            for picture in pictures_in(folder):
                if picture.stem.endswith(_MASK):
                    continue
                mask = picture.with_name(f'{picture.stem}{_MASK}.png')
                if not mask.is_file():
                    raise DatasetError(f'roboflow: {mask} is missing (mask of {picture.name})')
                result.append((picture, mask, split_of(folder.name)))
        return result

    def _read_mask(self, picture: Path, mask: Path) -> UInt8Array:
        values = read_label_picture(mask)
        if values.ndim != 2:
            raise DatasetError(f'{mask} is a colour picture, Roboflow masks are ids')
        names = self._tables[mask.parent]
        table = np.full(256, IGNORE, np.uint8)
        for value in np.unique(values).tolist():
            if value in names:
                table[value] = self.class_id(names[value], picture)
            elif value != IGNORE:
                raise DatasetError(f'{mask}: the value {value} is not in {_CLASSES}')
        return table[values]


def _read_table(path: Path) -> dict[int, str]:
    table = {}
    with open(path, encoding='utf-8-sig', newline='') as file:
        for number, row in enumerate(csv.reader(file, skipinitialspace=True), 1):
            if number == 1 or not row:
                continue
            if len(row) != 2 or not row[0].strip().isdecimal() or int(row[0]) > 255:
                raise DatasetError(f'{path} line {number}: expected pixel value, class')
            table[int(row[0])] = row[1].strip()
    return table
