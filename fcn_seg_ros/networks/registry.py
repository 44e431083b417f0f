"""
The networks that can be used: the published ones and the user's own, as data.

Networks come from three places; a name in an earlier place hides the same name in a later one:

1. folders of ``models_dir`` that hold a ``network.yaml``,
2. bundled networks, such folders in ``share/fcn_seg_ros/models``,
3. the published networks of ``config/networks.yaml``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
import difflib
import os
from pathlib import Path
import re
from types import MappingProxyType

from .classes import class_set_from_labels, ClassSet, read_labels
from .decoders import DECODERS
from .folders import NETWORK_FILE, network_folders, weights_below
from ..errors import NoFolderError, RegistryError
from ..support.arrays import Size
from ..support.paths import models_dir as find_models_dir, share_dir
from ..support.safe_yaml import Fields, is_number, load_yaml

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_MAX_SIDE = 8192
_NAME = r'[A-Za-z0-9][A-Za-z0-9._-]{0,99}'
_KEYS = ('name', 'aliases', 'classes', 'width', 'height', 'decoder', 'accuracy', 'mean_iou',
         'fps', 'archive', 'urls', 'sha256', 'mean', 'std', 'terms')


@dataclass(frozen=True, eq=False)
class Network:
    """
    One network of the registry.

    :param name: its name, also of its folder in ``models_dir``.
    :param aliases: other names.
    :param classes: its :class:`ClassSet`.
    :param width: input width in pixels.
    :param height: input height in pixels.
    :param decoder: one of :data:`.DECODERS`.
    :param accuracy: pixel accuracy on its validation set, 0..1, or None.
    :param mean_iou: mean intersection over union there, 0..1, or None.
    :param fps: machine name to frames a second, as published.
    :param archive: file name of the published archive, or None.
    :param urls: where the archive can be had, tried in this order.
    :param sha256: of the archive in lower-case hexadecimal, or None.
    :param terms: what its weights may be used for, one line, or None where nobody said.
    :param folder: folder of its network.yaml, or None for the published ones.
    :param mean: mean of R, G, B (scaled to 0..1) that the input is normalised by.
    :param std: standard deviation likewise.
    """

    name: str
    classes: ClassSet
    width: int
    height: int
    aliases: tuple[str, ...] = ()
    decoder: str = 'fcn32s'
    accuracy: float | None = None
    mean_iou: float | None = None
    fps: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    archive: str | None = None
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    folder: Path | None = None
    terms: str | None = None
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    @property
    def size(self) -> Size:
        """Return the size of its input, pixels."""
        return Size(self.height, self.width)

    @property
    def folder_names(self) -> tuple[str, ...]:
        """Names under which its weights may lie in a models folder."""
        unpacked = self.archive and re.sub(r'\.(tar\.gz|tgz)$', '', self.archive)
        return tuple(dict.fromkeys(filter(None, (self.name, *self.aliases, unpacked))))


class Registry:
    """
    All networks that can be used by name.

    ``networks`` maps name to :class:`Network` in the order of a listing; ``problems``
    lists, one line each, what is wrong with the user's own folders: such a folder does
    not disturb the others and is an error only when it is asked for.
    """

    def __init__(self, models_dir: str | os.PathLike[str], share: str | os.PathLike[str]) -> None:
        self._models_dir = models_dir
        self.share = Path(share)
        self.problems: list[str] = []
        self._broken: dict[str, str] = {}  # key of a broken folder's name -> its problem
        self._class_sets: dict[str, ClassSet] = {}
        self.networks: dict[str, Network] = {}

    @classmethod
    def load(cls, models_dir: str | os.PathLike[str] = '') -> 'Registry':
        """
        Read the registry.

        :param models_dir: folder of the user's models, '' for the cache folder.
        :raises RegistryError: when the package's own files are malformed.
        """
        registry = cls(models_dir, share_dir())
        for base in registry._users_folders():
            for folder in network_folders(base):
                registry._add_users_own(folder)
        for folder in network_folders(registry.share / 'models'):
            registry._add(registry._read_folder(folder))
        for network in registry._read_published(registry.share / 'config' / 'networks.yaml'):
            registry._add(network)
        return registry

    @property
    def models_dir(self) -> Path:
        """
        Return the folder of the user's models.

        :raises NoFolderError: when none was named and the user has no home.
        """
        return find_models_dir(self._models_dir)

    def _users_folders(self) -> list[Path]:
        """Return the folder of the user's models, if there is one: who has none needs none."""
        try:
            return [self.models_dir]
        except NoFolderError:
            return []

    def get(self, name: str | os.PathLike[str]) -> Network:
        """
        Return a network.

        :param name: name or alias ('_' for '-' and any letter case will do), a name
            without its '-WIDTHxHEIGHT' for the smallest such network, or the path of a
            network.yaml or of its folder (with a '/' in it).
        :raises RegistryError: when there is no such network or its files are malformed.
        """
        name = str(name)
        if '/' in name or name.endswith(('.yaml', '.yml')):
            return self._read_path(Path(name).expanduser())
        key = _key(name)
        if key in self._broken:
            raise RegistryError(self._broken[key])
        by_name = {_key(n.name): n for n in self.networks.values()}
        by_alias = {_key(alias): n for n in reversed(self.networks.values())
                    for alias in n.aliases}
        network = by_name.get(key) or by_alias.get(key) or self._smallest(key)
        if network is None:
            close = difflib.get_close_matches(key, [*by_name, *by_alias], 3, 0.5)
            hint = f'did you mean {" or ".join(close)}? ' if close else ''
            also = f'; not usable: {self.problems[0]}' if self.problems else ''
            raise RegistryError(f"unknown network '{name[:100]}': {hint}"
                                f'"fcn-seg networks" lists them{also}')
        return network

    def find_weights(self, network: Network) -> Path | None:
        """
        Return the path of a network's weights, or None when they are not installed.

        Looked for in the network's own folder, in ``models_dir/<name>`` (also under an
        alias or the name of its archive's folder), then among the bundled networks, in
        each also one folder deeper; of several files the first of
        :data:`.WEIGHT_SUFFIXES` is taken.

        :param network: one of this registry.
        :raises RegistryError: when a folder holds several files that could be meant.
        """
        folders = [network.folder] if network.folder else []
        for base in (*self._users_folders(), self.share / 'models'):
            folders += [base / name for name in network.folder_names]
        return next(filter(None, map(weights_below, folders)), None)

    def _smallest(self, key: str) -> Network | None:
        pattern = re.compile(re.escape(key) + r'-\d+x\d+')
        fitting = [n for n in self.networks.values()
                   if any(pattern.fullmatch(_key(name)) for name in (n.name, *n.aliases))]
        return min(fitting, key=lambda n: n.width * n.height, default=None)

    def _add(self, network: Network) -> None:
        self.networks.setdefault(network.name, network)

    def _add_users_own(self, folder: Path) -> None:
        try:
            network = self._read_folder(folder)
        except RegistryError as error:
            self.problems.append(str(error))
            self._broken[_key(folder.name)] = str(error)
            return
        if network.name in self.networks:
            self.problems.append(f"{folder / NETWORK_FILE}: the name '{network.name}' is taken "
                                 f'by {self.networks[network.name].folder}')
        self._add(network)

    def _read_path(self, path: Path) -> Network:
        if path.is_dir():
            path = path / NETWORK_FILE
        return self._read_file(path)

    def _read_folder(self, folder: Path) -> Network:
        return self._read_file(folder / NETWORK_FILE)

    def _read_file(self, path: Path) -> Network:
        return self._read_network(load_yaml(path), str(path), path.absolute().parent)

    def _read_published(self, path: Path) -> list[Network]:
        entries = Fields(load_yaml(path), path, ('networks',)).raw('networks')
        if not isinstance(entries, list):
            raise RegistryError(f"{path}: 'networks' must be a list")
        return [self._read_network(entry, f'{path}: network {index}', None)
                for index, entry in enumerate(entries)]

    def _read_network(self, data: object, where: str, folder: Path | None) -> Network:
        """Return the Network of one checked YAML mapping."""
        fields = Fields(data, where, _KEYS)
        name_or_folder = {'default': folder.name} if folder else {}
        name = fields.text('name', _NAME, 'a name of letters, digits, ., _ and -',
                           **name_or_folder)
        if not re.fullmatch(_NAME, name):
            fields.fail('name', 'is missing, and the folder is not named like a network')
        sha256 = fields.text('sha256', '[0-9a-fA-F]{64}', '64 hexadecimal digits', None)
        return Network(
            name=name,
            aliases=fields.texts('aliases', _NAME, 'names'),
            classes=self._read_classes(fields, name, folder),
            width=fields.integer('width', 32, _MAX_SIDE),
            height=fields.integer('height', 32, _MAX_SIDE),
            decoder=fields.text('decoder', '|'.join(DECODERS), ' or '.join(DECODERS), 'fcn32s'),
            accuracy=fields.number('accuracy', 0, 1, None),
            mean_iou=fields.number('mean_iou', 0, 1, None),
            fps=_read_fps(fields),
            archive=fields.text('archive', _NAME, 'a file name', None),
            urls=fields.texts('urls', r'https?://[^\s/]+/\S*', 'http(s) addresses'),
            terms=fields.text('terms', '[^\x00-\x1f\x7f]{1,300}', 'a line of text', None),
            sha256=sha256 and sha256.lower(),
            folder=folder,
            mean=fields.triple('mean', 0, 1, IMAGENET_MEAN),
            std=fields.triple('std', 0.001, 10, IMAGENET_STD))

    def _read_classes(self, fields: Fields, name: str, folder: Path | None) -> ClassSet:
        """Return a network's classes: a named set, a list, or classes.txt in its folder."""
        value = fields.raw('classes', None)
        if isinstance(value, str):
            classes = self._named_class_set(fields, value)
        elif value is not None:
            classes = ClassSet.from_list(value, name, fields.where)
        else:
            labels = folder and read_labels(folder / 'classes.txt')
            if not labels:
                fields.fail('classes', 'is missing, and there is no classes.txt beside it')
            classes = class_set_from_labels(labels, name)
        return classes.replaced_by_files(folder) if folder else classes

    def _named_class_set(self, fields: Fields, name: str) -> ClassSet:
        if name not in self._class_sets:
            known = sorted(p.stem for p in (self.share / 'config' / 'classes').glob('*.yaml'))
            if name not in known:
                fields.fail('classes', f"names the unknown set '{name[:40]}', known are "
                                       f"{', '.join(known)}; or list the classes")
            path = self.share / 'config' / 'classes' / f'{name}.yaml'
            self._class_sets[name] = ClassSet.from_yaml(path)
        return self._class_sets[name]


def _read_fps(fields: Fields) -> Mapping[str, float]:
    fps = fields.raw('fps', {})
    if not (isinstance(fps, dict)
            and all(isinstance(k, str) and is_number(v) and v > 0 for k, v in fps.items())):
        fields.fail('fps', 'must map names of machines to frames a second')
    return MappingProxyType(dict(fps))


def _key(name: str) -> str:
    return name.strip().lower().replace('_', '-')
