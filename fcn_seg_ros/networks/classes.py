"""The classes of a network: labels, colours, and what each means to a ground robot."""

from collections.abc import Sequence
from dataclasses import dataclass
import os
from pathlib import Path

import numpy as np

from ..errors import RegistryError
from ..support.arrays import UInt8Array
from ..support.safe_yaml import Fields, is_integer, load_yaml

MAX_CLASSES = 255
"""Ids are 0..254; 255 is the mask's value for unknown."""

UNKNOWN = 255
"""Class id of pixels whose class is not known, the unlabeled id of vision_msgs."""

ROLES = ('ground', 'obstacle', 'overhead', 'unknown')
"""
What a class means to a ground robot.

ground: it may drive there, at the class's cost; obstacle: it must not; overhead:
nothing that it could hit (sky, ceiling); unknown: the class does not tell.
"""

MAX_COST = 98
"""Highest cost of ground: from 99 on, costmaps take a cell for an obstacle."""

_LABELS_FILE, _COLORS_FILE = 'classes.txt', 'colors.txt'
_MAX_TEXT_BYTES = 64 * 1024
_KEYS = ('label', 'color', 'role', 'cost')


@dataclass(frozen=True, eq=False)
class ClassSet:
    """
    The classes of a network, in the order of their ids.

    :param name: name of the set, for people.
    :param labels: one label per class, all different.
    :param colors: C x 3 array of uint8, RGB; read-only.
    :param roles: one of :data:`ROLES` per class.
    :param costs: 0..:data:`MAX_COST` per class; 0 unless the role is ground.
    :raises RegistryError: when these do not fit together.
    """

    name: str
    labels: tuple[str, ...]
    colors: UInt8Array
    roles: tuple[str, ...]
    costs: tuple[int, ...]

    def __post_init__(self) -> None:
        count = len(self.labels)
        if not 1 <= count <= MAX_CLASSES:
            raise RegistryError(
                f'{self.name}: {count} classes, a network can have 1 to {MAX_CLASSES}')
        for label in self.labels:
            if self.labels.count(label) > 1:
                raise RegistryError(f"{self.name}: the label '{label}' is given twice")
        if not len(self.roles) == len(self.costs) == len(self.colors) == count:
            raise RegistryError(f'{self.name}: labels, colours, roles and costs differ in number')
        self.colors.flags.writeable = False

    def __len__(self) -> int:
        return len(self.labels)

    def index(self, label: str) -> int:
        """
        Return the id of the class with this label.

        :param label: the label, exactly.
        :raises RegistryError: when there is none.
        """
        try:
            return self.labels.index(label)
        except ValueError:
            raise RegistryError(
                f"{self.name} has no class '{label}', it has {', '.join(self.labels)}") from None

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> 'ClassSet':
        """
        Read a file that holds ``classes``, a list of label, color, role and cost.

        :param path: the file; its stem names the set.
        :raises RegistryError: when the file cannot be read or is malformed.
        """
        path = Path(path)
        fields = Fields(load_yaml(path), path, ('classes',))
        return cls.from_list(fields.raw('classes'), path.stem, path)

    @classmethod
    def from_list(cls, entries: object, name: str, where: str | os.PathLike[str]) -> 'ClassSet':
        """
        Build a set from parsed YAML.

        :param entries: list of mappings with label, color and optionally role
            (default unknown) and cost (default 0, only with the role ground).
        :param name: name of the set.
        :param where: file the entries come from, for messages.
        :raises RegistryError: when an entry is malformed.
        """
        if not isinstance(entries, list) or not entries:
            raise RegistryError(f"{where}: 'classes' must be a list of label, color, role, cost")
        rows = [_read_entry(Fields(entry, f'{where}: class {index}', _KEYS))
                for index, entry in enumerate(entries[:MAX_CLASSES + 1])]
        labels, colors, roles, costs = zip(*rows)
        return cls(name, labels, np.array(colors, np.uint8), roles, costs)

    def replaced_by_files(self, folder: str | os.PathLike[str]) -> 'ClassSet':
        """
        Return the set with the labels and colours of the files beside some weights.

        ``classes.txt`` has a label a line, ``colors.txt`` a "R G B [A]" a line.
        A label that this set knows (letter case and punctuation aside) keeps its role
        and, without colors.txt, its colour; a new one is unknown to the robot.

        :param folder: where the files may lie; without them the set is returned as it is.
        :raises RegistryError: when a file is malformed or the two differ in length.
        """
        given = read_labels(Path(folder) / _LABELS_FILE)
        colors = read_colors(Path(folder) / _COLORS_FILE)
        if given is None and colors is None:
            return self
        labels = self.labels if given is None else given
        known = {plain_label(label): index for index, label in enumerate(self.labels)}
        old = [known.get(plain_label(label)) for label in labels]
        if colors is None:
            colors = np.array([palette_color(index) if i is None else self.colors[i]
                               for index, i in enumerate(old)], np.uint8)
        if len(colors) != len(labels):
            raise RegistryError(f'{Path(folder) / _COLORS_FILE} has {len(colors)} colours '
                                f'for {len(labels)} classes')
        return ClassSet(self.name, labels, colors,
                        tuple('unknown' if i is None else self.roles[i] for i in old),
                        tuple(0 if i is None else self.costs[i] for i in old))


def class_set_from_labels(labels: Sequence[str], name: str) -> ClassSet:
    """
    Return a set of these labels with palette colours and roles unknown.

    :param labels: one label per class.
    :param name: name of the set.
    """
    colors = np.array([palette_color(index) for index in range(len(labels))], np.uint8)
    return ClassSet(name, tuple(labels), colors, ('unknown',) * len(labels), (0,) * len(labels))


def read_labels(path: str | os.PathLike[str]) -> tuple[str, ...] | None:
    """
    Read a ``classes.txt``: a label a line, line number = class id.

    :param path: the file.
    :returns: tuple of labels, or None when there is no such file.
    :raises RegistryError: when it cannot be used.
    """
    lines = _read_lines(path)
    if lines is not None and '' in lines:
        raise RegistryError(f'{path} line {lines.index("") + 1} is empty: expected a label')
    return lines


def read_colors(path: str | os.PathLike[str]) -> UInt8Array | None:
    """
    Read a ``colors.txt``: "R G B" or "R G B A" a line, line number = class id.

    :param path: the file.
    :returns: C x 3 array of uint8 (alpha left out), or None when there is no such file.
    :raises RegistryError: when it cannot be used.
    """
    lines = _read_lines(path)
    if lines is None:
        return None
    colors = []
    for number, line in enumerate(lines, 1):
        values = line.replace(',', ' ').split()
        if len(values) not in (3, 4) or not all(_is_byte(value) for value in values):
            raise RegistryError(
                f"{path} line {number} is '{line[:40]}': expected R G B [A], each 0 to 255")
        colors.append([int(value) for value in values[:3]])
    return np.array(colors, np.uint8)


def palette_color(index: int) -> list[int]:
    """
    Return the colour [R, G, B] of a class without one, made of the bits of its id.

    It is PASCAL VOC's palette.

    :param index: the class id.
    """
    color = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            color[channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
    return color


def _read_entry(fields: Fields) -> tuple[str, list[int], str, int]:
    label = fields.text('label', r'\S(.*\S)?', 'a label')
    color = fields.raw('color')
    if not (isinstance(color, list) and len(color) == 3
            and all(is_integer(value) and 0 <= value <= 255 for value in color)):
        fields.fail('color', 'must be [R, G, B], each 0 to 255')
    role = fields.text('role', '|'.join(ROLES), f'one of {", ".join(ROLES)}', 'unknown')
    cost = fields.integer('cost', 0, MAX_COST, None)
    if cost is not None and role != 'ground':
        fields.fail('cost', f'only goes with the role ground, not with {role}')
    return label, color, role, cost or 0


def _read_lines(path: str | os.PathLike[str]) -> tuple[str, ...] | None:
    """Return the stripped lines of a small text file, or None when it does not exist."""
    try:
        with open(path, 'rb') as file:
            data = file.read(_MAX_TEXT_BYTES + 1)
        lines = tuple(line.strip() for line in data.decode('utf-8-sig').rstrip().splitlines())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RegistryError(f'cannot read {path}: {error.strerror}') from None
    except UnicodeDecodeError:
        raise RegistryError(f'{path} is not UTF-8 text') from None
    if not 1 <= len(lines) <= MAX_CLASSES or len(data) > _MAX_TEXT_BYTES:
        raise RegistryError(f'{path} must have 1 to {MAX_CLASSES} lines, one a class')
    return lines


def _is_byte(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255


def plain_label(label: str) -> str:
    """
    Return a label as labels are compared: without letter case and punctuation.

    :param label: such as 'Traffic sign'.
    """
    return ''.join(c if c.isalnum() else '_' for c in label.casefold())
