"""The networks that are installed, and a picture whose classes are known."""

from collections.abc import Iterator
from contextlib import contextmanager
import logging

from .finding import Finding, Level
from ..errors import FcnSegError
from ..inference.tuning import recall, situation_of
from ..networks.registry import Network, Registry
from ..segmenter import Segmenter
from ..support.paths import share_dir

BUNDLED = 'fcn-resnet18-street'
PICTURE = 'demo/street.jpg'
KNOWN_SHARES = {'sky': 0.23, 'building': 0.45, 'road': 0.16, 'sidewalk': 0.08, 'fence': 0.04}
"""Shares of the classes that the bundled network sees in the picture, in any precision."""
_TOLERANCE = 0.05


def check_networks() -> list[Finding]:
    """Load every network that is installed, and segment a picture with the bundled one."""
    registry = Registry.load()
    found = [Finding(Level.WARNING, 'network', problem, 'mend its network.yaml, or remove it')
             for problem in registry.problems]
    for network in registry.networks.values():
        try:
            if network.name == BUNDLED:
                found.append(check_known_answer())
            elif registry.find_weights(network) is not None:
                found.append(check_network(network))
        except (FcnSegError, OSError) as error:
            found.append(Finding(Level.FAULT, network.name, str(error), _remedy(network, error)))
    return found


def _remedy(network: Network, error: Exception) -> str:
    """Return what to do about a network that cannot be loaded."""
    cause = error if isinstance(error, PermissionError) else error.__context__
    if isinstance(cause, PermissionError):
        return 'make its files readable for this user (chmod, chown), or set models_dir'
    if network.name == BUNDLED:
        return 'install the package again'
    if network.urls:
        return f'remove its weights and run: fcn-seg fetch {network.name}'
    return 'copy its folder from where it was made again, or remove it'


class _Collector(logging.Handler):
    """Keeps the warnings that are logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what the core warns of meanwhile, which would be printed between the findings."""
    collector = _Collector()
    log = logging.getLogger('fcn_seg_ros')
    log.addHandler(collector)
    try:
        yield collector.said
    finally:
        log.removeHandler(collector)


def check_network(network: Network) -> Finding:
    """
    Load a network.

    :param network: one whose weights are installed.
    :raises FcnSegError: when it cannot be loaded.
    """
    with _warnings() as said:
        segmenter = Segmenter(network.name)
    if said:
        return Finding(Level.WARNING, network.name, '; '.join(said), 'export or fetch it again')
    return Finding(Level.OK, network.name, f'loads: {segmenter.weights}')


def check_known_answer() -> Finding:
    """
    Segment a picture with the engine that ``auto`` takes, and compare with what is known.

    :raises FcnSegError: when the bundled network cannot be loaded.
    """
    with _warnings() as said:
        segmenter = Segmenter(BUNDLED)
        shares = segmenter(share_dir() / PICTURE).fractions
    engine = f'engine {segmenter.engine.name} in {segmenter.engine.precision}'
    wrong = max(abs(shares.get(label, 0.0) - share) for label, share in KNOWN_SHARES.items())
    if wrong > _TOLERANCE:
        return Finding(
            Level.FAULT, BUNDLED, f'{engine} does not see what it should in {PICTURE} (a share '
            f'is wrong by {wrong:.2f}; weights: {segmenter.weights})',
            'install the package again; try --engine torch --precision fp32')
    if said:
        return Finding(Level.WARNING, BUNDLED, '; '.join(said),
                       'mend what is said of ONNX Runtime or TensorRT above; else install the '
                       'package again')
    return Finding(Level.OK, BUNDLED, f'{engine} ({measured(segmenter)}): sees what it should in '
                   f'{PICTURE}')


def measured(segmenter: Segmenter) -> str:
    """
    Tell since when it is known that the engine of ``auto`` is the fastest here, in some words.

    :param segmenter: with engine ``auto``.
    """
    choice = recall(situation_of(segmenter.weights, segmenter.input_size, segmenter.device))
    if choice is None:
        return "taken by rule: 'fcn-seg tune' measures"
    if (choice.engine, choice.precision) != (segmenter.engine.name, segmenter.engine.precision):
        return (f'{choice.engine} in {choice.precision}, the fastest on {choice.measured}, does '
                "not start any more: run 'fcn-seg tune' again")
    return f'the fastest of those measured on {choice.measured}'
