"""
What the rest of the package knows of the inference: pictures in, class ids and confidence out.

A :class:`Backend` does that where its data lies: on a CPU with NumPy arrays and compiled
kernels, on a GPU with PyTorch's tensors.  What runs the network is an :class:`Engine` of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TYPE_CHECKING

from .devices import Device
from ..support.arrays import Float32Array, Size, UInt8Array

if TYPE_CHECKING:
    import torch

    from ..networks.model import FCNResNet18


class Masks(NamedTuple):
    """
    What a backend makes of one picture.

    :ivar class_ids: uint8 array H x W, the best class of each pixel, 255 = unknown.
    :ivar confidence: uint8 array H x W, its probability x 255; None where it was not wanted.
    :ivar scores: float32 array C x h x w, the class scores on the network's grid; None where
        they were not wanted.
    """

    class_ids: UInt8Array
    confidence: UInt8Array | None
    scores: Float32Array | None = None


class Engine(Protocol):
    """A loaded network: a callable that turns a normalised batch into class scores."""

    name: str
    """As the option ``engine`` takes it."""
    device: Device
    precision: str
    """fp32, fp16, bf16 or int8."""
    detail: str
    """A phrase for logs: precision, library and version."""
    prefers_batches: bool
    """Whether a batch takes less time than its pictures one by one."""

    def __call__(self, batch: Any) -> Any:
        """
        Return the scores of a batch.

        :param batch: float32 N x 3 x h x w; a NumPy array on a CPU, a tensor on a GPU (and on
            a CPU as well, for those who have one).
        :returns: float32 N x C x h' x w', of the kind that was given.
        """


class GpuEngine(Engine, Protocol):
    """An engine that runs on a GPU, on tensors and on PyTorch's stream."""

    dtype: 'torch.dtype'
    """What :meth:`forward` takes and returns."""
    recordable: bool
    """Whether a CUDA graph can record :meth:`forward`."""

    def forward(self, batch: 'torch.Tensor') -> 'torch.Tensor':
        """
        Give a batch to the current stream and return what its scores will be in.

        :param batch: tensor N x 3 x h x w of :attr:`dtype` on the GPU.
        :returns: tensor N x C x h' x w' of :attr:`dtype` there.
        """


class Backend(Protocol):
    """Pictures in, class ids and confidence out; for use by one thread at a time."""

    device: Device

    @property
    def engine(self) -> Engine:
        """Return what runs the network."""

    def __call__(self, images: Sequence[UInt8Array], sizes: Sequence[Size],
                 kept: Sequence[int], *, min_confidence: float = 0.0,
                 want_confidence: bool = True, want_scores: bool = False) -> list[Masks]:
        """
        Segment some pictures as one batch.

        :param images: uint8 arrays H x W x 3, RGB, any strides; sizes may differ.
        :param sizes: of each mask.
        :param kept: ids of the classes that may be predicted, ascending.
        :param min_confidence: pixels whose probability is below it become 255, unknown.
        :param want_confidence: whether confidence is wanted.
        :param want_scores: whether the scores are wanted.
        """

    def preprocess(self, images: Sequence[UInt8Array]) -> Any:
        """
        Return the network's input for some pictures, as :attr:`engine` takes it.

        :param images: as in the call.
        """

    def classify(self, scores: Any, size: Size, kept: Sequence[int], *,
                 min_confidence: float = 0.0, want_confidence: bool = True) -> Any:
        """
        Return class ids and confidence of one picture, where the scores are.

        :param scores: C x h x w, one picture's of what :attr:`engine` returns.
        :param size: of the mask.
        :param kept: as in the call.
        :param min_confidence: as in the call.
        :param want_confidence: as in the call.
        """


@dataclass(frozen=True)
class EngineRequest:
    """
    What an engine is made for.

    :param load_model: loads the network's model (FCNResNet18 in eval mode, float32, on the
        CPU), which the engine may change.  Engines that run a finished graph never call it.
    :param size: of the network's input.
    :param num_classes: how many scores the network gives.
    :param device: where it is to run.
    :param precision: ``auto``, or one of :data:`.engines.PRECISIONS`.
    :param threads: CPU threads that it may use, 0 = its own choice.
    :param deterministic: no autotuning; the same picture gives the same scores.
    :param weights: path of the network's weights, or None.
    :param on_wait: called about ten times a second while the engine is built, which takes
        minutes with TensorRT; what it raises breaks that off.
    """

    load_model: Callable[[], 'FCNResNet18']
    size: Size
    num_classes: int
    device: Device
    precision: str = 'auto'
    threads: int = 0
    deterministic: bool = False
    weights: str | None = None
    on_wait: Callable[[], object] = lambda: None
