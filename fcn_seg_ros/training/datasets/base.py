"""What all data sets share: label maps, reading files, one item format."""

from fnmatch import fnmatch
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
import torch
from torch.utils.data import Dataset

from ...errors import DatasetError
from ...networks.classes import ClassSet
from ...support.paths import share_dir
from ...support.safe_yaml import load_yaml

IGNORE = 255
"""Class id of pixels that neither train nor count."""

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.ppm', '.webp')


def load_spec(name):
    """
    Return the mapping in ``config/datasets/<name>.yaml``.

    :raises DatasetError: when there is no such file.
    """
    path = share_dir() / 'config' / 'datasets' / f'{name}.yaml'
    if not path.is_file():
        raise DatasetError(f"no label map for data set '{name}': {path} is missing")
    return load_yaml(path)


def load_class_set(name):
    """Return the class set ``config/classes/<name>.yaml``."""
    return ClassSet.from_yaml(share_dir() / 'config' / 'classes' / f'{name}.yaml')


def ids_table(ids, num_classes, ignored=()):
    """
    Return the look-up table of a label map.

    :param ids: class id of each value of the label file, by position.
    :param num_classes: number of classes C of the class set.
    :param ignored: class ids to leave out.
    :returns: uint8 array of 256 entries, :data:`IGNORE` where the value has no class.
    :raises DatasetError: for a class id outside 0..C-1.
    """
    wrong = [i for i in ids if not 0 <= i < num_classes]
    if wrong:
        raise DatasetError(f'label map has class id {wrong[0]}, the set has 0..{num_classes - 1}')
    table = np.full(256, IGNORE, np.uint8)
    table[:len(ids)] = ids
    table[np.isin(table, list(ignored))] = IGNORE
    table[255] = IGNORE
    return table


def colors_to_ids(rgb, colors):
    """
    Turn a colour-coded label picture into class ids.

    :param rgb: uint8 array H x W x 3.
    :param colors: {(r, g, b): class id}.
    :returns: uint8 array H x W, :data:`IGNORE` at other colours, and a bool array H x W
        that is True at them.
    """
    packed = rgb.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    labels = np.full(packed.shape, IGNORE, np.uint8)
    unknown = np.ones(packed.shape, bool)
    for (r, g, b), index in colors.items():
        here = packed == r * 65536 + g * 256 + b
        labels[here] = index
        unknown[here] = False
    return labels, unknown


def read_image(path):
    """Return the picture as uint8 array H x W x 3 RGB; raise DatasetError if it is unreadable."""
    # The label file knows nothing of an EXIF rotation.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imread(str(path), flags) if Path(path).is_file() else None
    if image is None:
        raise DatasetError(f'cannot read the picture {path}')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_labels(path):
    """
    Return the values of a label file; palette pictures give their indices, not colours.

    :returns: uint8 array, H x W or H x W x 3.
    :raises DatasetError: when the file is unreadable or not 8 bits per channel.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode not in ('L', 'P', 'RGB', 'RGBA', '1'):
                raise DatasetError(f'{path}: labels must have 8 bits, got mode {picture.mode}')
            if picture.mode == 'RGBA':
                picture = picture.convert('RGB')
            return np.array(picture, np.uint8)
    except (OSError, UnidentifiedImageError) as error:
        raise DatasetError(f'cannot read the label file {path}: {error}') from error


def require(path, what, name):
    """Return ``path``; raise DatasetError that names it and its purpose if it is missing."""
    if not path.exists():
        raise DatasetError(f'{name}: {path} is missing ({what})')
    return path


def read_list(path, what, name):
    """Return the non-empty stripped lines of a text file."""
    text = require(path, what, name).read_text(encoding='utf-8')
    return [line.strip() for line in text.splitlines() if line.strip()]


def pictures_in(folder):
    """Return the picture files below ``folder``, sorted, none if it does not exist."""
    return sorted(p for p in folder.rglob('*') if p.suffix.lower() in IMAGE_SUFFIXES)


class SegmentationDataset(Dataset):
    """
    Pictures with a class id per pixel.

    Item: ``(image, labels)``, uint8 tensors 3 x H x W (RGB) and H x W, with
    :data:`IGNORE` where there is no class.  Subclasses set ``name`` and implement
    ``_find(root, split)``, which returns ``[(picture path, label source)]``, and,
    where a label source is not one file of ids, ``_read_labels(source)``.

    :param root: folder of the data set.
    :param split: 'train', 'val' or what else the data set publishes.
    :param include: name patterns (fnmatch on the picture's stem) of pictures to keep, or
        empty for all.
    :param exclude: name patterns of pictures to leave out, after ``include``.
    :raises DatasetError: when files are missing, or no picture is left.
    """

    name = ''
    splits = ('train', 'val')

    def __init__(self, root, split='train', *, include=(), exclude=()):
        self.root, self.split = Path(root).expanduser(), split
        if self.splits and split not in self.splits:
            raise DatasetError(
                f"{self.name} has no split '{split}', known: {', '.join(self.splits)}")
        require(self.root, "the data set's folder", self.name)
        self._load_classes()
        items = [(image, labels) for image, labels in self._find(self.root, split)
                 if (not include or any(fnmatch(image.stem, p) for p in include))
                 and not any(fnmatch(image.stem, p) for p in exclude)]
        if not items:
            raise DatasetError(f"{self.name}: no picture of split '{split}' in {self.root}")
        self.items = items

    def _load_classes(self):
        """Set ``classes`` and ``table`` from the data set's file in ``config/datasets``."""
        spec = load_spec(self.name)
        self.classes = load_class_set(spec['classes'])
        ignored = [self.classes.index(label) for label in spec.get('ignore', ())]
        self.table = ids_table(spec.get('ids', ()), len(self.classes), ignored)
        self.colors = {tuple(int(v) for v in key.split(',')): index
                       for key, index in spec.get('colors', {}).items()}

    def _find(self, root, split):
        raise NotImplementedError

    def _read_labels(self, source):
        """Return class ids, uint8 array H x W."""
        labels = read_labels(source)
        if self.colors:
            if labels.ndim != 3:
                raise DatasetError(f'{source} is not an RGB picture of {self.name} colours')
            return colors_to_ids(labels, self.colors)[0]
        if labels.ndim != 2:
            raise DatasetError(f'{source} is a colour picture, {self.name} labels are ids')
        return self.table[labels]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        path, source = self.items[index]
        image, labels = read_image(path), self._read_labels(source)
        if image.shape[:2] != labels.shape:
            raise DatasetError(
                f'{path} is {image.shape[1]}x{image.shape[0]} but its labels are '
                f'{labels.shape[1]}x{labels.shape[0]}')
        return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(labels)
