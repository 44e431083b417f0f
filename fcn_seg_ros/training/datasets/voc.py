"""Pascal VOC 2012, optionally with the Semantic Boundaries Dataset."""

from .base import read_list, require, SegmentationDataset
from ...errors import DatasetError


class PascalVoc(SegmentationDataset):
    """
    Pascal VOC 2012 (M. Everingham et al.), segmentation.

    Layout of ``VOCtrainval_11-May-2012.tar``: ``VOCdevkit/VOC2012/`` (or the root
    itself) with ``JPEGImages/``, ``SegmentationClass/`` and
    ``ImageSets/Segmentation/{train,val,trainval}.txt``.
    """

    name = 'voc'
    splits = ('train', 'val', 'trainval')

    def _find(self, root, split):
        return self._find_voc(root, split)

    def _find_voc(self, root, split):
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

    splits = ('train', 'val')

    def _find(self, root, split):
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

    def _read_labels(self, source):
        if source.suffix != '.mat':
            return super()._read_labels(source)
        try:
            from scipy.io import loadmat
        except ImportError as error:
            raise DatasetError(
                "SBD's labels are MATLAB files: install scipy (pip install scipy)") from error
        return self.table[loadmat(source)['GTcls'][0]['Segmentation'][0]]
