"""A network as a training step sees it: its scores, and its features in a teacher's terms."""

from typing import TypeAlias

import torch
from torch import nn
import torch.nn.functional as F

from .teacher import Trainable

Heads: TypeAlias = tuple[torch.Tensor, torch.Tensor | None]
"""The scores of the decoder and of the head at stride 32, if there is one."""


class Student(nn.Module):
    """
    What is trained: a network, and a projection of its features for each of the teacher's.

    The projections are convolutions of one cell; they are of use in training alone.  One
    module holds both, as DistributedDataParallel knows nothing but ``forward``.

    :param model: the network.
    :param teacher: whose features at strides 4, 8, 16 and 32 it imitates, or None.
    """

    def __init__(self, model: Trainable, teacher: Trainable | None = None) -> None:
        super().__init__()
        self.model = model
        pairs = zip(_channels(model), _channels(teacher)) if teacher else ()
        self.projections = nn.ModuleList(nn.Conv2d(own, wanted, 1) for own, wanted in pairs)

    def forward(self, batch: torch.Tensor) -> tuple[Heads, list[torch.Tensor]]:
        """
        Score a batch; the projected features come with it, from stride 4 on.

        :param batch: float tensor N x 3 x H x W, normalised RGB.
        """
        if not self.projections:
            return self.model.forward_all(batch), []
        features = self.model.features(batch)
        projected = [projection(feature) for projection, feature
                     in zip(self.projections, imitated(features))]
        return self.model.score_all(features), projected


def imitated(features: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """
    Return those features, of a student or its teacher, that are imitated: from stride 4 on.

    :param features: at strides 2, 4, 8, 16 and 32.
    """
    return features[1:]


def imitation_loss(projected: list[torch.Tensor], wanted: tuple[torch.Tensor, ...]
                   ) -> torch.Tensor:
    """
    Return how far features are from those of a teacher: 0 where they say the same.

    It is 1 - r, r being Pearson's correlation over the cells of a batch, mean of the channels and
    strides; so the features' own scale and offset do not matter.  After W. Cao et al.,
    "PKD: General Distillation Framework for Object Detectors via Pearson Correlation
    Coefficient", NeurIPS 2022, whose loss is this for pairs of feature maps.

    :param projected: float tensors N x K x h x w, one for each stride.
    :param wanted: the teacher's, of the same shapes.
    :returns: scalar, 0 to 2.
    """
    distances = [F.mse_loss(_standardised(own), _standardised(target)) / 2
                 for own, target in zip(projected, wanted, strict=True)]
    return torch.stack(distances).mean()


def _standardised(feature: torch.Tensor) -> torch.Tensor:
    """Return each channel with mean 0 and variance 1 over the batch."""
    return F.batch_norm(feature.float(), None, None, training=True)


def _channels(network: Trainable) -> list[int]:
    with torch.no_grad():
        mode = network.training
        features = imitated(network.eval().features(torch.zeros(1, 3, 64, 64)))
        network.train(mode)
    return [feature.shape[1] for feature in features]
