"""Pictures in, class ids and confidence out, on an NVIDIA GPU: everything but the drawing."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .capture import Recording
from .operators import find_operators, Operators
from ...support.arrays import UInt8Array

_MOST_PLANS = 8
"""Sets of cameras and settings whose buffers and graphs are kept; the oldest go first."""

Forward = Callable[[torch.Tensor], torch.Tensor]
"""Runs the network: batch N x 3 x h x w to scores N x C x h' x w', on the current stream."""

Masks = tuple[UInt8Array, UInt8Array | None]
"""Class ids and confidence of a picture, H x W each; the latter None where not wanted."""


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
    sizes: tuple[tuple[int, int], ...]
    want_confidence: bool
    min_confidence: float
    kept: tuple[int, ...]


class _Plan:
    """
    A frame's way over the GPU and back, for pictures of given sizes.

    Page-locked (pinned) buffers are kept: only from and to these the GPU copies while the
    processor goes on.  Where it may, all of it is one CUDA graph: a frame is one launch.
    """

    def __init__(self, backend: 'CudaBackend', request: _Request) -> None:
        self._backend = backend
        self._request = request
        layers = 2 if request.want_confidence else 1
        self.pictures = [pinned(shape) for shape in request.shapes]
        self.masks = [pinned((layers, *size)) for size in request.sizes]
        self._kept = torch.tensor(request.kept, device=backend.device)
        self._recording = (Recording(self._work, backend.device, backend.pool)
                           if backend.records else None)

    def run(self, pictures: Sequence[UInt8Array]) -> None:
        """Start to fill :attr:`masks`; they count when the current stream is done."""
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
        inputs = [backend.operators.preprocess(
            buffer.to(backend.device, non_blocking=True), backend.size, backend.scale,
            backend.offset, backend.dtype) for buffer in self.pictures]
        scores = backend.forward(inputs[0] if len(inputs) == 1 else torch.cat(inputs))
        for one, size, masks in zip(scores, request.sizes, self.masks):
            masks.copy_(backend.operators.classify(
                one, self._kept, size, want_confidence=request.want_confidence,
                min_confidence=request.min_confidence, nearest=backend.nearest),
                non_blocking=True)


class CudaBackend:
    """
    Segment pictures on a GPU; for use by one thread at a time.

    :param forward: runs the network on the GPU; what it is given is overwritten by the next
        frame, and what it returns is read before.
    :param device: the GPU.
    :param size: (height, width) of the network's input, pixels.
    :param mean: per channel (R, G, B), in shares of full scale.
    :param std: per channel (R, G, B), in shares of full scale.
    :param dtype: what ``forward`` takes, float32 or float16.
    :param nearest: take scores from the nearest cell instead of interpolating.
    :param records: whether ``forward`` may be recorded in a CUDA graph.
    :param operators: the steps around the network; None takes the fastest that run.
    """

    def __init__(self, forward: Forward, *, device: torch.device, size: tuple[int, int],
                 mean: Sequence[float], std: Sequence[float],
                 dtype: torch.dtype = torch.float16, nearest: bool = False,
                 records: bool = True, operators: Operators | None = None) -> None:
        self.forward = forward
        self.device = device
        self.size = size
        self.scale = [1 / (255 * value) for value in std]
        self.offset = [-value / deviation for value, deviation in zip(mean, std)]
        self.dtype = dtype
        self.nearest = nearest
        self.records = records
        self.operators = operators or find_operators(device)
        self.pool = torch.cuda.graph_pool_handle() if records else None
        self._plans: OrderedDict[_Request, _Plan] = OrderedDict()

    @torch.inference_mode()
    def __call__(self, images: Sequence[UInt8Array], sizes: Sequence[tuple[int, int]],
                 kept: Sequence[int], *, min_confidence: float = 0.0,
                 want_confidence: bool = True) -> list[Masks]:
        """
        Return the masks of some pictures, segmented as one batch.

        :param images: uint8 arrays H x W x 3, RGB, any strides; sizes may differ.
        :param sizes: (height, width) of each mask, pixels.
        :param kept: ids of the classes that may be predicted, ascending.
        :param min_confidence: pixels whose probability is below it become 255, unknown.
        :param want_confidence: whether confidence is wanted.
        """
        with torch.cuda.device(self.device):
            plan = self.plan([image.shape for image in images], sizes, kept,
                             min_confidence=min_confidence, want_confidence=want_confidence)
            plan.run(images)
            torch.cuda.current_stream(self.device).synchronize()
        # Copies: the next frame of the same size overwrites the pinned buffers.
        masks = [mask.numpy().copy() for mask in plan.masks]
        return [(mask[0], mask[1] if want_confidence else None) for mask in masks]

    def plan(self, shapes: Sequence[Sequence[int]], sizes: Sequence[tuple[int, int]],
             kept: Sequence[int], *, min_confidence: float, want_confidence: bool) -> _Plan:
        """
        Return the plan for pictures of some shapes, made and recorded at the first request.

        :param shapes: of the pictures, (H, W, 3) each.
        :param sizes: (height, width) of each mask, pixels.
        :param kept: ids of the classes that may be predicted, ascending.
        :param min_confidence: the threshold that the masks are made with.
        :param want_confidence: whether the masks hold confidence.
        """
        request = _Request(tuple(map(tuple, shapes)), tuple(sizes), want_confidence,
                           min_confidence, tuple(kept))
        plan = self._plans.pop(request, None)
        if plan is None:
            while len(self._plans) >= _MOST_PLANS:
                self._plans.popitem(last=False)
            plan = _Plan(self, request)
        self._plans[request] = plan
        return plan
