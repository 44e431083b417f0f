"""The training loss: weighted cross-entropy on interpolated scores, with an auxiliary head."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
import torch.nn.functional as F

from .datasets import IGNORE, Items
from ..errors import TrainingError
from ..networks.model import interpolate_scores

AUXILIARY_STRIDE = 4
"""The stride-32 head is so coarse that a loss at every fourth pixel teaches it the same."""

IOU_STRIDE = 2
"""IoU is a ratio of sums: every fourth pixel estimates it as well, at a quarter of the time."""


def class_frequencies(dataset: Items, num_classes: int) -> torch.Tensor:
    """
    Return each class's share of the labelled pixels, float tensor C.

    :param dataset: items (picture, labels).
    :param num_classes: number of classes C.
    """
    counts = torch.zeros(256, dtype=torch.long)
    for index in range(len(dataset)):
        counts += torch.bincount(dataset[index][1].flatten(), minlength=256)
    counts = counts[:num_classes].double()
    return (counts / counts.sum().clamp(min=1)).float()


def log_class_weights(frequencies: torch.Tensor) -> torch.Tensor:
    """
    Return weights 1 / log(1.1 + p), scaled so that the mean weight of a pixel is 1.

    After ENet's bounded weighting (A. Paszke et al., 2016), with 1.1 for its 1.02: a class
    is weighed up by at most 4 times what one that fills the picture gets.

    :param frequencies: shares p of the pixels, float tensor C.
    """
    weights = 1 / torch.log(1.1 + frequencies)
    return weights / (weights * frequencies).sum()


def class_weights(wanted: str | Sequence[float], dataset: Items, num_classes: int
                  ) -> torch.Tensor | None:
    """
    Return what a recipe weighs the classes with, float tensor C, or None for all alike.

    :param wanted: the recipe's ``class_weights``: 'none', 'log', or a number for each class.
    :param dataset: what is trained on, items (picture, labels).
    :param num_classes: number of classes C.
    :raises TrainingError: when there are more or fewer numbers than classes.
    """
    if wanted == 'none':
        return None
    if wanted == 'log':
        return log_class_weights(class_frequencies(dataset, num_classes))
    if len(wanted) != num_classes:
        raise TrainingError(f'{len(wanted)} class weights for {num_classes} classes')
    return torch.tensor(wanted)


def soft_iou_loss(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """
    Return 1 - the mean over the batch's classes of IoU with probabilities for masks.

    After M. Rahman, Y. Wang, "Optimizing Intersection-Over-Union in Deep Neural
    Networks for Image Segmentation", ISVC 2016: it weighs a rare class like a frequent
    one, and unlike class weights it punishes predicting it too often.

    :param scores: float tensor N x C x H x W.
    :param labels: int64 tensor N x H x W.
    """
    classes = scores.shape[1]
    valid = labels != IGNORE
    shares = scores.softmax(1) * valid[:, None]
    own = shares.gather(1, labels.where(valid, 0)[:, None])[:, 0][valid]
    hits = own.new_zeros(classes).index_add(0, labels[valid], own)
    pixels = torch.bincount(labels[valid], minlength=classes)
    unions = shares.sum((0, 2, 3)) + pixels - hits
    present = pixels > 0
    # Without labels: zero, but connected to the scores.
    return 1 - (hits / unions)[present].mean() if present.any() else shares.sum() * 0


class SegmentationLoss(nn.Module):
    """
    Cross-entropy of the decoder's scores plus ``auxiliary`` times that of the stride-32 head's.

    :param class_weights: float tensor C or None.
    :param label_smoothing: as in :func:`torch.nn.functional.cross_entropy`.
    :param auxiliary: weight of the stride-32 head's loss.
    :param ohem: share of the labelled pixels, those of the highest loss, that counts
        (online hard example mining, A. Shrivastava et al., CVPR 2016); 0 = all.
    :param iou: weight of :func:`soft_iou_loss` of the decoder's scores.
    """

    class_weights: torch.Tensor | None

    def __init__(self, class_weights: torch.Tensor | None = None, label_smoothing: float = 0.0,
                 auxiliary: float = 0.4, ohem: float = 0.0, iou: float = 0.0) -> None:
        super().__init__()
        self.register_buffer('class_weights', class_weights, persistent=False)
        self.label_smoothing, self.auxiliary = label_smoothing, auxiliary
        self.ohem, self.iou = ohem, iou

    def forward(self, scores: torch.Tensor, scores32: torch.Tensor | None, labels: torch.Tensor
                ) -> torch.Tensor:
        """
        Return the loss, a scalar.

        :param scores: float tensor N x C x h x w.
        :param scores32: the stride-32 head's; the same tensor, or None, if there is no other head.
        :param labels: uint8 or int64 tensor N x H x W.
        """
        labels = labels.long()
        # Contiguous scores interpolate and their gradient scatters twice as fast on the CPU.
        height, width = labels.shape[-2:]
        full = interpolate_scores(scores.float().contiguous(), (height, width))
        loss = self._cross_entropy(full, labels, self.ohem)
        if self.iou:
            s = IOU_STRIDE
            loss = loss + self.iou * soft_iou_loss(full[..., ::s, ::s], labels[..., ::s, ::s])
        if scores32 is not None and scores32 is not scores and self.auxiliary:
            s = AUXILIARY_STRIDE
            coarse = labels[:, s // 2::s, s // 2::s]
            height, width = coarse.shape[-2:]
            small = interpolate_scores(scores32.float().contiguous(), (height, width))
            loss = loss + self.auxiliary * self._cross_entropy(small, coarse, 0.0)
        return loss

    def _cross_entropy(self, scores: torch.Tensor, labels: torch.Tensor, ohem: float
                       ) -> torch.Tensor:
        options: dict[str, Any] = {
            'weight': self.class_weights, 'ignore_index': IGNORE,
            'label_smoothing': self.label_smoothing}
        if not ohem:
            # A batch with no labelled pixel has no mean: count it as zero, not NaN.
            total = F.cross_entropy(scores, labels, reduction='sum', **options)
            return total / self._pixels(labels)
        losses = F.cross_entropy(scores, labels, reduction='none', **options).flatten()
        valid = losses[labels.flatten() != IGNORE]
        return valid.topk(max(1, round(ohem * len(valid)))).values.mean() if len(valid) \
            else losses.sum()

    def _pixels(self, labels: torch.Tensor) -> torch.Tensor:
        """Return the weighted number of labelled pixels, at least 1."""
        valid = labels != IGNORE
        if self.class_weights is None:
            return valid.sum().clamp(min=1)
        return self.class_weights[labels[valid]].sum().clamp(min=1)
