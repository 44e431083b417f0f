"""
Class scores to class ids and confidence at the mask's size.

Scores, not labels, are interpolated (bilinear, ``align_corners=False``), so class
borders are smooth and no class appears between two others.  The full-size score
volume is never held: it is made and reduced in slabs of rows.

:func:`classify` does it in torch on any device; ``kernels.classify`` does the same on the
CPU several times faster, where the compiled library is installed.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ..networks.classes import UNKNOWN

_SLAB_VALUES = 1 << 20
"""Interpolated scores held at a time on the CPU: 4 MB, near the size of its caches."""


def classify(scores: torch.Tensor, size: Sequence[int], kept: torch.Tensor, *,
             want_confidence: bool = True, min_confidence: float = 0.0, nearest: bool = False
             ) -> tuple[torch.Tensor, torch.Tensor | None]:
    """
    Return the winning class and its probability for every pixel of the mask.

    :param scores: float32 tensor C x h x w, class scores of one picture.
    :param size: (height, width) of the mask, pixels.
    :param kept: int64 tensor of the class ids that may be predicted, ascending; the
        others are left out before the softmax.
    :param want_confidence: whether the second result is wanted.
    :param min_confidence: pixels whose probability is below it become :data:`UNKNOWN`.
    :param nearest: take each pixel's scores from the nearest cell of the grid instead
        of interpolating (what jetson-inference calls the point filter).
    :returns: uint8 tensors H x W on the scores' device: class ids, and the probability
        x 255 (None unless asked for).
    """
    height, width = size
    if len(kept) != len(scores):
        scores = scores.index_select(0, kept)
    rows = height
    if scores.device.type == 'cpu':
        rows = max(1, _SLAB_VALUES // (len(scores) * width))
    class_ids = torch.empty((height, width), dtype=torch.uint8, device=scores.device)
    confidence = torch.empty_like(class_ids) if want_confidence else None
    lut = kept.to(torch.uint8)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        slab = _resample_rows(scores, height, top, bottom, nearest)
        slab = F.interpolate(slab[None], size=(bottom - top, width),
                             **({'mode': 'nearest-exact'} if nearest else
                                {'mode': 'bilinear', 'align_corners': False}))[0]
        best, index = slab.max(dim=0)
        winner = lut[index]
        if want_confidence or min_confidence > 0:
            probability = slab.sub_(best).exp_().sum(dim=0).reciprocal_()
            if min_confidence > 0:
                winner[probability < min_confidence] = UNKNOWN
            if confidence is not None:
                confidence[top:bottom] = probability.mul_(255).round_().to(torch.uint8)
        class_ids[top:bottom] = winner
    return class_ids, confidence


def _resample_rows(scores: torch.Tensor, height: int, top: int, bottom: int, nearest: bool
                   ) -> torch.Tensor:
    """Interpolate C x h x w vertically for rows top to bottom of ``height``, as F.interpolate."""
    cells = scores.shape[1]
    row = torch.arange(top, bottom, device=scores.device, dtype=torch.float32)
    source = (row + 0.5) * (cells / height)
    if nearest:
        return scores[:, source.long().clamp_(max=cells - 1)]
    source = (source - 0.5).clamp_(min=0)
    above = source.long().clamp_(max=cells - 1)
    below = (above + 1).clamp_(max=cells - 1)
    share = (source - above).view(-1, 1)
    return torch.lerp(scores[:, above], scores[:, below], share)
