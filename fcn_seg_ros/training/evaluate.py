"""Measure a network on a data set: any network of the registry, any data set known here."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch

from .corruptions import Change
from .datasets import LabelledPictures
from .metrics import BoundaryScore, ConfusionMatrix, ExpectedCalibrationError
from .teacher import Trainable
from ..errors import TrainingError
from ..inference.backends import backend_around
from ..inference.devices import Device, resolve_device
from ..inference.interface import Engine
from ..networks.classes import ClassSet, plain_label
from ..support.arrays import Size, UInt8Array


def check_stride32_head(model: Trainable) -> None:
    """
    Refuse a network without the stride-32 head.

    :param model: the network.
    :raises TrainingError: for a ladder network from an .onnx file, which left it out.
    """
    if not model.has_stride32_head:
        raise TrainingError(
            'the network has no stride-32 head: use its .safetensors instead of an .onnx file')


def match_classes(network_classes: ClassSet, data_classes: ClassSet) -> UInt8Array:
    """
    Match two class sets by their labels, letter case and punctuation aside.

    :param network_classes: ``ClassSet`` of the network, ids that it predicts.
    :param data_classes: ``ClassSet`` of the labels.
    :returns: uint8 array of 256: id of the data set's class for each id of the network; the
        number of classes of the data set where it has no such class.
    :raises TrainingError: when the network lacks a class of the data set.
    """
    ids = {plain_label(label): index for index, label in enumerate(data_classes.labels)}
    known = {plain_label(label) for label in network_classes.labels}
    missing = [label for label in data_classes.labels if plain_label(label) not in known]
    if missing:
        raise TrainingError(
            f'the network cannot predict {len(missing)} of the {len(data_classes)} classes of '
            f'the data set: {", ".join(missing)}; it has {", ".join(network_classes.labels)}')
    table = np.full(256, len(data_classes), np.uint8)
    table[:len(network_classes)] = [ids.get(plain_label(label), len(data_classes))
                                    for label in network_classes.labels]
    return table


class Evaluation:
    """
    The scores of one pass over a data set.

    :param classes: ``ClassSet`` of the data set.
    :param thorough: also measure boundaries and calibration, which takes longer.
    """

    def __init__(self, classes: ClassSet, thorough: bool = True) -> None:
        self.classes = classes
        self.confusion = ConfusionMatrix(len(classes))
        self.boundary = BoundaryScore(len(classes)) if thorough else None
        self.calibration = ExpectedCalibrationError() if thorough else None

    def update(self, predicted: UInt8Array, confidence: UInt8Array | None, labels: UInt8Array
               ) -> None:
        """
        Add one picture.

        :param predicted: uint8 array H x W, ids of the data set's classes.
        :param confidence: uint8 array H x W, probability x 255; None unless thorough.
        :param labels: uint8 array H x W, ids of the data set's classes.
        """
        self.confusion.update(predicted, labels)
        if self.boundary and self.calibration and confidence is not None:
            self.boundary.update(predicted, labels)
            self.calibration.update(confidence, predicted, labels)

    def summary(self) -> dict[str, float]:
        """Return {score name: value}."""
        result = {'accuracy': self.confusion.accuracy,
                  'class_accuracy': self.confusion.mean_class_accuracy,
                  'mean_iou': self.confusion.mean_iou}
        if self.boundary and self.calibration:
            result.update(boundary_f=self.boundary.mean,
                          calibration_error=self.calibration.value)
        return result


class Predictor:
    """
    Masks of a model, made the way the node makes them.

    :param model: network or teacher.
    :param classes: its ``ClassSet``; a class labelled void is never predicted.
    :param size: of the input, pixels.
    :param mean: of R, G, B, as in ``registry.Network``.
    :param std: likewise.
    :param device: torch device.
    :param scores: 'interpolated', or 'grid' for the winner of the nearest grid cell.
    :param head: 'main', or 'stride32', the head that the published networks have.
    :param engine: what to run instead of the model, as of ``engines.create_engine``.
    :raises TrainingError: when the model has no such head.
    """

    def __init__(self, model: Trainable, classes: ClassSet, size: Size, mean: Sequence[float],
                 std: Sequence[float], device: str | torch.device = 'cpu', *,
                 scores: str = 'interpolated', head: str = 'main',
                 engine: Engine | None = None) -> None:
        if head == 'stride32':
            check_stride32_head(model)
        self._backend = backend_around(
            engine or _ModelEngine(model, resolve_device(device), head), size=size, mean=mean,
            std=std, nearest=scores == 'grid')
        self._kept = [i for i, label in enumerate(classes.labels) if label.casefold() != 'void']

    def __call__(self, images: Sequence[UInt8Array], sizes: Sequence[Size]
                 ) -> list[tuple[UInt8Array, UInt8Array]]:
        """
        Segment some pictures.

        :param images: uint8 arrays H x W x 3, RGB.
        :param sizes: of each mask.
        :returns: class ids and confidence (probability x 255) of each, uint8 arrays H x W.
        """
        return [(masks.class_ids, masks.confidence) for masks in
                self._backend(images, sizes, self._kept) if masks.confidence is not None]


class _ModelEngine:
    """A model as it is, as an engine: while it is trained, or for its other head."""

    name = 'torch'
    precision = 'fp32'
    detail = 'fp32, the model as it is'
    prefers_batches = True
    dtype = torch.float32
    recordable = False  # its weights change while it is trained

    def __init__(self, model: Trainable, device: Device, head: str) -> None:
        self.device = device
        self._model = model.to(device.torch()).to(memory_format=torch.channels_last)
        self._head = head

    @torch.inference_mode()
    def __call__(self, batch: Any) -> Any:
        """
        Return the scores of a batch, of the kind that was given.

        :param batch: float32 N x 3 x h x w, an array or a tensor.
        """
        if isinstance(batch, np.ndarray):
            tensor = torch.from_numpy(batch).contiguous(memory_format=torch.channels_last)
            return self(tensor).numpy()
        was_training = self._model.training
        self._model.eval()
        main, stride32 = self._model.forward_all(batch)
        self._model.train(was_training)
        if self._head == 'main' or stride32 is None:  # Predictor has refused the latter
            return main.float()
        return stride32.float()


def evaluate(predictor: Predictor, network_classes: ClassSet, dataset: LabelledPictures, *,
             thorough: bool = True, change: Change | None = None, batch: int = 1,
             indices: Iterable[int] | None = None,
             observe: Callable[[int, UInt8Array, UInt8Array], None] | None = None) -> Evaluation:
    """
    Run a network over a data set.

    :param predictor: makes the masks.
    :param network_classes: ``ClassSet`` of the network.
    :param dataset: items (uint8 tensor 3 x H x W, uint8 tensor H x W), ``classes``.
    :param thorough: see :class:`Evaluation`.
    :param change: function (rgb, seed) applied to each picture, or None.
    :param batch: pictures at a time.
    :param indices: items to use, e.g. wrapped in a progress bar; all by default.
    :param observe: called with number, mask and labels of each picture, both uint8 arrays H x W
        with ids of the data set's classes.
    :returns: :class:`Evaluation`.
    :raises TrainingError: when the classes do not match.
    """
    table = match_classes(network_classes, dataset.classes)
    result = Evaluation(dataset.classes, thorough)
    pending: list[tuple[UInt8Array, UInt8Array, int]] = []

    def flush() -> None:
        images, labels, numbers = zip(*pending)
        masks = predictor(images, [Size(*mask.shape) for mask in labels])
        for (ids, confidence), truth, number in zip(masks, labels, numbers):
            result.update(table[ids], confidence, truth)
            if observe:
                observe(number, table[ids], truth)
        pending.clear()

    for index in range(len(dataset)) if indices is None else indices:
        picture, labels = dataset[index]
        image: UInt8Array = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
        pending.append((change(image, index) if change else image, labels.numpy(), index))
        if len(pending) == batch:
            flush()
    if pending:
        flush()
    return result
