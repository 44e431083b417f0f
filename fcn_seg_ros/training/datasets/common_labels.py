"""Class sets for labels of one's own: roles, costs and colours that are known for common ones."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from .base import Color
from ...errors import DatasetError
from ...networks.classes import ClassSet, MAX_CLASSES, palette_color, plain_label, read_labels
from ...support.paths import share_dir

IGNORED_LABELS = frozenset(('__ignore__', 'ignore', 'ignored', 'unlabelled', 'unlabeled'))
"""Labels, as :func:`plain_label` writes them, of what is to be left out."""

BACKGROUND = ('background', '_background_')
"""
Labels of what no one has labelled.

A class of such a label takes the unlabelled pixels, which are ignored without one.
"""


@cache
def _known() -> Mapping[str, tuple[str, int]]:
    """Return {label: (role, cost)} of the class sets that come with the package."""
    found: dict[str, tuple[str, int]] = {}
    for path in sorted((share_dir() / 'config' / 'classes').glob('*.yaml')):
        classes = ClassSet.from_yaml(path)
        for label, role, cost in zip(classes.labels, classes.roles, classes.costs):
            if role != 'unknown':
                found.setdefault(plain_label(label), (role, cost))
    return found


def class_set_of(labels: Sequence[str], name: str, colors: Mapping[str, Color] | None = None
                 ) -> ClassSet:
    """
    Return a class set with the roles that common labels have in the package's own sets.

    :param labels: one per class.
    :param name: name of the set.
    :param colors: {label: colour} where known; others get a palette's.
    :raises DatasetError: when there is none, or too many.
    """
    if not 1 <= len(labels) <= MAX_CLASSES:
        raise DatasetError(f'{name}: {len(labels)} labels, there can be 1 to {MAX_CLASSES}')
    rows = [_known().get(plain_label(label), ('unknown', 0)) for label in labels]
    palette = [(colors or {}).get(label) or _color(index + 1)  # 0 is black
               for index, label in enumerate(labels)]
    return ClassSet(name, tuple(labels), np.array(palette, np.uint8),
                    tuple(role for role, _ in rows), tuple(cost for _, cost in rows))


def classes_beside(root: Path) -> ClassSet | None:
    """
    Return the classes that the user has written down beside the pictures, or None.

    :param root: folder that may hold a classes.yaml, or a classes.txt with colors.txt.
    :raises RegistryError: when they cannot be used.
    """
    if (root / 'classes.yaml').is_file():
        return ClassSet.from_yaml(root / 'classes.yaml')
    labels = read_labels(root / 'classes.txt')
    if labels is None:
        return None
    colors = {label: _color(index) for index, label in enumerate(labels)}
    return class_set_of(labels, root.name, colors).replaced_by_files(root)


def _color(index: int) -> Color:
    red, green, blue = palette_color(index)
    return red, green, blue
