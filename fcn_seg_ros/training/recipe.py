"""A training recipe: YAML with checked keys, see ``docs/training.md`` for each key's meaning."""

from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from .datasets import DATASETS
from .teacher import TEACHER
from ..errors import RegistryError, TrainingError
from ..model import DECODERS
from ..safe_yaml import Fields, load_yaml

MAX_SIDE = 8192


@dataclass(frozen=True)
class Source:
    """A data set to read: see :func:`datasets.open_dataset`."""

    name: str
    split: str
    root: str
    include: tuple
    exclude: tuple


@dataclass(frozen=True)
class Augment:
    """Random changes of a training picture: see :mod:`transforms`."""

    scale: tuple
    aspect: float
    max_ratio: float
    focus: float
    flip: float
    brightness: float
    contrast: float
    saturation: float
    hue: float
    balance: float
    gamma: float
    grey: float
    blur: float
    blur_sigma: tuple
    noise: float
    noise_sigma: tuple
    jpeg: float
    jpeg_quality: tuple
    mix: float
    mix_labels: tuple


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run does, the machine's speed aside."""

    name: str
    train: Source
    val: Source
    cache: bool
    decoder: str
    weights: str
    weights_part: str
    size: tuple
    crop: tuple
    augment: Augment
    class_weights: object
    label_smoothing: float
    auxiliary: float
    ohem: float
    iou: float
    distill: float
    teacher: str
    temperature: float
    optimizer: str
    rate: float
    weight_decay: float
    momentum: float
    schedule: str
    warmup: float
    final_rate: float
    clip: float
    ema: float
    amp: str
    epochs: int
    batch: int
    evaluate_every: int
    checkpoint_every: int
    seed: int
    threads: int
    workers: int

    def to_dict(self):
        """Return the recipe as plain data (for checkpoints and for comparing two of them)."""
        return asdict(self)


_SECTIONS = ('name', 'data', 'network', 'augment', 'loss', 'optimizer', 'run')


def load_recipe(path, overrides=()):
    """
    Read a recipe.

    :param path: YAML file.
    :param overrides: 'section.key=value' texts, the value in YAML, applied on top.
    :raises RegistryError: when a key or value is wrong.
    """
    data = load_yaml(Path(path)) or {}
    for text in overrides:
        _override(data, text)
    return parse_recipe(data, str(path))


def parse_recipe(data, where='recipe'):
    """Return the :class:`Recipe` of parsed YAML; raise RegistryError with one clear line."""
    top = Fields(data, where, _SECTIONS)
    sections = {key: top.raw(key, {}) for key in _SECTIONS[1:]}
    augment = _augment(sections['augment'], f'{where}: augment')
    recipe = Recipe(
        name=top.text('name', r'[a-z0-9][a-z0-9-]*', "a name of a-z, 0-9 and '-'"),
        augment=augment,
        **_data(sections['data'], f'{where}: data'),
        **_network(sections['network'], f'{where}: network'),
        **_loss(sections['loss'], f'{where}: loss'),
        **_optimizer(sections['optimizer'], f'{where}: optimizer'),
        **_run(sections['run'], f'{where}: run'))
    if not 0 < recipe.augment.scale[0] <= recipe.augment.scale[1]:
        raise RegistryError(f"{where}: augment: 'scale' must be [low, high] with 0 < low <= high")
    return recipe


def _override(data, text):
    path, separator, value = text.partition('=')
    keys = path.strip().split('.')
    if not separator or not all(keys):
        raise TrainingError(f"'{text}' is not of the form section.key=value")
    try:
        value = yaml.safe_load(value)
    except yaml.YAMLError:
        raise TrainingError(f"the value in '{text}' is not YAML") from None
    for key in keys[:-1]:
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            raise TrainingError(f"'{text}': '{key}' is not a section of the recipe")
    data[keys[-1]] = value


def _source(data, where, split):
    f = Fields(data, where, ('name', 'split', 'root', 'include', 'exclude'))
    return Source(
        name=_choice(f, 'name', tuple(DATASETS)), split=f.text('split', default=split),
        root=f.text('root', default=''), include=f.texts('include'), exclude=f.texts('exclude'))


def _data(data, where):
    f = Fields(data, where, ('train', 'val', 'cache'))
    return {'train': _source(f.raw('train'), f'{where}: train', 'train'),
            'val': _source(f.raw('val'), f'{where}: val', 'val'),
            'cache': _flag(f, 'cache', False)}


def _network(data, where):
    f = Fields(data, where, ('decoder', 'weights', 'weights_part', 'size', 'crop'))
    size = _pair(f, 'size', 32, MAX_SIDE, whole=True)
    return {'decoder': _choice(f, 'decoder', (*DECODERS, TEACHER), 'fcn32s'),
            'weights': f.text('weights', default=''),
            'weights_part': _choice(f, 'weights_part', ('all', 'backbone', 'fitting'), 'all'),
            'size': size,
            'crop': _pair(f, 'crop', 32, MAX_SIDE, size, whole=True)}


def _augment(data, where):
    f = Fields(data, where, tuple(Augment.__dataclass_fields__))
    return Augment(
        scale=_pair(f, 'scale', 0.01, 100, (1.0, 1.0)),
        aspect=f.number('aspect', 0, 1, 0.0),
        max_ratio=f.number('max_ratio', 0.1, 1, 1.0), focus=f.number('focus', 0, 1, 0.0),
        flip=f.number('flip', 0, 1, 0.5),
        **{key: f.number(key, 0, 1, 0.0)
           for key in ('brightness', 'contrast', 'saturation', 'hue', 'balance', 'gamma', 'grey',
                       'blur', 'noise', 'jpeg', 'mix')},
        blur_sigma=_pair(f, 'blur_sigma', 0.1, 10, (0.3, 1.5)),
        noise_sigma=_pair(f, 'noise_sigma', 0, 255, (2.0, 15.0)),
        jpeg_quality=_pair(f, 'jpeg_quality', 1, 100, (25, 90), whole=True),
        mix_labels=f.texts('mix_labels'))


def _loss(data, where):
    f = Fields(data, where, ('class_weights', 'label_smoothing', 'auxiliary', 'ohem', 'iou',
                             'distill', 'teacher', 'temperature'))
    weights = f.raw('class_weights', 'none')
    if isinstance(weights, list):
        if not all(isinstance(w, (int, float)) and w >= 0 for w in weights):
            f.fail('class_weights', 'must be none, log or a list of numbers >= 0')
        weights = tuple(float(w) for w in weights)
    elif weights not in ('none', 'log'):
        f.fail('class_weights', 'must be none, log or a list of numbers >= 0')
    distill, teacher = f.number('distill', 0, 100, 0.0), f.text('teacher', default='')
    if distill and not teacher:
        f.fail('teacher', 'must be the weights file of a teacher to distil from')
    return {'class_weights': weights,
            'distill': distill, 'teacher': teacher,
            'temperature': f.number('temperature', 0.1, 100, 2.0),
            'label_smoothing': f.number('label_smoothing', 0, 0.9, 0.0),
            'auxiliary': f.number('auxiliary', 0, 10, 0.4),
            'ohem': f.number('ohem', 0, 1, 0.0), 'iou': f.number('iou', 0, 10, 0.0)}


def _optimizer(data, where):
    f = Fields(data, where, ('name', 'rate', 'weight_decay', 'momentum', 'schedule', 'warmup',
                             'final_rate', 'clip', 'ema'))
    return {'optimizer': _choice(f, 'name', ('adamw', 'sgd'), 'adamw'),
            'rate': f.number('rate', 0, 10), 'weight_decay': f.number('weight_decay', 0, 1, 0.01),
            'momentum': f.number('momentum', 0, 0.9999, 0.9),
            'schedule': _choice(f, 'schedule', ('onecycle', 'poly'), 'onecycle'),
            'warmup': f.number('warmup', 0, 0.9, 0.1),
            'final_rate': f.number('final_rate', 0, 1, 0.001),
            'clip': f.number('clip', 0, 1000, 5.0), 'ema': f.number('ema', 0, 0.99999, 0.0)}


def _run(data, where):
    f = Fields(data, where, ('epochs', 'batch', 'evaluate_every', 'checkpoint_every', 'seed',
                             'threads', 'workers', 'amp'))
    return {'epochs': f.integer('epochs', 1, 100000), 'batch': f.integer('batch', 1, 4096),
            'evaluate_every': f.integer('evaluate_every', 1, 100000, 1),
            'checkpoint_every': f.integer('checkpoint_every', 0, 1000000, 0),
            'seed': f.integer('seed', 0, 2**31 - 1, 0),
            'threads': f.integer('threads', 0, 1024, 0),
            'workers': f.integer('workers', 0, 256, 0),
            'amp': _choice(f, 'amp', ('none', 'fp16', 'bf16'), 'none')}


def _choice(fields, key, known, *default):
    value = fields.raw(key, *default)
    if value not in known:
        fields.fail(key, f"must be one of {', '.join(known)}, not '{value}'")
    return value


def _flag(fields, key, default):
    value = fields.raw(key, default)
    if not isinstance(value, bool):
        fields.fail(key, 'must be true or false')
    return value


def _pair(fields, key, low, high, *default, whole=False):
    value = fields.raw(key, *default)
    kinds = (int,) if whole else (int, float)
    if not (isinstance(value, (list, tuple)) and len(value) == 2
            and all(isinstance(v, kinds) and not isinstance(v, bool) and low <= v <= high
                    for v in value)):
        noun = 'whole numbers' if whole else 'numbers'
        fields.fail(key, f'must be two {noun} from {low} to {high}')
    return tuple(value)
