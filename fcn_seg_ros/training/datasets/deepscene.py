"""Freiburg Forest, the DeepScene data set."""

from pathlib import Path

from .base import LabelPictures, pictures_in, require
from ...errors import DatasetError


class DeepScene(LabelPictures):
    """
    Freiburg Forest (A. Valada et al., ISER 2016).

    Layout of ``freiburg_forest_annotated.tar.gz``: ``{train,test}/rgb/<id>_Clipped.jpg``
    and ``{train,test}/GT_color/<id>_mask.png``; some masks keep ``_Clipped`` in the
    name, so files are matched by what stands before the first underscore.  The
    published test set is the split 'val'.
    """

    name = 'deepscene'

    def _find(self, root: Path, split: str) -> list[tuple[Path, Path]]:
        folder = root / ('test' if split == 'val' else split)
        images = require(folder / 'rgb', 'unpack freiburg_forest_annotated.tar.gz', self.name)
        labels = require(folder / 'GT_color', 'label pictures', self.name)
        by_id = {path.stem.split('_')[0]: path for path in pictures_in(labels)}
        pairs = []
        for image in pictures_in(images):
            label = by_id.get(image.stem.split('_')[0])
            if label is None:
                raise DatasetError(f'deepscene: {labels} has no label picture of {image.name}')
            pairs.append((image, label))
        return pairs
