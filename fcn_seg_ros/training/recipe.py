"""
A training recipe: YAML with checked keys, see ``docs/training.md`` for each key's meaning.

A key is one line here: a field of its section with type, rule and default.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml

from .datasets import DATASETS
from .settings import (
    Choice, Flag, Key, Number, Range, read_section, Section, Sides, Text, Texts, Whole)
from .teacher import TEACHER
from ..errors import RegistryError, TrainingError
from ..networks.decoders import DECODERS
from ..support.arrays import MAX_SIDE, Size
from ..support.safe_yaml import Fields, is_number, load_yaml

_SIDES = Sides(32, MAX_SIDE)
_SHARE = Number(0, 1)


class ClassWeights:
    """The rule of ``class_weights``: none, log, or a list of numbers, read as tuple."""

    def take(self, source: Fields, key: str, *default: Any) -> Any:
        value = source.raw(key, *default)
        if isinstance(value, list) and all(is_number(w) and w >= 0 for w in value):
            return tuple(float(w) for w in value)
        if value not in ('none', 'log'):
            source.fail(key, 'must be none, log or a list of numbers >= 0')
        return value


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set to read: see :func:`datasets.open_dataset`."""

    name: Annotated[str, Choice(tuple(DATASETS))]
    split: Annotated[str, Text()]
    root: Annotated[str, Text()] = ''
    include: Annotated[tuple[str, ...], Texts()] = ()
    exclude: Annotated[tuple[str, ...], Texts()] = ()


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes of a training picture: see :mod:`transforms`."""

    scale: Annotated[tuple[float, float], Range(0.01, 100)] = (1.0, 1.0)
    aspect: Annotated[float, _SHARE] = 0.0
    max_ratio: Annotated[float, Number(0.1, 1)] = 1.0
    focus: Annotated[float, _SHARE] = 0.0
    flip: Annotated[float, _SHARE] = 0.5
    brightness: Annotated[float, _SHARE] = 0.0
    contrast: Annotated[float, _SHARE] = 0.0
    saturation: Annotated[float, _SHARE] = 0.0
    hue: Annotated[float, _SHARE] = 0.0
    balance: Annotated[float, _SHARE] = 0.0
    gamma: Annotated[float, _SHARE] = 0.0
    grey: Annotated[float, _SHARE] = 0.0
    blur: Annotated[float, _SHARE] = 0.0
    blur_sigma: Annotated[tuple[float, float], Range(0.1, 10)] = (0.3, 1.5)
    noise: Annotated[float, _SHARE] = 0.0
    noise_sigma: Annotated[tuple[float, float], Range(0, 255)] = (2.0, 15.0)
    jpeg: Annotated[float, _SHARE] = 0.0
    jpeg_quality: Annotated[tuple[int, int], Range(1, 100, whole=True)] = (25, 90)
    mix: Annotated[float, _SHARE] = 0.0
    mix_labels: Annotated[tuple[str, ...], Texts()] = ()


@dataclass(frozen=True, kw_only=True)
class _Data:
    train: Annotated[Source, Section(Source, {'split': 'train'})]
    val: Annotated[Source, Section(Source, {'split': 'val'})]
    unlabelled: Annotated[str, Text()] = ''
    cache: Annotated[bool, Flag()] = False


@dataclass(frozen=True, kw_only=True)
class _Network:
    decoder: Annotated[str, Choice((*DECODERS, TEACHER))] = 'fcn32s'
    weights: Annotated[str, Text()] = ''
    weights_part: Annotated[str, Choice(('all', 'backbone', 'fitting'))] = 'all'
    size: Annotated[Size, _SIDES]
    crop: Annotated[Size, _SIDES]


@dataclass(frozen=True, kw_only=True)
class _Loss:
    class_weights: Annotated[str | tuple[float, ...], ClassWeights()] = 'none'
    label_smoothing: Annotated[float, Number(0, 0.9)] = 0.0
    auxiliary: Annotated[float, Number(0, 10)] = 0.4
    ohem: Annotated[float, _SHARE] = 0.0
    iou: Annotated[float, Number(0, 10)] = 0.0
    distill: Annotated[float, Number(0, 100)] = 0.0
    imitate: Annotated[float, Number(0, 100)] = 0.0
    teacher: Annotated[str, Text()] = ''
    temperature: Annotated[float, Number(0.1, 100)] = 2.0


@dataclass(frozen=True, kw_only=True)
class _Optimizer:
    optimizer: Annotated[str, Choice(('adamw', 'sgd')), Key('name')] = 'adamw'
    rate: Annotated[float, Number(0, 10)]
    weight_decay: Annotated[float, _SHARE] = 0.01
    momentum: Annotated[float, Number(0, 0.9999)] = 0.9
    schedule: Annotated[str, Choice(('onecycle', 'poly'))] = 'onecycle'
    warmup: Annotated[float, Number(0, 0.9)] = 0.1
    final_rate: Annotated[float, _SHARE] = 0.001
    clip: Annotated[float, Number(0, 1000)] = 5.0
    ema: Annotated[float, Number(0, 0.99999)] = 0.0


@dataclass(frozen=True, kw_only=True)
class _Run:
    epochs: Annotated[int, Whole(1, 100_000)]
    batch: Annotated[int, Whole(1, 4096)]
    evaluate_every: Annotated[int, Whole(1, 100_000)] = 1
    patience: Annotated[int, Whole(0, 100_000)] = 0
    checkpoint_every: Annotated[int, Whole(0, 1_000_000)] = 0
    seed: Annotated[int, Whole(0, 2**31 - 1)] = 0
    threads: Annotated[int, Whole(0, 1024)] = 0
    workers: Annotated[int, Whole(0, 256)] = 0
    amp: Annotated[str, Choice(('none', 'fp16', 'bf16'))] = 'none'


_SECTIONS = {'data': _Data, 'network': _Network, 'loss': _Loss, 'optimizer': _Optimizer,
             'run': _Run}
"""Sections of the file whose keys are fields of the recipe itself."""


@dataclass(frozen=True, kw_only=True)
class Recipe(_Data, _Network, _Loss, _Optimizer, _Run):
    """Everything that decides what a training run does, the machine's speed aside."""

    name: str
    augment: Augment

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain data, for checkpoints and for comparing two of them."""
        plain: dict[str, Any] = _as_written(asdict(self))
        return plain


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """
    Read a recipe.

    :param path: YAML file.
    :param overrides: 'section.key=value' texts, the value in YAML, applied on top.
    :raises RegistryError: when a key or value is wrong.
    :raises TrainingError: when an override is malformed.
    """
    data = load_yaml(Path(path)) or {}
    for text in overrides:
        if isinstance(data, dict):  # else parse_recipe says what is wrong
            _override(data, text)
    return parse_recipe(data, str(path))


def parse_recipe(data: object, where: str = 'recipe') -> Recipe:
    """
    Check a recipe.

    :param data: what the YAML holds.
    :param where: name of the file, the beginning of every message.
    :raises RegistryError: with one clear line when a key or value is wrong.
    """
    top = Fields(data, where, ('name', 'augment', *_SECTIONS))
    sections = {key: top.raw(key, {}) for key in (*_SECTIONS, 'augment')}
    network = sections['network']
    if isinstance(network, dict) and network.get('crop') is None:
        sections['network'] = {**network, 'crop': network.get('size')}
    values: dict[str, Any] = {}
    for key, kind in _SECTIONS.items():
        values.update(read_section(kind, sections[key], f'{where}: {key}'))
    augment = Augment(**read_section(Augment, sections['augment'], f'{where}: augment'))
    name = top.text('name', r'[a-z0-9][a-z0-9-]*', "a name of a-z, 0-9 and '-'")
    recipe = Recipe(name=name, augment=augment, **values)
    _check_teaching(recipe, where)
    return recipe


def _check_teaching(recipe: Recipe, where: str) -> None:
    """Refuse keys about a teacher that make sense only together."""
    is_taught = recipe.distill or recipe.imitate
    if is_taught and not recipe.teacher:
        raise RegistryError(f"{where}: loss: 'teacher' must be the weights file of a teacher to "
                            'distil from')
    if recipe.teacher and not is_taught:
        raise RegistryError(f"{where}: loss: 'distill' or 'imitate' must be above 0 for the "
                            'teacher to matter')
    if recipe.unlabelled and not is_taught:
        raise RegistryError(f"{where}: data: 'unlabelled' pictures teach nothing without a "
                            "teacher: give loss 'distill' or 'imitate', and 'teacher'")
    if recipe.imitate and any(side % 32 for side in recipe.crop):
        raise RegistryError(f"{where}: network: a crop's sides must be multiples of 32 where "
                            "loss 'imitate' is above 0: features lie on the same grids then")
    if recipe.decoder == TEACHER and recipe.weights_part != 'all':
        raise RegistryError(f"{where}: network: 'weights_part' must be all for a teacher")


def _override(data: dict[str, Any], text: str) -> None:
    path, separator, value = text.partition('=')
    keys = path.strip().split('.')
    if not separator or not all(keys):
        raise TrainingError(f"'{text}' is not of the form section.key=value")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        raise TrainingError(f"the value in '{text}' is not YAML") from None
    for key in keys[:-1]:
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            raise TrainingError(f"'{text}': '{key}' is not a section of the recipe")
    data[keys[-1]] = parsed


def _as_written(value: Any) -> Any:
    """Return tuples as lists and sizes as [width, height], as the file has them."""
    if isinstance(value, dict):
        return {key: _as_written(item) for key, item in value.items()}
    if isinstance(value, Size):
        return [value.width, value.height]
    if isinstance(value, (list, tuple)):
        return [_as_written(item) for item in value]
    return value
