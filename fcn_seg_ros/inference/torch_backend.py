"""The backend of PyTorch: tensors on any device, the reference for the others."""

from collections.abc import Sequence

import torch

from .interface import Engine, Masks
from .postprocess import classify
from .preprocess import Preprocessor
from .transfer import start_to_host, wait_for
from ..support.arrays import Size, UInt8Array

_Tensors = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]
"""Class ids, confidence and scores of a picture; None where they were not wanted."""


class TorchBackend:
    """
    Segment pictures where the engine is; for use by one thread at a time.

    :param engine: runs the network, tensors in and out.
    :param size: of the network's input.
    :param mean: per channel (R, G, B), in shares of full scale.
    :param std: per channel (R, G, B), in shares of full scale.
    :param nearest: take scores from the nearest cell of the grid instead of interpolating.
    """

    def __init__(self, engine: Engine, *, size: Size, mean: Sequence[float],
                 std: Sequence[float], nearest: bool = False) -> None:
        self.engine = engine
        self.device = engine.device
        self._nearest = nearest
        self._preprocessor = Preprocessor(size, mean, std, self.device.torch())
        self._kept: dict[tuple[int, ...], torch.Tensor] = {}

    @torch.inference_mode()
    def __call__(self, images: Sequence[UInt8Array], sizes: Sequence[Size],
                 kept: Sequence[int], *, min_confidence: float = 0.0,
                 want_confidence: bool = True, want_scores: bool = False) -> list[Masks]:
        """Segment some pictures as one batch, see :class:`.Backend`."""
        started = self.start(images, sizes, kept, min_confidence=min_confidence,
                             want_confidence=want_confidence, want_scores=want_scores)
        wait_for(self.device.torch())  # once for all of them
        return [Masks(ids.numpy(), *(None if part is None else part.numpy()
                                     for part in (confidence, scores)))
                for ids, confidence, scores in started]

    def start(self, images: Sequence[UInt8Array], sizes: Sequence[Size], kept: Sequence[int], *,
              min_confidence: float, want_confidence: bool, want_scores: bool
              ) -> list[_Tensors]:
        """
        Return what the call returns as tensors on their way to the CPU.

        Their content counts when the device's current stream is done.  Parameters are the
        call's.
        """
        scores = self.engine(self.preprocess(images))
        results = []
        for one, size in zip(scores, sizes):
            ids, confidence = self.classify(one, size, kept, min_confidence=min_confidence,
                                            want_confidence=want_confidence)
            results.append((
                start_to_host(ids), None if confidence is None else start_to_host(confidence),
                # A copy, since the engine's next result may overwrite this one.
                start_to_host(one.clone()) if want_scores else None))
        return results

    def preprocess(self, images: Sequence[UInt8Array]) -> torch.Tensor:
        """
        Return the network's input for some pictures, float32 tensor N x 3 x h x w.

        :param images: uint8 arrays H x W x 3, RGB, any strides; sizes may differ.
        """
        return self._preprocessor(images)

    def classify(self, scores: torch.Tensor, size: Size, kept: Sequence[int], *,
                 min_confidence: float = 0.0, want_confidence: bool = True
                 ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return class ids and confidence of one picture, see :func:`.postprocess.classify`."""
        return classify(scores, size, self._ids(tuple(kept)), want_confidence=want_confidence,
                        min_confidence=min_confidence, nearest=self._nearest)

    def _ids(self, kept: tuple[int, ...]) -> torch.Tensor:
        """Return class ids as a tensor on the device: they seldom change."""
        if kept not in self._kept:
            self._kept = {kept: torch.tensor(kept, device=self.device.torch())}
        return self._kept[kept]
