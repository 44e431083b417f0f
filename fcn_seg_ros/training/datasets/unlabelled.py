"""Pictures that nobody has labelled, for what a teacher says of them."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.utils.data import Dataset

from .base import IGNORE, Item, pictures_in, require
from ...errors import DatasetError
from ...images.files import read_picture

if TYPE_CHECKING:
    from . import Items


class UnlabelledPictures(Dataset[Item]):
    """
    The pictures of a folder, subfolders included, every pixel of them without a class.

    Item: as of :class:`.base.SegmentationDataset`, the labels being :data:`.base.IGNORE`
    throughout.

    :param folder: any JPEG, PNG, WebP, TIFF, BMP or PNM pictures; hidden files are none.
    :ivar paths: the pictures' files, sorted.
    :raises DatasetError: when there is no such folder or no picture in it.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = require(Path(folder).expanduser(), 'unlabelled pictures', 'data.unlabelled')
        self.paths = pictures_in(folder)
        if not self.paths:
            raise DatasetError(f'data.unlabelled: no picture in {folder}')

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Item:
        picture = torch.from_numpy(read_picture(self.paths[index])).permute(2, 0, 1)
        return picture, torch.full(picture.shape[1:], IGNORE, dtype=torch.uint8)


class Joined(Dataset[Item]):
    """
    Labelled pictures, then unlabelled ones.

    :param labelled: the first.
    :param unlabelled: what follows.
    """

    def __init__(self, labelled: 'Items', unlabelled: 'Items') -> None:
        self.labelled, self.unlabelled = labelled, unlabelled

    def __len__(self) -> int:
        return len(self.labelled) + len(self.unlabelled)

    def __getitem__(self, index: int) -> Item:
        first = len(self.labelled)
        return self.labelled[index] if index < first else self.unlabelled[index - first]
