"""LV-MHP-v2, multi-human parsing."""

from collections import defaultdict

import numpy as np

from .base import IGNORE, read_labels, read_list, require, SegmentationDataset
from ...errors import DatasetError


class MultiHumanParsing(SegmentationDataset):
    """
    LV-MHP-v2 (J. Zhao et al., ACM Multimedia 2018).

    Layout of ``LV-MHP-v2.zip``: ``list/<split>.txt`` with an id a line,
    ``<split>/images/<id>.jpg`` and ``<split>/parsing_annos/<id>_<persons>_<n>.png``,
    one file per person.  Persons are overlaid in the order of ``n``.
    """

    name = 'mhp'

    def _find(self, root, split):
        ids = read_list(root / 'list' / f'{split}.txt', 'picture ids', self.name)
        images = require(root / split / 'images', 'pictures', self.name)
        folder = require(root / split / 'parsing_annos', 'labels per person', self.name)
        persons = defaultdict(list)
        for path in sorted(folder.glob('*_*_*.png')):
            persons[path.stem.split('_')[0]].append(path)
        for number in ids:
            require(images / f'{number}.jpg', f'listed in list/{split}.txt', self.name)
            if number not in persons:
                raise DatasetError(
                    f'mhp: {folder} has no {number}_*_*.png (labels of {number}.jpg)')
        return [(images / f'{number}.jpg', tuple(persons[number])) for number in ids]

    def _read_labels(self, source):
        result = None
        for path in source:
            values = read_labels(path)
            # The files are RGB pictures with the id in red.
            labels = self.table[values[..., 0] if values.ndim == 3 else values]
            if result is None:
                result = labels
                continue
            if labels.shape != result.shape:
                raise DatasetError(f'mhp: {path} differs in size from the other persons of it')
            person = (labels != 0) & (labels != IGNORE)
            result = np.where(person, labels, result)
        return result
