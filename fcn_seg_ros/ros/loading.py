"""Loading networks for the node, with what the log should say meanwhile."""

from collections.abc import Callable
import time
from typing import Any

from .settings import Settings
from ..inference.recovery import LoadStoppedError, Log
from ..networks.fetch import fetch
from ..networks.registry import Registry
from ..segmenter import Segmenter

_OPTIONS = ('network', 'weights', 'models_dir', 'device', 'engine', 'precision', 'threads',
            'deterministic', 'ignore_classes', 'min_confidence')
_PROGRESS_PERIOD = 5.0
"""Seconds between lines about a download."""


def load_segmenter(settings: Settings, logger: Log, keep_on: Callable[[], bool] = lambda: True,
                   on_wait: Callable[[], object] = lambda: None, **changes: Any) -> Segmenter:
    """
    Load the network of the node's settings, downloading it first where it may.

    :param settings: the node's parameters, as of ``parameters.read``.
    :param logger: the node's logger.
    :param keep_on: asked while a network is downloaded or an engine is built; false breaks that
        off.  A download can go on later.
    :param on_wait: called about ten times a second while an engine is built.
    :param changes: replace settings of the same names.
    :raises FcnSegError: when it can't be had.
    """
    options = {name: getattr(settings, name) for name in _OPTIONS} | changes
    if settings.download and not settings.weights:
        registry = Registry.load(settings.models_dir)
        network = registry.get(settings.network)
        if registry.find_weights(network) is None:
            fetch(network, settings.models_dir,
                  progress=_Progress(network.name, logger, keep_on))

    def wait() -> None:
        if not keep_on():
            raise LoadStoppedError('building the engine is broken off: it begins anew when the '
                                   'node is started or activated again')
        on_wait()

    return Segmenter(**options, on_wait=wait)


def describe(segmenter: Segmenter) -> str:
    """
    Return a line on what is loaded and what runs it.

    :param segmenter: the network.
    """
    return (f'network {segmenter.network.name} ({len(segmenter.classes)} classes, input '
            f'{segmenter.input_size}) on {segmenter.device}, engine {segmenter.engine.name} '
            f'({segmenter.engine.detail})')


class _Progress:
    """Log a line now and then."""

    def __init__(self, name: str, logger: Log, keep_on: Callable[[], bool]) -> None:
        self._name = name
        self._logger = logger
        self._keep_on = keep_on
        self._next = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        if not self._keep_on():
            raise LoadStoppedError('the download is broken off: it goes on when the node is '
                                   'started or activated again')
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _PROGRESS_PERIOD
        share = f' ({100 * done // total} %) of {total / 1e6:.0f}' if total else ''
        self._logger.info(f'downloading network {self._name}: {done / 1e6:.0f}{share} MB')
