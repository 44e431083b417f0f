"""
Data sets by name; each module reads one data set's own published layout.

A data set is one module of this package: a class derived from :class:`SegmentationDataset`
with a ``name`` is found here by itself.
"""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Protocol

import torch
from torch.utils.data import Dataset

from .base import IGNORE, Item, SegmentationDataset
from ...errors import DatasetError
from ...networks.classes import ClassSet

__all__ = ['Cached', 'DATASETS', 'IGNORE', 'Item', 'Items', 'LabelledPictures', 'open_dataset',
           'SegmentationDataset']


class Items(Protocol):
    """Labelled pictures by number."""

    def __len__(self) -> int:
        """Return the number of pictures."""

    def __getitem__(self, index: int) -> Item:
        """Return picture and labels of one number."""


class LabelledPictures(Items, Protocol):
    """What training and evaluation need of a data set."""

    classes: ClassSet


def _find_datasets() -> dict[str, type[SegmentationDataset[Any]]]:
    """Return {name: class} of all data sets in the modules of this package."""
    found = {}
    for module in iter_modules(__path__):
        for value in vars(import_module(f'.{module.name}', __name__)).values():
            if isinstance(value, type) and issubclass(value, SegmentationDataset) and value.name:
                found[value.name] = value
    return dict(sorted(found.items()))


DATASETS = _find_datasets()


def open_dataset(name: str, root: str | Path, split: str = 'train', *,
                 include: Iterable[str] = (), exclude: Iterable[str] = ()
                 ) -> SegmentationDataset[Any]:
    """
    Open a data set by name.

    :param name: a key of :data:`DATASETS`.
    :param root: see :class:`SegmentationDataset`, as the other parameters.
    :param split: likewise.
    :param include: likewise.
    :param exclude: likewise.
    :raises DatasetError: when the name is unknown or files are missing.
    """
    if name not in DATASETS:
        raise DatasetError(f"unknown data set '{name}', known: {', '.join(DATASETS)}")
    return DATASETS[name](root, split, include=include, exclude=exclude)


class Cached(Dataset[Item]):
    """
    Keep the decoded items of a data set in memory, each since its first use.

    :param dataset: a :class:`SegmentationDataset`; its items are not to be changed in place.
    """

    def __init__(self, dataset: LabelledPictures) -> None:
        self.dataset = dataset
        self.classes = dataset.classes
        self._items: list[Item | None] = [None] * len(dataset)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Item:
        item = self._items[index]
        if item is None:
            image, labels = self.dataset[index]
            item = image.contiguous(memory_format=torch.contiguous_format), labels
            self._items[index] = item
        return item
