"""What a teacher says of a picture, with or without labels: soft labels and features."""

import torch
from torch import nn
import torch.nn.functional as F

from .datasets import IGNORE
from .recipe import Recipe
from .student import imitated, imitation_loss
from .teacher import load_teacher, Teacher
from ..errors import TrainingError
from ..networks.classes import ClassSet
from ..networks.model import interpolate_scores


def soft_label_loss(scores: torch.Tensor, targets: torch.Tensor, temperature: float = 2.0,
                    counts: torch.Tensor | None = None) -> torch.Tensor:
    """
    Return the Kullback-Leibler divergence of a student from its teacher, mean of the pixels.

    After G. Hinton et al., "Distilling the Knowledge in a Neural Network", 2015: both are
    softened by the temperature, and its square keeps the gradient's size.

    :param scores: the student's, float tensor N x C x h x w.
    :param targets: the teacher's, float tensor N x C x H x W; the student's are interpolated
        to this grid.
    :param temperature: above 0; 1 leaves the probabilities as they are.
    :param counts: bool tensor N x H x W, the pixels that count (default: all); the others
        add nothing to the sum, of which the mean over all pixels is taken.
    :returns: scalar, 0 where both agree.
    """
    height, width = targets.shape[-2:]
    full = interpolate_scores(scores.float().contiguous(), (height, width))
    own = F.log_softmax(full / temperature, 1)
    wanted = F.log_softmax(targets.float() / temperature, 1)
    divergence = F.kl_div(own, wanted, reduction='none', log_target=True).sum(1)
    if counts is not None:
        divergence = divergence * counts
    return temperature ** 2 * divergence.mean()


def taught_pixels(targets: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """
    Tell where a teacher is to be followed: where it is right, and where nobody has labelled.

    Elsewhere the labels know better.  Followed everywhere, a teacher that misses bicycles
    makes the student forget them.

    :param targets: the teacher's scores, float tensor N x C x H x W.
    :param labels: uint8 tensor N x h x w, IGNORE where there is no class; the nearest
        label of each of the teacher's cells is taken.
    :returns: bool tensor N x H x W.
    """
    nearest = F.interpolate(labels[:, None], targets.shape[-2:], mode='nearest-exact')[:, 0]
    return (nearest == IGNORE) | (nearest == targets.argmax(1))


class Distillation(nn.Module):
    """
    A frozen teacher and the loss that it gives a student.

    :param teacher: it is put into eval mode and its weights are frozen.
    :param weight: factor of :func:`soft_label_loss`; 0 leaves it out.
    :param temperature: see there.
    :param imitate: factor of :func:`.student.imitation_loss`; 0 leaves it out.
    """

    def __init__(self, teacher: Teacher, weight: float = 1.0, temperature: float = 2.0,
                 imitate: float = 0.0) -> None:
        super().__init__()
        self.teacher = teacher.eval().requires_grad_(False)
        self.weight, self.temperature, self.imitate = weight, temperature, imitate

    def train(self, mode: bool = True) -> 'Distillation':
        """
        Leave the teacher in eval mode: its batch norms must not follow the student's data.

        :param mode: not followed.
        """
        return super().train(False)

    def forward(self, scores: torch.Tensor, projected: list[torch.Tensor], batch: torch.Tensor,
                labels: torch.Tensor) -> torch.Tensor:
        """
        Return the loss, a scalar: soft labels of the pixels that :func:`taught_pixels` names.

        Features are imitated everywhere: what a label is about is no part of them.

        :param scores: the student's, float tensor N x C x h x w.
        :param projected: its features as of :class:`.student.Student`; nothing where they
            are not to be imitated.
        :param batch: the pictures that it saw, float tensor N x 3 x H x W, normalised RGB.
        :param labels: theirs, uint8 tensor N x H x W, IGNORE where there is no class.
        """
        loss = scores.new_zeros((), dtype=torch.float32)
        with torch.no_grad():
            features = self.teacher.features(batch)
        if self.weight:
            with torch.no_grad():
                targets = self.teacher.decode(features)
                counts = taught_pixels(targets, labels)
            loss = loss + self.weight * soft_label_loss(
                scores, targets, self.temperature, counts)
        if self.imitate:
            loss = loss + self.imitate * imitation_loss(projected, imitated(features))
        return loss


def load_distillation(recipe: Recipe, classes: ClassSet) -> Distillation:
    """
    Return what a recipe's teacher adds to the loss.

    :param recipe: which teacher, and how much it counts.
    :param classes: of the data.
    :raises TrainingError: when the teacher knows other classes, or them in another order.
    :raises FcnSegError: when it cannot be had.
    """
    _, teacher, known, path = load_teacher(recipe.teacher)
    if known.labels != classes.labels:
        raise TrainingError(f'the teacher {path} knows {", ".join(known.labels)}, the data '
                            f'{", ".join(classes.labels)}: they must be the same '
                            'classes in the same order')
    return Distillation(teacher, recipe.distill, recipe.temperature, recipe.imitate)
