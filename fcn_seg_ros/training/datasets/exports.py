"""What the exports of labelling tools have in common: archives, labels by name, splits."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
import json
from pathlib import Path
import shutil
import tempfile
from typing import Any, TypeAlias
import zipfile

import numpy as np
from PIL import Image

from .base import Color, IGNORE, pictures_in, SegmentationDataset
from .common_labels import BACKGROUND, class_set_of, classes_beside, IGNORED_LABELS
from .shapes import Drawing
from .splitting import divide
from ...errors import DatasetError
from ...networks.classes import plain_label
from ...support.arrays import UInt8Array

MAX_JSON_BYTES = 1 << 30
"""Largest JSON or XML file that is read."""

Labelled: TypeAlias = list[tuple[Path, Drawing | Path, str]]
"""Pictures, what is on each (shapes, or a mask file), and its split, '' for none."""

_folders: list[tempfile.TemporaryDirectory[str]] = []  # they go with the process

SPLIT_NAMES = {'train': ('train',), 'val': ('val', 'valid', 'validation'), 'test': ('test',)}
"""Names of folders and lists that tools give a split."""


class Export(SegmentationDataset[Drawing | Path]):
    """
    The export of a labelling tool, as a folder or a zip file.

    Classes are matched by name, in any order.  They are those of a ``classes.yaml`` or
    ``classes.txt`` in the folder if there is one, else those that the export names, with the
    roles that common labels have.  What is not labelled is ignored, unless there is a class
    ``background``.  Where the export has no split of its own it is divided by
    :func:`splitting.divide`; the split 'all' is everything.
    """

    splits = ('train', 'val', 'test', 'all')
    _by_name: dict[str, list[Path]] | None = None

    def _load_classes(self) -> None:
        if self.root.is_file():
            self.root = unpacked(self.root)
        self._read_export()
        written = classes_beside(self.root)
        if written is None:
            labels, colors = self._named()
            # The first of those that differ in case or punctuation alone.
            kept = {plain_label(label): label for label in reversed(labels)
                    if plain_label(label) not in IGNORED_LABELS.union(BACKGROUND)}
            if not kept:
                raise DatasetError(
                    f'{self.name}: {self.root} names no label: is the export empty?')
            written = class_set_of(list(reversed(kept.values())), self.root.name, colors)
        self.classes = written
        self._ids = {plain_label(label): index for index, label in enumerate(written.labels)}
        self._rest = next((self._ids[name] for name in BACKGROUND if name in self._ids), IGNORE)

    @abstractmethod
    def _read_export(self) -> None:
        """Read what the classes are known from."""

    @abstractmethod
    def _named(self) -> tuple[Sequence[str], dict[str, Color]]:
        """Return the labels that the export names, and their colours where it has them."""

    def _picture(self, name: str, *folders: Path) -> Path:
        """
        Return the path of a picture that the export names.

        :param name: as the tool has it, perhaps with folders of another machine.
        :param folders: where it lies as a rule; else the only one of its name is taken.
        :raises DatasetError: when it is not there.
        """
        name = name.replace('\\', '/')
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
        if self._by_name is None:
            self._by_name = {}
            for path in pictures_in(self.root):
                self._by_name.setdefault(path.name, []).append(path)
        found = self._by_name.get(Path(name).name, [])
        if len(found) != 1:
            how = 'is missing' if not found else f'is there {len(found)} times'
            raise DatasetError(f'{self.name}: the picture {name} of the export {how} in '
                               f'{self.root}: export with the pictures, or put them there')
        return found[0]

    def _json_files(self, fits: Callable[[dict[str, Any]], bool], what: str
                    ) -> list[tuple[Path, dict[str, Any]]]:
        """
        Return the JSON files of the export, each with its content.

        :param fits: tells whether a file's content is what the tool writes.
        :param what: such a file in words, for the message.
        :raises DatasetError: when there is none, or a JSON file cannot be read.
        """
        files = [(path, data) for path in sorted(self.root.rglob('*.json'))
                 if not path.name.startswith('.') and fits(data := read_json(path))]
        if not files:
            raise DatasetError(f'{self.name}: {self.root} has no .json file {what}')
        return files

    def _split_of_folder(self, path: Path) -> str:
        """Return the split that a folder around a file is named for, '' for none."""
        folders = path.relative_to(self.root).parts[:-1]
        return next(filter(None, map(split_of, folders)), '')

    @abstractmethod
    def _pictures(self) -> Labelled:
        """Return all labelled pictures."""

    def _find(self, root: Path, split: str) -> list[tuple[Path, Drawing | Path]]:
        pictures = []
        for path, drawing, of in self._pictures():
            if isinstance(drawing, Path) or drawing.shapes or self._rest != IGNORE:
                pictures.append((path, drawing, of))
            else:
                self.left_out.append((path, 'nothing is labelled'))
        if not pictures:
            raise DatasetError(
                f'{self.name}: {root} has no labelled picture: is the export empty?')
        if split == 'all':
            return [(path, drawing) for path, drawing, _ in pictures]
        if any(of == split for _, _, of in pictures):
            return [(path, drawing) for path, drawing, of in pictures if of == split]
        if split == 'test':
            raise DatasetError(f"{self.name}: {root} has no split 'test'")
        # A split of its own name is missing: divide what is left of the others.
        train, val, between, note = divide(
            [(path, drawing) for path, drawing, of in pictures if of in ('', 'train')])
        if split == 'train' and any(of == 'val' for _, _, of in pictures):
            return train + between + val
        self.notes.append(note)
        self.left_out += [(path, 'between train and val') for path, _ in between]
        return train if split == 'train' else val

    def class_id(self, label: str, where: str | Path) -> int:
        """
        Return the id of a label, 255 for one that is to be left out.

        :param label: as the tool has it.
        :param where: the picture, for the message.
        :raises DatasetError: when the class set lacks it.
        """
        plain = plain_label(label)
        if plain in self._ids:
            return self._ids[plain]
        if plain in IGNORED_LABELS:
            return IGNORE
        if plain in BACKGROUND:
            return self._rest
        raise DatasetError(f"{where}: the label '{label}' is none of the classes "
                           f'{", ".join(self.classes.labels)}')

    def _read_labels(self, picture: Path, source: Drawing | Path) -> UInt8Array:
        if isinstance(source, Path):
            return self._read_mask(picture, source)
        canvas = Image.new('L', (source.size.width, source.size.height), self._rest)
        for shape in source.shapes:
            shape.draw(canvas, self.class_id(shape.label, picture))
        return np.array(canvas, np.uint8)

    def _read_mask(self, picture: Path, mask: Path) -> UInt8Array:
        """Return the class ids of a mask file, uint8 array H x W."""
        raise DatasetError(f'{self.name}: {picture} has a mask file, {mask}')


def read_json(path: Path, kinds: tuple[type, ...] = (dict,)) -> Any:
    """
    Return what is in a JSON file.

    :param path: the file.
    :param kinds: what it may be, of dict and list.
    :raises DatasetError: when it cannot be read or is something else.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise DatasetError(f'{path} is larger than {MAX_JSON_BYTES >> 20} MiB')
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f'cannot read {path}: {" ".join(str(error).split())[:120]}') from None
    if not isinstance(data, kinds):
        raise DatasetError(f'{path} is JSON, but not what it should be: a mapping'
                           f'{" or a list" if list in kinds else ""}')
    return data


def split_of(name: str) -> str:
    """
    Return the split that a folder or list is named for, '' for none.

    :param name: such as 'valid'.
    """
    return next((split for split, names in SPLIT_NAMES.items() if name.lower() in names), '')


@cache
def unpacked(archive: Path) -> Path:
    """
    Return a temporary folder with the files of a zip file; it lasts as long as the process.

    :param archive: the zip file.
    :raises DatasetError: when it is none, or there is no room for it.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = [member for member in file.infolist() if not member.is_dir()]
            total = sum(member.file_size for member in members)
            holder = tempfile.TemporaryDirectory(prefix='fcn_seg_')
            _folders.append(holder)
            folder = Path(holder.name)
            free = shutil.disk_usage(folder).free
            if total > free:
                raise DatasetError(f'{archive} needs {total >> 20} MiB in {folder.parent}, '
                                   f'{free >> 20} are free: unpack it elsewhere')
            inside = folder / archive.stem
            inside.mkdir()
            for member in members:
                file.extract(member, inside)  # which keeps names inside the folder
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DatasetError(f'cannot read the archive {archive}: {error}') from None
    entries = [entry for entry in inside.iterdir() if entry.name != '__MACOSX']
    return entries[0] if len(entries) == 1 and entries[0].is_dir() \
        and not split_of(entries[0].name) else inside
