"""A network that survives what happens to its engine: out of memory, faults, bad luck."""

from collections.abc import Callable, Sequence
import sys
import time
from typing import Any, Protocol, TypedDict

import numpy as np

from ..errors import FcnSegError, ImageError
from ..support.arrays import Size, UInt8Array
from ..support.process import release_memory

_FAILURES = 3
"""Failing frames in a row after which the engine is suspected."""
_BACK_OFF = (0.0, 1.0, 2.0, 4.0)
"""Seconds before each attempt to load the network again; after the last one it is lost."""


class EngineDownError(FcnSegError):
    """The engine is out of order; another attempt follows after some seconds."""


class EngineLostError(FcnSegError):
    """The engine is out of order, and loading it again did not help."""


class LoadStoppedError(FcnSegError):
    """Nobody wants the network any more that is being loaded."""


class GuardedSegmenter(Protocol):
    """What is guarded: a loaded :class:`.Segmenter`."""

    input_size: Size
    device: Any

    @property
    def engine(self) -> Any:
        """Return what runs the network."""

    def configure(self, *, ignore_classes: Sequence[str], min_confidence: float) -> None:
        """Change what may be predicted."""

    def segment(self, images: Sequence[UInt8Array], mask_size: Any = None, *,
                want_confidence: bool = True) -> list[Any]:
        """Segment some pictures as one batch."""


class GuardSettings(Protocol):
    """What is read of the node's parameters at every picture."""

    @property
    def device(self) -> str:
        """Where the network is to run."""

    @property
    def mask_size(self) -> Any:
        """Size of the masks, as :meth:`.Segmenter.segment` takes it."""

    @property
    def ignore_classes(self) -> Sequence[str]:
        """Labels that are never predicted."""

    @property
    def min_confidence(self) -> float:
        """Probability below which pixels become unknown."""


class Log(Protocol):
    """The node's logger, or one of the standard library's."""

    def info(self, message: str) -> Any:
        """Log what went on."""

    def warning(self, message: str) -> Any:
        """Log what is odd."""

    def error(self, message: str) -> Any:
        """Log what failed."""


class _Configuration(TypedDict):
    ignore_classes: list[str]
    min_confidence: float


class Guard:
    """
    Run a segmenter and repair it, from one thread.

    A picture that fails is an error of its own; when a batch fails, its pictures are tried
    one by one, and after some batches in a row none is made any more.  After some failing
    pictures in a row a black one is tried: when that fails as well the network is loaded
    again, with growing pauses between the attempts.  When a GPU is out of memory the picture
    is tried again with an empty cache, then on the CPU where ``device`` is 'auto'; the
    network stays there.

    :param segmenter: the loaded :class:`.Segmenter`.
    :param settings: what it was loaded with, as of ``parameters.read``.
    :param load: ``load(settings, on_wait=..., **changes)`` returns a new one, or raises; it
        calls ``on_wait``, without arguments, now and then while that takes long.  With
        LoadStoppedError it says that it was broken off: the next picture begins it anew.
    :param logger: the node's logger.
    :param on_step: called, without arguments, before every step that takes long, and during
        a load.
    :param clock: seconds that never go back.

    :ivar segmenter: the one in use, None while it is loaded again.
    :ivar reloads: how often it was loaded again.
    :ivar degraded: what is worse than was asked for, or ''.
    """

    def __init__(self, segmenter: GuardedSegmenter, settings: GuardSettings,
                 load: Callable[..., GuardedSegmenter], logger: Log, *,
                 on_step: Callable[[], object] = lambda: None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.segmenter: Any = segmenter  # None while it is loaded again
        self.reloads = 0
        self.degraded = ''
        self._load = load
        self._logger = logger
        self._on_step = on_step
        self._clock = clock
        self._configuration = _configuration(settings)
        self._failures = 0
        self._attempts = 0
        self._not_before: float | None = None
        self._failed_batches = 0

    @property
    def prefers_batches(self) -> bool:
        """Tell whether pictures that wait together should be segmented together."""
        return (self._not_before is None and self.segmenter is not None
                and self._failed_batches < _FAILURES
                and bool(self.segmenter.engine.prefers_batches))

    def try_batch(self, images: Sequence[UInt8Array], settings: GuardSettings, *,
                  want_confidence: bool = True) -> list[Any] | None:
        """
        Segment some pictures together.

        :param images: uint8 arrays H x W x 3, RGB.
        :param settings: the node's parameters, as of ``parameters.read``.
        :returns: a :class:`.Segmentation` each; or None where that does not pay or has
            failed: then :meth:`segment` finds out which picture, if any, is to blame.
        """
        if len(images) < 2 or not self.prefers_batches:
            return None
        self._on_step()
        try:
            self._configure(settings)
            results: list[Any] = self.segmenter.segment(
                images, settings.mask_size, want_confidence=want_confidence)
        except Exception as error:
            short, reason = is_out_of_memory(error), _first_line(error)
        else:
            self._failures = self._attempts = self._failed_batches = 0
            return results
        # Not in the handler: the traceback holds what is to be released.
        if short:
            release_memory()
        self._failed_batches += 1
        if not self.prefers_batches:
            self._logger.warning(f'{_FAILURES} batches in a row failed ({reason}): cameras take '
                                 'turns from now on')
        return None

    def segment(self, image: UInt8Array, settings: GuardSettings, *,
                want_confidence: bool = True) -> Any:
        """
        Segment a picture.

        :param image: uint8 array H x W x 3, RGB.
        :param settings: the node's parameters, as of ``parameters.read``.
        :returns: the :class:`.Segmentation`.
        :raises ImageError: when the picture is to blame.
        :raises EngineDownError: when the engine is waiting to be loaded again.
        :raises EngineLostError: when that did not help.
        """
        if self._not_before is not None:
            self._reload(settings, self._not_before)
        self._configure(settings)
        try:
            result = self._run(image, settings, want_confidence)
        except (ImageError, LoadStoppedError):
            raise
        except Exception as error:
            self._failed(error)
            raise
        self._failures = self._attempts = 0
        return result

    def _configure(self, settings: GuardSettings) -> None:
        # Here and not where parameters are set: between two pictures.
        configuration = _configuration(settings)
        if configuration != self._configuration:
            self.segmenter.configure(**configuration)
            self._configuration = configuration

    def _run(self, image: UInt8Array, settings: GuardSettings, want_confidence: bool) -> Any:
        try:
            return self._run_once(image, settings, want_confidence)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._logger.warning(f'out of memory, trying again: {_first_line(error)}')
        # Not in the handler: the traceback holds what is to be released.
        release_memory()
        try:
            return self._run_once(image, settings, want_confidence)
        except Exception as error:
            if not is_out_of_memory(error) or not self._may_move(settings):
                raise
        self._move_to_cpu(settings)
        return self._run_once(image, settings, want_confidence)

    def _run_once(self, image: UInt8Array, settings: GuardSettings, want_confidence: bool) -> Any:
        self._on_step()
        result, = self.segmenter.segment(
            [image], settings.mask_size, want_confidence=want_confidence)
        return result

    def _may_move(self, settings: GuardSettings) -> bool:
        return settings.device == 'auto' and bool(self.segmenter.device.type != 'cpu')

    def _move_to_cpu(self, settings: GuardSettings) -> None:
        lost = self.segmenter.device
        self._on_step()
        self.segmenter = None
        release_memory()
        self._take(settings, device='cpu', precision='auto')
        self.degraded = f'on the CPU, since {lost} is out of memory'
        self._logger.error(f'the network runs {self.degraded}, slowly: free memory there, then '
                           'clean up and configure the node, or set its parameter device')

    def _failed(self, error: Exception) -> None:
        """Count a failure, and find out whether the engine or the picture is to blame."""
        if self.segmenter is None:  # moving to the CPU failed half-way
            self._schedule(error)
            return
        self._failures += 1
        if self._failures < _FAILURES:
            return
        self._failures = 0
        try:
            self._on_step()
            self._probe()
        except Exception as reason:
            self._schedule(reason)
        else:
            self._logger.warning(f'{_FAILURES} frames in a row failed ({_first_line(error)}), '
                                 'but the engine works: the pictures must be odd')

    def _probe(self) -> None:
        height, width = self.segmenter.input_size
        self.segmenter.segment([np.zeros((height, width, 3), np.uint8)], 'network')

    def _schedule(self, reason: Exception) -> None:
        """Plan the next attempt; without one left, the engine is lost."""
        if self._attempts >= len(_BACK_OFF):
            raise EngineLostError(f'the engine keeps failing, and {self._attempts} attempts to '
                                  f'load it again did not help: {_first_line(reason)}')
        pause = _BACK_OFF[self._attempts]
        self._attempts += 1
        self._not_before = self._clock() + pause
        self._logger.error(f'the engine fails ({_first_line(reason)}): attempt {self._attempts} '
                           f'of {len(_BACK_OFF)} to load it again, in {pause:g} s')

    def _reload(self, settings: GuardSettings, not_before: float) -> None:
        wait = not_before - self._clock()
        if wait > 0:
            raise EngineDownError(f'the engine is loaded again in {wait:.1f} s')
        self._on_step()
        self.segmenter = None
        release_memory()  # of the old one, before the new one asks for as much
        try:
            self._take(settings)
            self._on_step()
            self._probe()
        except LoadStoppedError:
            raise
        except Exception as reason:
            self._schedule(reason)
            raise EngineDownError(f'loading it again failed: {_first_line(reason)}') from reason
        self._not_before = None
        self.reloads += 1
        self._logger.info('the engine is loaded again')

    def _take(self, settings: GuardSettings, **changes: Any) -> None:
        # Building an engine may take minutes, but does not hang.
        try:
            self.segmenter = self._load(settings, on_wait=self._on_step, **changes)
        except LoadStoppedError as error:
            self._not_before = self._clock()
            self._logger.info(str(error))
            raise
        self._failed_batches = 0
        self._configuration = _configuration(settings)


def _configuration(settings: GuardSettings) -> _Configuration:
    return {'ignore_classes': list(settings.ignore_classes),
            'min_confidence': settings.min_confidence}


def is_out_of_memory(error: BaseException) -> bool:
    """
    Tell whether an exception says that memory, a GPU's or the machine's, is used up.

    :param error: the exception.
    """
    torch = sys.modules.get('torch')  # without it nothing raises its exceptions
    if isinstance(error, MemoryError) or (
            torch is not None and isinstance(error, torch.cuda.OutOfMemoryError)):
        return True
    # cuDNN, cuBLAS, ONNX Runtime and PyTorch's CPU allocator raise plain RuntimeErrors.
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in (
        'out of memory', 'failed to allocate memory', "can't allocate memory",
        'cublas_status_alloc_failed', 'cudnn_status_alloc_failed'))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [''])[0][:200] or type(error).__name__
