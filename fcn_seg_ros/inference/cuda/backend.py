"""The backend of NVIDIA GPUs: a frame goes there and back in one piece."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .capture import Recording
from .operators import find_operators, Operators
from ..interface import GpuEngine, Masks
from ...support.arrays import Size, UInt8Array

_MOST_PLANS = 8
"""Sets of cameras and settings whose buffers and graphs are kept; the oldest go first."""


def pinned(shape: Sequence[int]) -> torch.Tensor:
    """
    Return an empty uint8 tensor in memory that the GPU copies from and to by itself.

    :param shape: its dimensions.
    """
    return torch.empty(tuple(shape), dtype=torch.uint8, pin_memory=True)


@dataclass(frozen=True)
class _Request:
    """What a plan is made for: everything but the pictures' content."""

    shapes: tuple[tuple[int, ...], ...]
    sizes: tuple[Size, ...]
    kept: tuple[int, ...]
    min_confidence: float
    want_confidence: bool
    want_scores: bool


class Plan:
    """
    A frame's way over the GPU and back, for pictures of given sizes.

    Page-locked (pinned) buffers are kept: only from and to these the GPU copies while the
    processor goes on.  Where it may, all of it is one CUDA graph: a frame is one launch.

    :param backend: whose steps it takes.
    :param request: what it is made for.
    :ivar pictures: pinned uint8 tensors H x W x 3, one for each picture.
    :ivar masks: pinned uint8 tensors, class ids and confidence, 2 x H x W each, or 1 x H x W
        where confidence is not wanted.
    :ivar scores: tensor N x C x h x w on the GPU, or None where they are not wanted.
    """

    def __init__(self, backend: 'CudaBackend', request: _Request) -> None:
        self._backend = backend
        self._request = request
        layers = 2 if request.want_confidence else 1
        self.pictures = [pinned(shape) for shape in request.shapes]
        self.masks = [pinned((layers, *size)) for size in request.sizes]
        self.scores: torch.Tensor | None = None
        self._kept = torch.tensor(request.kept, device=backend.device.torch())
        # Scores are asked for in scripts, a picture at a time: not worth a recording.
        self._recording = (
            Recording(self._work, backend.device.torch(), backend.pool)
            if backend.engine.recordable and not request.want_scores else None)

    def run(self, pictures: Sequence[UInt8Array]) -> None:
        """
        Start to fill :attr:`masks`; they count when the current stream is done.

        :param pictures: uint8 arrays H x W x 3 of the plan's shapes, RGB, any strides.
        """
        for buffer, picture in zip(self.pictures, pictures):
            # NumPy takes any strides, and read-only memory, which torch.from_numpy() does not.
            np.copyto(buffer.numpy(), picture)
        self.start()

    def start(self) -> None:
        """Give the current stream everything that turns pictures into masks."""
        if self._recording is None:
            self._work()
        else:
            self._recording.replay()

    def _work(self) -> None:
        backend, request = self._backend, self._request
        scores = backend.engine.forward(backend.to_input(self.pictures))
        if request.want_scores:
            self.scores = scores
        for one, size, masks in zip(scores, request.sizes, self.masks):
            masks.copy_(backend.operators.classify(
                one, self._kept, size, want_confidence=request.want_confidence,
                min_confidence=request.min_confidence, nearest=backend.nearest),
                non_blocking=True)


class CudaBackend:
    """
    Segment pictures on a GPU; for use by one thread at a time.

    :param engine: runs the network on the GPU.
    :param size: of the network's input.
    :param mean: per channel (R, G, B), in shares of full scale.
    :param std: per channel (R, G, B), in shares of full scale.
    :param nearest: take scores from the nearest cell of the grid instead of interpolating.
    :param operators: the steps around the network; None takes the fastest that run.
    """

    def __init__(self, engine: GpuEngine, *, size: Size, mean: Sequence[float],
                 std: Sequence[float], nearest: bool = False,
                 operators: Operators | None = None) -> None:
        self.engine = engine
        self.device = engine.device
        self.nearest = nearest
        self.operators = operators or find_operators(self.device.torch())
        self.pool = torch.cuda.graph_pool_handle() if engine.recordable else None
        self._size = size
        self._scale = [1 / (255 * value) for value in std]
        self._offset = [-value / deviation for value, deviation in zip(mean, std)]
        self._plans: OrderedDict[_Request, Plan] = OrderedDict()

    @torch.inference_mode()
    def __call__(self, images: Sequence[UInt8Array], sizes: Sequence[Size],
                 kept: Sequence[int], *, min_confidence: float = 0.0,
                 want_confidence: bool = True, want_scores: bool = False) -> list[Masks]:
        """Segment some pictures as one batch, see :class:`.Backend`."""
        with torch.cuda.device(self.device.torch()):
            plan = self.plan([image.shape for image in images], sizes, kept,
                             min_confidence=min_confidence, want_confidence=want_confidence,
                             want_scores=want_scores)
            plan.run(images)
            torch.cuda.current_stream(self.device.torch()).synchronize()
        # Copies: the next frame of the same size overwrites the pinned buffers.
        masks = [mask.numpy().copy() for mask in plan.masks]
        scores = [None] * len(masks) if plan.scores is None else plan.scores.float().cpu().numpy()
        return [Masks(mask[0], mask[1] if want_confidence else None, one)
                for mask, one in zip(masks, scores)]

    def plan(self, shapes: Sequence[Sequence[int]], sizes: Sequence[Size],
             kept: Sequence[int], *, min_confidence: float = 0.0, want_confidence: bool = True,
             want_scores: bool = False) -> Plan:
        """
        Return the plan for pictures of some shapes, made and recorded at the first request.

        :param shapes: of the pictures, (H, W, 3) each.
        :param sizes: of each mask.
        :param kept: ids of the classes that may be predicted, ascending.
        :param min_confidence: pixels whose probability is below it become 255, unknown.
        :param want_confidence: whether the masks hold confidence.
        :param want_scores: whether the scores are kept.
        """
        request = _Request(tuple(map(tuple, shapes)), tuple(sizes), tuple(kept),
                           min_confidence, want_confidence, want_scores)
        plan = self._plans.pop(request, None)
        if plan is None:
            while len(self._plans) >= _MOST_PLANS:
                self._plans.popitem(last=False)
            plan = Plan(self, request)
        self._plans[request] = plan
        return plan

    def to_input(self, pictures: Sequence[torch.Tensor]) -> torch.Tensor:
        """
        Return the network's input for some pictures, in the engine's type.

        :param pictures: uint8 tensors H x W x 3, RGB; copies of pinned ones may be under way
            when this returns.
        :returns: tensor N x 3 x h x w on the GPU, in channels_last memory format.
        """
        device = self.device.torch()
        inputs = [self.operators.preprocess(
            picture.to(device, non_blocking=True), self._size, self._scale, self._offset,
            self.engine.dtype) for picture in pictures]
        return inputs[0] if len(inputs) == 1 else torch.cat(inputs)

    def preprocess(self, images: Sequence[UInt8Array]) -> torch.Tensor:
        """
        Return the network's input for some pictures, float32 tensor N x 3 x h x w.

        :param images: uint8 arrays H x W x 3, RGB, any strides; sizes may differ.
        """
        return self.to_input([torch.from_numpy(np.array(image)) for image in images]).float()

    def classify(self, scores: torch.Tensor, size: Size, kept: Sequence[int], *,
                 min_confidence: float = 0.0, want_confidence: bool = True
                 ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """
        Return class ids and confidence of one picture, uint8 tensors H x W on the GPU.

        :param scores: tensor C x h x w on the GPU.
        :param size: of the mask.
        :param kept: ids of the classes that may be predicted, ascending.
        :param min_confidence: pixels whose probability is below it become 255, unknown.
        :param want_confidence: whether confidence is wanted; else it is None.
        """
        masks = self.operators.classify(
            scores, torch.tensor(list(kept), device=scores.device), size,
            want_confidence=want_confidence, min_confidence=min_confidence,
            nearest=self.nearest)
        return masks[0], masks[1] if want_confidence else None
