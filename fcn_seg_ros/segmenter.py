"""From pictures to classes: the core's front door, without ROS."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
import logging
from numbers import Real
import os
import threading
from typing import Any, overload, TYPE_CHECKING

import numpy as np

from .errors import OptionError, WeightsError
from .images.inputs import Picture, to_rgb_array
from .inference.backends import create_backend
from .inference.devices import resolve_device
from .inference.interface import Engine, EngineRequest
from .networks.labels import installed_classes
from .networks.loading import find_network
from .segmentation import GridScores, Segmentation as Segmentation
from .support.arrays import MAX_PIXELS, MAX_SIDE, parse_size, Size, UInt8Array

if TYPE_CHECKING:
    from .networks.model import FCNResNet18

DEFAULT_NETWORK = 'fcn-resnet18-street'

MaskSize = str | Sequence[int] | None
"""'input' or None, 'network', 'WIDTHxHEIGHT', or (height, width)."""

_log = logging.getLogger(__name__)


class Segmenter:
    """
    A loaded network.

    It may be called from several threads: they take turns.

    :param network: a name or alias of the registry, or the path of a network.yaml.
    :param weights: file that overrides the registry's (.onnx, .pth, .safetensors).
    :param models_dir: where weights are looked for first; '' is the cache folder.
    :param device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, the number N of a GPU, or a
        torch.device.
    :param engine: ``auto``, or one of :data:`fcn_seg_ros.inference.engines.ENGINES`.
    :param precision: ``auto``, ``fp32``, ``fp16``, ``bf16`` or ``int8``.
    :param threads: CPU threads the engine may use, 0 = its own choice.  PyTorch has one such
        number: with its engine this changes it for the whole process.
    :param deterministic: no autotuning; the same picture gives the same mask.
    :param ignore_classes: a label, or several, that are never predicted.
    :param min_confidence: pixels below this probability, 0 to 1, become unknown (255).
    :param nearest: take scores from the nearest grid cell instead of interpolating.
    :param on_wait: called about ten times a second while an engine is built, which takes
        minutes with TensorRT; what it raises breaks that off.
    :raises FcnSegError: when the network, its weights or the device can't be had, or an option
        has a value that it cannot have.
    """

    def __init__(self, network: str | os.PathLike[str] = DEFAULT_NETWORK, *,
                 weights: str | os.PathLike[str] = '', models_dir: str | os.PathLike[str] = '',
                 device: Any = 'auto', engine: str = 'auto', precision: str = 'auto',
                 threads: int = 0, deterministic: bool = False,
                 ignore_classes: str | Iterable[str] | None = ('void',),
                 min_confidence: float = 0.0, nearest: bool = False,
                 on_wait: Callable[[], object] = lambda: None) -> None:
        self.network, file = find_network(network, weights, models_dir)
        self.weights = str(file)
        self.device = resolve_device(device)
        self.classes = installed_classes(self.network.classes, self.network.name, file)
        self.input_size = self.network.size
        self.backend = create_backend(
            EngineRequest(
                load_model=self._load_model, size=self.input_size,
                num_classes=len(self.classes), device=self.device, precision=precision,
                threads=threads, deterministic=deterministic, weights=self.weights,
                on_wait=on_wait),
            engine, mean=self.network.mean, std=self.network.std, nearest=nearest)
        self._nearest = nearest
        # One picture at a time: the engines keep buffers of their own between calls.
        self._lock = threading.Lock()
        self._kept: tuple[int, ...] = tuple(range(len(self.classes)))
        self._min_confidence = 0.0
        self.configure(ignore_classes=() if ignore_classes is None else ignore_classes,
                       min_confidence=min_confidence)

    def _load_model(self) -> 'FCNResNet18':
        from .networks.weights import load_network  # imports PyTorch, for engines that need it
        return load_network(self.network, self.weights)[0]

    def __repr__(self) -> str:
        return (f'<Segmenter {self.network.name} ({len(self.classes)} classes, '
                f'{self.input_size}) on {self.device}, {self.engine.name} in '
                f'{self.engine.precision}>')

    @property
    def engine(self) -> Engine:
        """Return what runs the network."""
        return self.backend.engine

    def configure(self, *, ignore_classes: str | Iterable[str] | None = None,
                  min_confidence: float | None = None) -> None:
        """
        Change what may be predicted; the next picture obeys.

        A label that the network lacks is warned about, ``void`` excepted: it is ignored
        by default whether or not a network has it.

        :param ignore_classes: a label, or several, that are never predicted; None leaves it.
        :param min_confidence: 0 to 1, see the class; None leaves it.
        :raises WeightsError: when no class would be left.
        :raises OptionError: when a value is none that it can have.
        """
        kept, threshold = self._kept, self._min_confidence
        if ignore_classes is not None:
            kept = self._all_but(ignore_classes)
        if min_confidence is not None:
            threshold = _share('min_confidence', min_confidence)
        self._kept, self._min_confidence = kept, threshold

    def _all_but(self, ignored: str | Iterable[str]) -> tuple[int, ...]:
        labels = [ignored] if isinstance(ignored, str) else list(ignored)
        for label in labels:
            if not isinstance(label, str):
                raise OptionError(f'ignore_classes takes labels such as '
                                  f"'{self.classes.labels[0]}', not {label!r}")
            if label not in self.classes.labels and label != 'void':
                _log.warning("ignore_classes: network '%s' has no class '%s'",
                             self.network.name, label)
        kept = tuple(i for i, label in enumerate(self.classes.labels) if label not in labels)
        if not kept:
            raise WeightsError(f"ignore_classes leaves no class of network '{self.network.name}'")
        return kept

    @cached_property
    def palette(self) -> UInt8Array:
        """Return the colours of the classes as OpenCV's colour maps, uint8 256 x 1 x 3."""
        palette = np.zeros((256, 1, 3), np.uint8)
        palette[:len(self.classes), 0] = self.classes.colors
        return palette

    @overload
    def __call__(self, image: Picture, mask_size: MaskSize = None, *, bgr: bool = False,
                 probabilities: bool = False) -> Segmentation: ...

    @overload
    def __call__(self, image: list[Any] | tuple[Any, ...], mask_size: MaskSize = None, *,
                 bgr: bool = False, probabilities: bool = False) -> list[Segmentation]: ...

    def __call__(self, image: Picture | list[Any] | tuple[Any, ...],
                 mask_size: MaskSize = None, *, bgr: bool = False, probabilities: bool = False
                 ) -> Segmentation | list[Segmentation]:
        """
        Segment a picture, or each of a list of pictures.

        :param image: the path of a picture file, a uint8 array H x W x 3 in RGB, or a PIL
            picture; or a list or tuple of these.
        :param mask_size: 'input' or None for the picture's own size, 'network' for the
            network's input size, (height, width), or a text WIDTHxHEIGHT.
        :param bgr: arrays are in OpenCV's order, blue first.
        :param probabilities: keep what :meth:`.Segmentation.probabilities` is made from.
        :returns: the result, or a list of them.
        :raises FcnSegError: when it is none of these, or a file cannot be read.
        """
        if isinstance(image, (list, tuple)):
            return self.segment(image, mask_size, bgr=bgr, probabilities=probabilities)
        return self.segment([image], mask_size, bgr=bgr, probabilities=probabilities)[0]

    def segment(self, images: Sequence[Any], mask_size: MaskSize = None, *,
                want_confidence: bool = True, bgr: bool = False, probabilities: bool = False
                ) -> list[Segmentation]:
        """
        Segment some pictures as one batch.

        :param images: what a call takes, see there; sizes may differ.
        :param mask_size: as in a call.
        :param want_confidence: whether the results' confidence is wanted, else it is None.
        :param bgr: as in a call.
        :param probabilities: as in a call.
        :raises FcnSegError: when one is no picture, or a file cannot be read.
        """
        pictures = [to_rgb_array(image, bgr=bgr) for image in images]
        if not pictures:
            return []
        fixed = self._fixed_size(mask_size)
        sizes = [fixed or Size(*picture.shape[:2]) for picture in pictures]
        kept = self._kept
        with self._lock:
            masks = self.backend(pictures, sizes, kept, min_confidence=self._min_confidence,
                                 want_confidence=want_confidence, want_scores=probabilities)
        return [Segmentation(
            picture, mask.class_ids, mask.confidence, self.classes, self.palette,
            None if mask.scores is None else GridScores(mask.scores, kept, self._nearest))
            for picture, mask in zip(pictures, masks)]

    def _fixed_size(self, mask_size: MaskSize) -> Size | None:
        """Return the size of the masks, or None for that of each picture."""
        if mask_size is None:
            return None
        try:
            if isinstance(mask_size, str):
                named = {'input': None, 'network': self.input_size}
                return named[mask_size] if mask_size in named else parse_size(mask_size)
            height, width = mask_size
            if all(isinstance(side, (int, np.integer)) and not isinstance(side, bool)
                   and 1 <= side <= MAX_SIDE for side in (height, width)) \
                    and height * width <= MAX_PIXELS:
                return Size(int(height), int(width))
        except (TypeError, ValueError):
            pass
        raise OptionError(f"mask_size is 'input', 'network', (height, width) of 1 to {MAX_SIDE} "
                          f'pixels each, or WIDTHxHEIGHT, not {str(mask_size)[:40]!r}')


def _share(name: str, value: Any) -> float:
    """Return a number from 0 to 1."""
    if isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) <= 1:
        return float(value)  # neither is true of NaN
    raise OptionError(f'{name} is a number from 0 to 1, not {str(value)[:40]}')
