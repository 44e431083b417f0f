"""From RGB arrays to classes: the core's front door, without ROS."""

from functools import cached_property, partial
import logging
import threading

import cv2
import numpy as np
import torch

from .errors import ImageError, WeightsError
from .fractions import count_ids
from .inference import kernels
from .inference.engines import create_engine, resolve_device
from .inference.postprocess import classify
from .inference.preprocess import Preprocessor
from .networks.classes import UNKNOWN
from .networks.registry import Registry
from .networks.weights import load_network

DEFAULT_NETWORK = 'fcn-resnet18-street'

_log = logging.getLogger(__name__)


class Segmentation:
    """
    What a network saw in one picture; pictures of it are drawn when asked for.

    :ivar class_mask: uint8 array H x W, class id per pixel, 255 = unknown.
    :ivar confidence: uint8 array H x W, probability of the winning class x 255, or None.
    :ivar classes: the :class:`ClassSet` the ids belong to.
    """

    def __init__(self, image, class_mask, confidence, classes, palette):
        self.class_mask = class_mask
        self.confidence = confidence
        self.classes = classes
        self._image = image
        self._palette = palette

    @property
    def image_size(self):
        """Return (height, width) of the picture."""
        return self._image.shape[:2]

    @cached_property
    def color_mask(self):
        """Return the class colours, uint8 array H x W x 3, RGB; unknown is black."""
        return cv2.applyColorMap(self.class_mask, self._palette)

    @cached_property
    def histogram(self):
        """Return the pixels of each class id, int64 array of 256."""
        return count_ids(self.class_mask)

    @property
    def fractions(self):
        """Return {label: share of all pixels}; with the unknown pixels they sum to 1."""
        shares = self.histogram / self.class_mask.size
        return dict(zip(self.classes.labels, shares.tolist()))

    @property
    def unknown(self):
        """Return the share of pixels whose class is not known."""
        return self.histogram[UNKNOWN] / self.class_mask.size

    def overlay(self, alpha=0.5):
        """
        Return the picture blended with the class colours, uint8 H x W x 3 at the mask's size.

        Pixels of unknown class show the picture alone.

        :param alpha: weight of the colours, 0..1.
        """
        height, width = self.class_mask.shape
        image = self._image
        if image.shape[:2] != (height, width):
            shrinks = height * width < image.shape[0] * image.shape[1]
            image = cv2.resize(image, (width, height),
                               interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        blended = cv2.addWeighted(self.color_mask, alpha, image, 1 - alpha, 0)
        if self.histogram[UNKNOWN]:
            cv2.copyTo(image, (self.class_mask == UNKNOWN).view(np.uint8), blended)
        return blended


class Segmenter:
    """
    A loaded network.

    :param network: a name or alias of the registry, or the path of a network.yaml.
    :param weights: file that overrides the registry's (.onnx, .pth, .safetensors).
    :param models_dir: where weights are looked for first; '' is the cache folder.
    :param device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    :param engine: ``auto``, ``torch`` or ``onnxruntime``.
    :param precision: ``auto``, ``fp32``, ``fp16``, ``bf16`` or ``int8``.
    :param threads: CPU threads the engine may use, 0 = its own choice.
    :param deterministic: no autotuning; the same picture gives the same mask.
    :param ignore_classes: labels that are never predicted.
    :param min_confidence: pixels below this probability become unknown (255).
    :param nearest: take scores from the nearest grid cell instead of interpolating.
    :raises FcnSegError: when the network, its weights or the device can't be had.
    """

    def __init__(self, network=DEFAULT_NETWORK, *, weights='', models_dir='', device='auto',
                 engine='auto', precision='auto', threads=0, deterministic=False,
                 ignore_classes=('void',), min_confidence=0.0, nearest=False):
        registry = Registry.load(models_dir)
        self.network = registry.get(network)
        path = weights or registry.find_weights(self.network)
        if not path:
            raise WeightsError(
                f"network '{self.network.name}' is not installed: run "
                f"'fcn-seg fetch {self.network.name}' or set 'weights' to a file")
        self.weights = str(path)
        self.device = resolve_device(device)
        model, self.classes = load_network(self.network, path)
        self.input_size = (self.network.height, self.network.width)
        self.engine = create_engine(
            model, size=self.input_size, device=self.device, engine=engine,
            precision=precision, threads=threads, deterministic=deterministic,
            weights=path)
        self.preprocess = Preprocessor(
            self.input_size, self.network.mean, self.network.std, self.device)
        self._gpu = self._gpu_backend(nearest) if self.device.type == 'cuda' else None
        if self.device.type == 'cpu' and not nearest and kernels.load():
            self._classify = kernels.classify
        else:
            self._classify = partial(classify, nearest=nearest)
        # One picture at a time: the engines keep buffers of their own between calls.
        self._lock = threading.Lock()
        self.configure(ignore_classes=ignore_classes, min_confidence=min_confidence)

    def configure(self, *, ignore_classes=None, min_confidence=None):
        """
        Change what may be predicted; the next picture obeys.

        A label that the network lacks is warned about, ``void`` excepted: it is ignored
        by default whether or not a network has it.

        :raises WeightsError: when no class would be left.
        """
        if ignore_classes is not None:
            self.missing_labels = [label for label in ignore_classes
                                   if label not in self.classes.labels and label != 'void']
            for label in self.missing_labels:
                _log.warning("ignore_classes: network '%s' has no class '%s'",
                             self.network.name, label)
            kept = [i for i, label in enumerate(self.classes.labels)
                    if label not in ignore_classes]
            if not kept:
                raise WeightsError(
                    f"ignore_classes leaves no class of network '{self.network.name}'")
            self._kept_ids = kept
            self._kept = torch.tensor(kept, device=self.device)
        if min_confidence is not None:
            self._min_confidence = min_confidence

    @cached_property
    def palette(self):
        """Return the colours of the classes as OpenCV's colour maps, uint8 256 x 1 x 3."""
        palette = np.zeros((256, 1, 3), np.uint8)
        palette[:len(self.classes), 0] = self.classes.colors
        return palette

    def __call__(self, image, mask_size=None):
        """Segment one picture, see :meth:`segment`."""
        return self.segment([image], mask_size)[0]

    @torch.inference_mode()
    def segment(self, images, mask_size=None, *, want_confidence=True):
        """
        Segment some pictures as one batch.

        :param images: sequence of uint8 arrays H x W x 3, RGB; sizes may differ.
        :param mask_size: (height, width) of the masks, 'network' for the network's input
            size, or None for each picture's own size.
        :returns: a list of :class:`Segmentation`.
        :raises ImageError: for an array of another shape or dtype.
        """
        for image in images:
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 \
                    or not image.size:
                raise ImageError('size', 'a picture must be a uint8 array H x W x 3, not '
                                         f'{image.dtype} {image.shape}')
        if mask_size == 'network':
            mask_size = self.input_size
        sizes = [mask_size or image.shape[:2] for image in images]
        with self._lock:
            if self._gpu:
                masks = self._gpu(images, sizes, self._kept_ids, want_confidence=want_confidence,
                                  min_confidence=self._min_confidence)
            else:
                masks = self._masks(images, sizes, want_confidence)
        return [Segmentation(image, *mask, self.classes, self.palette)
                for image, mask in zip(images, masks)]

    def _masks(self, images, sizes, want_confidence):
        """Return class ids and confidence of each picture."""
        scores = self.engine(self.preprocess(images))
        return [[part if part is None else part.numpy() for part in
                 self.classify(one, size, want_confidence=want_confidence)]
                for one, size in zip(scores, sizes)]

    def _gpu_backend(self, nearest):
        """Return what brings pictures over the GPU, with the engine between its steps."""
        from .inference.cuda.backend import CudaBackend
        engine = self.engine
        return CudaBackend(engine.forward, device=self.device, size=self.input_size,
                           mean=self.network.mean, std=self.network.std, dtype=engine.dtype,
                           nearest=nearest, records=engine.records)

    def classify(self, scores, size, *, want_confidence=True):
        """Return class ids and confidence as :func:`.postprocess.classify`, as configured."""
        return self._classify(scores, size, self._kept, want_confidence=want_confidence,
                              min_confidence=self._min_confidence)
