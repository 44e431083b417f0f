"""Data sets by name; each module reads one data set's own published layout."""

import torch
from torch.utils.data import Dataset

from .base import IGNORE, SegmentationDataset
from .camvid import CamVid
from .cityscapes import Cityscapes
from .deepscene import DeepScene
from .folder import Folder
from .mhp import MultiHumanParsing
from .sun import SunRgbd
from .voc import PascalVoc, PascalVocSbd
from ...errors import DatasetError

__all__ = ['Cached', 'DATASETS', 'IGNORE', 'open_dataset', 'SegmentationDataset']

DATASETS = {
    'camvid': CamVid,
    'cityscapes': Cityscapes,
    'deepscene': DeepScene,
    'folder': Folder,
    'mhp': MultiHumanParsing,
    'sun': SunRgbd,
    'voc': PascalVoc,
    'voc+sbd': PascalVocSbd,
}


def open_dataset(name, root, split='train', *, include=(), exclude=()):
    """
    Open a data set by name.

    :raises DatasetError: when the name is unknown or files are missing.
    """
    if name not in DATASETS:
        raise DatasetError(f"unknown data set '{name}', known: {', '.join(DATASETS)}")
    return DATASETS[name](root, split, include=include, exclude=exclude)


class Cached(Dataset):
    """
    Keep the decoded items of a data set in memory, each since its first use.

    :param dataset: a :class:`SegmentationDataset`; its items are not to be changed in place.
    """

    def __init__(self, dataset):
        self.dataset = dataset
        self.classes = dataset.classes
        self._items = [None] * len(dataset)

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        if self._items[index] is None:
            image, labels = self.dataset[index]
            self._items[index] = image.contiguous(memory_format=torch.contiguous_format), labels
        return self._items[index]
