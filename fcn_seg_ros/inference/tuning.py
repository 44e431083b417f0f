"""
What was measured to be the fastest engine: remembered for a machine, its versions, a network.

``fcn-seg tune`` measures and remembers; engine ``auto`` recalls.  A memory counts only where
everything is as it was when it was made: the processor or the GPU, the versions of what runs
the network, the weights, and the size of the input.
"""

from dataclasses import asdict, dataclass
import hashlib
from importlib.metadata import PackageNotFoundError, version
import json
import logging
import os
from pathlib import Path
import platform

from .devices import Device
from ..errors import FcnSegError, NoFolderError
from ..support.atomic_files import write_file
from ..support.digests import file_sha256
from ..support.paths import cache_dir

_LIBRARIES = ('fcn_seg_ros', 'torch', 'onnxruntime', 'onnxruntime-gpu', 'tensorrt')
_MOST_BYTES = 1 << 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """
    The engine that was the fastest of those that are accurate enough.

    :ivar engine: its name, as the parameter ``engine`` takes it.
    :ivar precision: its precision, as the parameter ``precision`` takes it.
    :ivar milliseconds: time that a frame took, the median.
    :ivar agreement: share of the pixels whose class is that of fp32, 0..1.
    :ivar repeats: whether the same picture gave the same mask, bit for bit.
    :ivar measured: the day, YYYY-MM-DD.
    """

    engine: str
    precision: str
    milliseconds: float
    agreement: float
    repeats: bool
    measured: str


@dataclass(frozen=True)
class Situation:
    """
    All that a memory depends on.

    :ivar device: ``cpu`` or ``cuda``, and what processor or GPU it is.
    :ivar weights: SHA-256 of the network's weights file.
    :ivar size: the network's input, width x height.
    :ivar versions: of the libraries that run networks, 'name version' each.
    """

    device: str
    weights: str
    size: str
    versions: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Return the file that remembers the choice for this situation."""
        text = json.dumps(asdict(self), sort_keys=True)
        return cache_dir() / 'tuning' / f'{hashlib.sha256(text.encode()).hexdigest()[:32]}.json'


def situation_of(weights: str | os.PathLike[str], size: tuple[int, int], device: Device
                 ) -> Situation:
    """
    Describe the present situation.

    :param weights: the network's weights file.
    :param size: (height, width) of the network's input, pixels.
    :param device: where the network runs.
    :raises OSError: when the weights cannot be read.
    """
    if device.type == 'cuda':
        import torch
        processor = torch.cuda.get_device_name(device.torch())
    else:
        processor = cpu_name()
    digest = file_sha256(weights)
    return Situation(f'{device.type} {processor}', digest, f'{size[1]}x{size[0]}',
                     tuple(_versions()))


def cpu_name() -> str:
    """Return what /proc/cpuinfo calls the processor, and how many cores it has here."""
    try:
        lines = Path('/proc/cpuinfo').read_text(errors='replace').splitlines()
    except OSError:
        lines = []
    fields = dict(line.partition(':')[::2] for line in lines)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    # ARM's kernel has no model's name, but numbers of its maker and its part.
    name = named.get('model name') or ' '.join(
        named.get(key, '') for key in ('CPU implementer', 'CPU part'))
    return f'{name.strip() or platform.machine()} x{os.cpu_count()}'


def _versions() -> list[str]:
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f'{name} {version(name)}')
        except PackageNotFoundError:
            continue
    return found


def remember(where: Situation, choice: Choice) -> Path:
    """
    Keep a choice for a situation, in place of an older one; return its file.

    :param where: the situation that it was measured in.
    :param choice: what was found to be the fastest.
    :raises FcnSegError: when it cannot be written.
    """
    try:
        write_file(where.path, json.dumps(
            {'situation': asdict(where), 'choice': asdict(choice)}, indent=2).encode())
    except OSError as error:
        raise FcnSegError(f'cannot remember the engine in {where.path}: {error}') from error
    return where.path


def recall(where: Situation) -> Choice | None:
    """
    Return what was measured in the same situation, or None.

    A memory that cannot be read is said so and left out: ``fcn-seg tune`` makes a new one.

    :param where: the present situation.
    """
    try:
        with open(where.path, 'rb') as file:
            content = json.loads(file.read(_MOST_BYTES))
        return _choice(content['choice'])
    except (FileNotFoundError, NoFolderError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s cannot be read (%s): run 'fcn-seg tune' again", where.path, error)
        return None


def _choice(data: dict[str, object]) -> Choice:
    """Return a choice as it was written; TypeError or ValueError where it is none."""
    choice = Choice(**data)  # type: ignore[arg-type]  # checked below
    texts = (choice.engine, choice.precision, choice.measured)
    numbers = (choice.milliseconds, choice.agreement)
    if not (all(isinstance(value, str) for value in texts)
            and all(isinstance(value, float) for value in numbers)
            and isinstance(choice.repeats, bool)):
        raise ValueError('it is no choice of an engine')
    return choice
