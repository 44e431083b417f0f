"""Cityscapes, fine annotations."""

from pathlib import Path

from .base import LabelPictures, pictures_in, require
from ...errors import DatasetError

_IMAGE, _LABELS = '_leftImg8bit.png', '_gtFine_labelIds.png'


class Cityscapes(LabelPictures):
    """
    Cityscapes (M. Cordts et al., CVPR 2016).

    Layout of ``leftImg8bit_trainvaltest.zip`` and ``gtFine_trainvaltest.zip``:
    ``leftImg8bit/<split>/<city>/<id>_leftImg8bit.png`` and
    ``gtFine/<split>/<city>/<id>_gtFine_labelIds.png``.
    """

    name = 'cityscapes'

    def _find(self, root: Path, split: str) -> list[tuple[Path, Path]]:
        images = require(root / 'leftImg8bit' / split,
                         'unpack leftImg8bit_trainvaltest.zip', self.name)
        labels = require(root / 'gtFine' / split, 'unpack gtFine_trainvaltest.zip', self.name)
        pairs = []
        for image in pictures_in(images):
            if not image.name.endswith(_IMAGE):
                continue
            label = labels / image.parent.name / image.name.replace(_IMAGE, _LABELS)
            if not label.is_file():
                raise DatasetError(f'cityscapes: {label} is missing (labels of {image.name})')
            pairs.append((image, label))
        return pairs
