"""What all data sets share: label maps, reading files, one item format."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError
import torch
from torch.utils.data import Dataset

from ...errors import DatasetError
from ...images.files import is_picture_name, read_picture
from ...networks.classes import ClassSet
from ...support.arrays import UInt8Array
from ...support.paths import share_dir
from ...support.safe_yaml import load_yaml

IGNORE = 255
"""Class id of pixels that neither train nor count."""

Item: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""A picture, uint8 3 x H x W (RGB), and its class ids, uint8 H x W."""

Color: TypeAlias = tuple[int, int, int]
"""Red, green and blue, each 0 to 255."""

_ORIENTATION = 0x0112  # EXIF's tag

SourceT = TypeVar('SourceT')
"""Where the labels of one picture lie: a path, or what else a data set needs to know."""


def load_spec(name: str) -> dict[str, Any]:
    """
    Return the mapping in ``config/datasets/<name>.yaml``.

    :param name: the label map's name.
    :raises DatasetError: when there is no such file.
    """
    path = share_dir() / 'config' / 'datasets' / f'{name}.yaml'
    if not path.is_file():
        raise DatasetError(f"no label map for data set '{name}': {path} is missing")
    spec = load_yaml(path)
    if not isinstance(spec, dict):
        raise DatasetError(f'{path} is no mapping')
    return spec


def load_class_set(name: str) -> ClassSet:
    """
    Return the class set ``config/classes/<name>.yaml``.

    :param name: the set's name.
    :raises RegistryError: when it cannot be read.
    """
    return ClassSet.from_yaml(share_dir() / 'config' / 'classes' / f'{name}.yaml')


def ids_table(ids: Sequence[int], num_classes: int, ignored: Collection[int] = ()
              ) -> UInt8Array:
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


def colors_to_ids(rgb: UInt8Array, colors: Mapping[Color, int]
                  ) -> tuple[UInt8Array, npt.NDArray[np.bool_]]:
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


def read_label_picture(path: Path) -> UInt8Array:
    """
    Return the values of a label file; palette pictures give their indices, not colours.

    It is turned as its EXIF orientation says, as the pictures are.

    :param path: an image file.
    :returns: uint8 array, H x W or H x W x 3.
    :raises DatasetError: when the file is unreadable or not 8 bits per channel.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode not in ('L', 'P', 'RGB', 'RGBA', '1'):
                raise DatasetError(f'{path}: labels must have 8 bits, got mode {picture.mode}')
            picture.load()
            upright = _upright(picture)
            opaque = upright.convert('RGB') if upright.mode == 'RGBA' else upright
            return np.array(opaque, np.uint8)
    except (OSError, UnidentifiedImageError) as error:
        raise DatasetError(f'cannot read the label file {path}: {error}') from error


def require(path: Path, what: str, name: str) -> Path:
    """
    Return a path if there is something at it.

    :param path: file or folder.
    :param what: what it is for, for the message.
    :param name: name of the data set, for the message.
    :raises DatasetError: when there is nothing.
    """
    if not path.exists():
        raise DatasetError(f'{name}: {path} is missing ({what})')
    return path


def read_list(path: Path, what: str, name: str) -> list[str]:
    """
    Return the non-empty stripped lines of a text file.

    :param path: the file.
    :param what: as of :func:`require`.
    :param name: likewise.
    :raises DatasetError: when it is missing.
    """
    text = require(path, what, name).read_text(encoding='utf-8-sig')
    return [line.strip() for line in text.splitlines() if line.strip()]


def pictures_in(folder: Path) -> list[Path]:
    """
    Return the picture files below a folder, sorted; hidden files are none.

    :param folder: there are none if it does not exist.
    """
    return sorted(path for path in folder.rglob('*') if is_picture_name(path))


class SegmentationDataset(ABC, Dataset[Item], Generic[SourceT]):
    """
    Pictures with a class id per pixel.

    Item: ``(image, labels)``, uint8 tensors 3 x H x W (RGB) and H x W, with
    :data:`IGNORE` where there is no class.  A subclass with a ``name`` in a module of this
    package is a data set of that name; it implements ``_load_classes``, ``_find`` and
    ``_read_labels``.

    :param root: folder of the data set.
    :param split: 'train', 'val' or what else the data set publishes.
    :param include: name patterns (fnmatch on the picture's stem) of pictures to keep, or
        empty for all.
    :param exclude: name patterns of pictures to leave out, after ``include``.
    :ivar classes: the classes of the labels.
    :ivar items: each picture's path with where its labels lie.
    :ivar left_out: each picture that is left out, with the reason.
    :ivar notes: sentences about how the labels were read, for people.
    :raises DatasetError: when files are missing, or no picture is left.
    """

    name = ''
    splits: tuple[str, ...] = ('train', 'val')
    classes: ClassSet

    def __init__(self, root: str | Path, split: str = 'train', *, include: Iterable[str] = (),
                 exclude: Iterable[str] = ()) -> None:
        self.root, self.split = Path(root).expanduser(), split
        include, exclude = tuple(include), tuple(exclude)
        if self.splits and split not in self.splits:
            raise DatasetError(
                f"{self.name} has no split '{split}', known: {', '.join(self.splits)}")
        require(self.root, "the data set's folder", self.name)
        self.left_out: list[tuple[Path, str]] = []
        self.notes: list[str] = []
        self._load_classes()
        self.items: list[tuple[Path, SourceT]] = []
        for image, labels in self._find(self.root, split):
            if include and not any(fnmatch(image.stem, pattern) for pattern in include):
                self.left_out.append((image, "not among 'include'"))
            elif any(fnmatch(image.stem, pattern) for pattern in exclude):
                self.left_out.append((image, "among 'exclude'"))
            else:
                self.items.append((image, labels))
        if not self.items:
            raise DatasetError(f"{self.name}: no picture of split '{split}' in {self.root}"
                               + _reasons(self.left_out))

    @abstractmethod
    def _load_classes(self) -> None:
        """Set ``classes``."""

    @abstractmethod
    def _find(self, root: Path, split: str) -> list[tuple[Path, SourceT]]:
        """Return each picture of a split with where its labels lie."""

    @abstractmethod
    def _read_labels(self, picture: Path, source: SourceT) -> UInt8Array:
        """Return the class ids of one picture, uint8 array H x W, from where they lie."""

    def labels(self, index: int) -> UInt8Array:
        """
        Return the class ids of one picture, uint8 array H x W, without reading the picture.

        :param index: number of the item.
        :raises DatasetError: when they cannot be read.
        """
        return self._read_labels(*self.items[index])

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Item:
        path, _ = self.items[index]
        image, labels = read_picture(path), self.labels(index)
        if image.shape[:2] != labels.shape:
            raise DatasetError(
                f'{path} is {image.shape[1]}x{image.shape[0]}{_turned(path)} but its labels are '
                f'{labels.shape[1]}x{labels.shape[0]}')
        return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(labels)


class MappedDataset(SegmentationDataset[SourceT]):
    """
    A published data set, whose file in ``config/datasets`` maps label values to classes.

    :cvar label_map: name of that file, if it is not the data set's.
    """

    label_map = ''

    def _load_classes(self) -> None:
        spec = load_spec(self.label_map or self.name)
        self.classes = load_class_set(spec['classes'])
        ignored = [self.classes.index(label) for label in spec.get('ignore', ())]
        self.table = ids_table(spec.get('ids', ()), len(self.classes), ignored)
        self.colors: dict[Color, int] = {
            _color(key): index for key, index in spec.get('colors', {}).items()}

    def _label_picture(self, path: Path) -> UInt8Array:
        """Return the class ids of a label picture, uint8 array H x W."""
        labels = read_label_picture(path)
        if self.colors:
            if labels.ndim != 3:
                raise DatasetError(f'{path} is not an RGB picture of {self.name} colours')
            return colors_to_ids(labels, self.colors)[0]
        if labels.ndim != 2:
            raise DatasetError(f'{path} is a colour picture, {self.name} labels are ids')
        return self.table[labels]


class LabelPictures(MappedDataset[Path]):
    """A published data set with one label picture beside each picture."""

    def _read_labels(self, picture: Path, source: Path) -> UInt8Array:
        return self._label_picture(source)


def _reasons(left_out: Sequence[tuple[Path, str]]) -> str:
    """Return how many pictures were left out for which reason, as the end of a message."""
    counts = Counter(reason for _, reason in left_out)
    text = ', '.join(f'{count} {reason}' for reason, count in counts.items())
    return f' ({text})' if text else ''


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # Pillow raises what its parsers come to; the pixels are whole
        return picture


def _turned(path: Path) -> str:
    """Say in a message that a picture's EXIF orientation has turned it, if it has."""
    with Image.open(path) as picture:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    return f' (upright by its EXIF orientation {orientation})' if orientation != 1 else ''


def _color(text: str) -> Color:
    """Return the colour that a text like ``128,64,0`` names."""
    red, green, blue = (int(value) for value in text.split(','))
    return red, green, blue
