"""The labels that a weights file states, read without PyTorch and without the weights."""

from collections.abc import Sequence
import json
from pathlib import Path

from .classes import ClassSet
from ..errors import RegistryError, WeightsError
from ..support.text import one_line

ADVICE = ('choose the network the weights were made for, or put its classes.txt and '
          'colors.txt beside them')
"""What to do about weights of other classes."""

_MAX_HEADER = 4 << 20
"""Longest header of a .safetensors file that is read; FCN-ResNet18's has 15 kB."""


def installed_classes(classes: ClassSet, name: str, path: Path) -> ClassSet:
    """
    Return the classes of a network whose weights lie in a file.

    :param classes: the network's own; classes.txt and colors.txt beside the weights win.
    :param name: of the network, for messages.
    :param path: of the weights.
    :raises WeightsError: when the files beside it are malformed, or the weights say that they
        were made for other classes.
    """
    try:
        result = classes.replaced_by_files(path.parent)
    except RegistryError as error:
        raise WeightsError(str(error)) from None
    labels = read_stated_labels(path) if path.suffix.lower() == '.safetensors' else None
    if labels is not None:
        check_labels(path, labels, result, name)
    return result


def read_stated_labels(path: Path) -> tuple[str, ...] | None:
    """
    Return the labels in a .safetensors file's header, or None where it states none.

    :param path: of the file.
    :raises WeightsError: when it cannot be read or its header is damaged.
    """
    try:
        with open(path, 'rb') as file:
            length = int.from_bytes(file.read(8), 'little')
            text = file.read(min(length, _MAX_HEADER))
    except OSError as error:
        raise WeightsError(f'cannot read the weights {path}: {error.strerror}') from None
    try:
        stated = json.loads(text).get('__metadata__', {}).get('labels')
    except (ValueError, AttributeError, RecursionError):
        raise WeightsError(f'{path} is not a whole .safetensors file') from None
    if stated is None:
        return None
    try:
        labels = json.loads(stated)
    except (ValueError, TypeError, RecursionError):
        labels = None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise WeightsError(f"{path}: the metadata 'labels' is not a JSON list of texts")
    return tuple(labels)


def check_labels(path: Path, labels: Sequence[str], classes: ClassSet, name: str) -> None:
    """
    Check that weights were made for a network's classes.

    :param path: of the weights, for messages.
    :param labels: what the weights state.
    :param classes: the network's.
    :param name: of the network, for messages.
    :raises WeightsError: naming the first label that differs.
    """
    if tuple(labels) == tuple(classes.labels):
        return
    if len(labels) != len(classes):
        raise WeightsError(f'{path} lists {len(labels)} labels for its {len(classes)} classes')
    i = next(i for i, pair in enumerate(zip(labels, classes.labels)) if pair[0] != pair[1])
    raise WeightsError(f"{path} was made for other classes than {name}'s: class {i} is "
                       f"'{one_line(labels[i])}' there, '{classes.labels[i]}' here: {ADVICE}")
