"""How long a run will take, from a few steps that leave no trace."""

from copy import deepcopy
import time

import torch

from .distillation import Distillation
from .loader import TrainingSet
from .losses import SegmentationLoss
from .number_format import recipe_autocast
from .recipe import Recipe
from .student import Student

_STEPS = 2
"""Steps that are timed, after one that warms up."""

_ITEMS = 3
"""Augmented pictures that are timed."""


def seconds_per_step(recipe: Recipe, model: Student, loss: SegmentationLoss,
                     items: TrainingSet, device: torch.device, batch: int,
                     distillation: Distillation | None = None) -> float:
    """
    Return about how long a training step takes.

    Forward and backward pass of a copy of the model on noise, and the augmentation of some
    pictures, are timed; the generators of random numbers are left as they were.

    :param recipe: size of a crop, number format, loader processes.
    :param model: what is trained.
    :param loss: the training loss.
    :param items: augmented pictures.
    :param device: where the model is.
    :param batch: pictures per step of this process.
    :param distillation: what a teacher adds to the loss, if there is one.
    """
    begin = time.perf_counter()
    for index in range(_ITEMS):
        items[index % len(items), index]
    loading = (time.perf_counter() - begin) / _ITEMS * batch
    devices = [device] if device.type == 'cuda' else []
    with torch.random.fork_rng(devices=devices):
        copy = deepcopy(model).train()
        images = torch.rand(batch, 3, *recipe.crop, device=device)
        images = images.contiguous(memory_format=torch.channels_last)
        labels = torch.zeros(batch, *recipe.crop, dtype=torch.uint8, device=device)
        for step in range(_STEPS + 1):
            if step == 1:
                _wait_for(device)
                begin = time.perf_counter()
            with recipe_autocast(recipe, device):
                scores, projected = copy(images)
                taught = distillation(scores[0], projected, images, labels) \
                    if distillation else 0.0
            (loss(*scores, labels) + taught).backward()
        _wait_for(device)
        computing = (time.perf_counter() - begin) / _STEPS
    # Loader processes work while the network does.
    return max(computing, loading / recipe.workers) if recipe.workers else computing + loading


def in_words(seconds: float) -> str:
    """
    Return a duration for people.

    :param seconds: such as 4000, which is '1 h 7 min'.
    """
    minutes = round(seconds / 60)
    if minutes < 1:
        return 'less than a minute'
    return f'{minutes // 60} h {minutes % 60} min' if minutes >= 60 else f'{minutes} min'


def _wait_for(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
