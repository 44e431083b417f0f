"""Pascal VOC 2012, optionally with the Semantic Boundaries Dataset."""

from pathlib import Path

import numpy as np

from .base import LabelPictures, read_list, require
from ...errors import DatasetError
from ...support.arrays import UInt8Array


class PascalVoc(LabelPictures):
    """
    Pascal VOC 2012 (M. Everingham et al.), segmentation.

    Layout of ``VOCtrainval_11-May-2012.tar``: ``VOCdevkit/VOC2012/`` (or the root
    itself) with ``JPEGImages/``, ``SegmentationClass/`` and
    ``ImageSets/Segmentation/{train,val,trainval}.txt``.
    """

    name = 'voc'
    splits: tuple[str, ...] = ('train', 'val', 'trainval')

    def _find(self, root: Path, split: str) -> list[tuple[Path, Path]]:
        return self._find_voc(root, split)

    def _find_voc(self, root: Path, split: str) -> list[tuple[Path, Path]]:
        nested = root / 'VOCdevkit' / 'VOC2012'
        base = nested if nested.is_dir() else root
        names = read_list(base / 'ImageSets' / 'Segmentation' / f'{split}.txt',
                          'unpack VOCtrainval_11-May-2012.tar', self.name)
        return [(require(base / 'JPEGImages' / f'{n}.jpg', f'listed in {split}.txt', self.name),
                 require(base / 'SegmentationClass' / f'{n}.png', f'labels of {n}.jpg',
                         self.name))
                for n in names]


class PascalVocSbd(PascalVoc):
    """
    VOC 2012 whose training set is enlarged by SBD (B. Hariharan et al., ICCV 2011).

    Beside the VOC layout: ``benchmark_RELEASE/dataset/`` of ``benchmark.tgz`` with
    ``img/<id>.jpg``, ``cls/<id>.mat`` and ``{train,val}.txt``.  'train' is VOC train
    and all of SBD less VOC val; VOC's own labels win; 'val' is VOC val.
    """

    name = 'voc+sbd'
    label_map = 'voc'
    splits = ('train', 'val')

    def _find(self, root: Path, split: str) -> list[tuple[Path, Path]]:
        pairs = self._find_voc(root, split)
        if split == 'val':
            return pairs
        base = root / 'benchmark_RELEASE' / 'dataset'
        taken = {image.stem for image, _ in pairs + self._find_voc(root, 'val')}
        for part in ('train', 'val'):
            for n in read_list(base / f'{part}.txt', 'unpack benchmark.tgz of SBD', self.name):
                if n in taken:
                    continue
                taken.add(n)
                pairs.append((
                    require(base / 'img' / f'{n}.jpg', f'listed in {part}.txt', self.name),
                    require(base / 'cls' / f'{n}.mat', f'labels of {n}.jpg', self.name)))
        return pairs

    def _read_labels(self, picture: Path, source: Path) -> UInt8Array:
        if source.suffix != '.mat':
            return super()._read_labels(picture, source)
        try:
            from scipy.io import loadmat
        except ImportError as error:
            raise DatasetError(
                "SBD's labels are MATLAB files: install scipy (pip install scipy)") from error
        values = np.asarray(loadmat(source)['GTcls'][0]['Segmentation'][0], np.uint8)
        return self.table[values]
