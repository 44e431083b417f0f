"""The networks that are installed, and a picture whose classes are known."""

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
            found.append(Finding(Level.FAULT, network.name, str(error),
                                 f'remove its weights and run: fcn-seg fetch {network.name}'))
    return found


def check_network(network: Network) -> Finding:
    """
    Load a network.

    :param network: one whose weights are installed.
    :raises FcnSegError: when it cannot be loaded.
    """
    segmenter = Segmenter(network.name)
    return Finding(Level.OK, network.name, f'loads: {segmenter.weights}')


def check_known_answer() -> Finding:
    """
    Segment a picture with the engine that ``auto`` takes, and compare with what is known.

    :raises FcnSegError: when the bundled network cannot be loaded.
    """
    segmenter = Segmenter(BUNDLED)
    shares = segmenter(share_dir() / PICTURE).fractions
    engine = f'engine {segmenter.engine.name} in {segmenter.engine.precision}'
    wrong = max(abs(shares.get(label, 0.0) - share) for label, share in KNOWN_SHARES.items())
    if wrong > _TOLERANCE:
        return Finding(
            Level.FAULT, BUNDLED, f'{engine} does not see what it should in {PICTURE} (a share '
            f'is wrong by {wrong:.2f}; weights: {segmenter.weights})',
            'install the package again; try --engine torch --precision fp32')
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
