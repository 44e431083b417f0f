"""The backend of CPUs without the compiled kernels: PyTorch, the reference for the others."""

from collections.abc import Sequence

import torch

from .interface import Engine, Masks
from .postprocess import classify
from .preprocess import Preprocessor
from ..support.arrays import Size, UInt8Array


class TorchBackend:
    """
    Segment pictures on a CPU; for use by one thread at a time.

    :param engine: runs the network on the CPU, tensors in and out.
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
        self._preprocessor = Preprocessor(size, mean, std)

    @torch.inference_mode()
    def __call__(self, images: Sequence[UInt8Array], sizes: Sequence[Size],
                 kept: Sequence[int], *, min_confidence: float = 0.0,
                 want_confidence: bool = True, want_scores: bool = False) -> list[Masks]:
        """Segment some pictures as one batch, see :class:`.Backend`."""
        scores = self.engine(self.preprocess(images))
        results = []
        for one, size in zip(scores, sizes):
            ids, confidence = self.classify(one, size, kept, min_confidence=min_confidence,
                                            want_confidence=want_confidence)
            results.append(Masks(ids.numpy(), None if confidence is None else confidence.numpy(),
                                 one.numpy() if want_scores else None))
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
        return classify(scores, size, torch.tensor(kept), want_confidence=want_confidence,
                        min_confidence=min_confidence, nearest=self._nearest)
