"""LV-MHP-v2, multi-human parsing."""

from collections import defaultdict
from pathlib import Path

import numpy as np

from .base import IGNORE, MappedDataset, read_label_picture, read_list, require
from ...errors import DatasetError
from ...support.arrays import UInt8Array


class MultiHumanParsing(MappedDataset[tuple[Path, ...]]):
    """
    LV-MHP-v2 (J. Zhao et al., ACM Multimedia 2018).

    Layout of ``LV-MHP-v2.zip``: ``list/<split>.txt`` with an id a line,
    ``<split>/images/<id>.jpg`` and ``<split>/parsing_annos/<id>_<persons>_<n>.png``,
    one file per person.  Persons are overlaid in the order of ``n``.
    """

    name = 'mhp'

    def _find(self, root: Path, split: str) -> list[tuple[Path, tuple[Path, ...]]]:
        ids = read_list(root / 'list' / f'{split}.txt', 'picture ids', self.name)
        images = require(root / split / 'images', 'pictures', self.name)
        folder = require(root / split / 'parsing_annos', 'labels per person', self.name)
        persons: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.glob('*_*_*.png')):
            persons[path.stem.split('_')[0]].append(path)
        for number in ids:
            require(images / f'{number}.jpg', f'listed in list/{split}.txt', self.name)
            if number not in persons:
                raise DatasetError(
                    f'mhp: {folder} has no {number}_*_*.png (labels of {number}.jpg)')
        return [(images / f'{number}.jpg', tuple(persons[number])) for number in ids]

    def _read_labels(self, picture: Path, source: tuple[Path, ...]) -> UInt8Array:
        result = self._person(source[0])
        for path in source[1:]:
            labels = self._person(path)
            if labels.shape != result.shape:
                raise DatasetError(f'mhp: {path} differs in size from the other persons of it')
            person = (labels != 0) & (labels != IGNORE)
            result = np.where(person, labels, result)
        return result

    def _person(self, path: Path) -> UInt8Array:
        """Return the class ids of one person's file, an RGB picture with the id in red."""
        values = read_label_picture(path)
        return self.table[values[..., 0] if values.ndim == 3 else values]
