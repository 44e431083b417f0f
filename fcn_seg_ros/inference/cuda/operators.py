"""
What happens to a picture on the GPU before and after the network, with and without Triton.

Triton's kernels take one launch each.  PyTorch's operators do the same in some dozens, where
there is no Triton (it comes with PyTorch's CUDA wheels) or it cannot compile: it needs a C
compiler and Python's headers to start its kernels.
"""

from collections.abc import Sequence
import logging
from typing import Protocol

import torch
import torch.nn.functional as F

from ..postprocess import classify

_log = logging.getLogger(__name__)


class Operators(Protocol):
    """The two steps around the network, see :mod:`.kernels` for arguments and results."""

    def preprocess(self, pixels: torch.Tensor, size: tuple[int, int], scale: Sequence[float],
                   offset: Sequence[float], dtype: torch.dtype) -> torch.Tensor:
        """Return the network's input for a picture, 1 x 3 x h x w."""

    def classify(self, scores: torch.Tensor, kept: torch.Tensor, size: tuple[int, int], *,
                 want_confidence: bool = True, min_confidence: float = 0.0,
                 nearest: bool = False) -> torch.Tensor:
        """Return class ids and, if wanted, confidence, 2 or 1 x H x W."""


class TorchOperators:
    """The steps with PyTorch's own operators."""

    def preprocess(self, pixels: torch.Tensor, size: tuple[int, int], scale: Sequence[float],
                   offset: Sequence[float], dtype: torch.dtype) -> torch.Tensor:
        """
        Stretch a picture and normalise it, as :func:`.kernels.preprocess` does.

        :param pixels: uint8 tensor H x W x 3, RGB, any strides.
        :param size: (height, width) of the network's input, pixels.
        :param scale: what a grey level is multiplied by, per channel.
        :param offset: what is added then, per channel.
        :param dtype: float32 or float16.
        :returns: tensor 1 x 3 x h x w in channels_last memory format.
        """
        planes = pixels.permute(2, 0, 1)[None].float()
        if planes.shape[2:] != tuple(size):
            planes = F.interpolate(planes, size=tuple(size), mode='bilinear', antialias=True)
            planes = planes.round_().clamp_(0, 255)
        factor = torch.tensor(scale, device=pixels.device).view(1, 3, 1, 1)
        summand = torch.tensor(offset, device=pixels.device).view(1, 3, 1, 1)
        return torch.addcmul(summand, planes, factor).to(
            dtype, memory_format=torch.channels_last)

    def classify(self, scores: torch.Tensor, kept: torch.Tensor, size: tuple[int, int], *,
                 want_confidence: bool = True, min_confidence: float = 0.0,
                 nearest: bool = False) -> torch.Tensor:
        """
        Return the best class of each pixel, as :func:`.kernels.classify` does.

        :param scores: float32 or float16 tensor C x h x w.
        :param kept: int64 tensor of the class ids that may be predicted, ascending.
        :param size: (height, width) of the mask, pixels.
        :param want_confidence: whether the probabilities are wanted as well.
        :param min_confidence: pixels whose probability is below it become 255, unknown.
        :param nearest: take each pixel's scores from the nearest cell.
        :returns: uint8 tensor 2 x H x W, or 1 x H x W without confidence.
        """
        ids, confidence = classify(scores.float(), size, kept, nearest=nearest,
                                   want_confidence=want_confidence,
                                   min_confidence=min_confidence)
        return torch.stack([ids] if confidence is None else [ids, confidence])


def find_operators(device: torch.device) -> Operators:
    """
    Return Triton's kernels where they run on a GPU, else PyTorch's operators.

    Tries the kernels once, which also compiles them before the first frame comes; says in the
    log why they cannot be used.

    :param device: the GPU.
    """
    try:
        from . import kernels
        with torch.cuda.device(device):
            kernels.preprocess(torch.zeros(2, 2, 3, dtype=torch.uint8, device=device), (2, 2),
                               (1.0,) * 3, (0.0,) * 3, torch.float16)
            kernels.classify(torch.zeros(1, 2, 2, dtype=torch.float16, device=device),
                             torch.zeros(1, dtype=torch.int64, device=device), (2, 2))
            torch.cuda.synchronize(device)
    except Exception as error:  # Triton raises whatever its compiler and its driver raise
        reason = (str(error).splitlines() or [''])[0] or type(error).__name__
        _log.warning("Triton's GPU kernels cannot be used (%s): pre- and post-processing take "
                     'several times as long', reason)
        return TorchOperators()
    return kernels
