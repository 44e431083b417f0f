"""Optimiser, learning-rate schedule and the moving average of the weights."""

import math
from typing import Any

import torch
from torch import nn

from .recipe import Recipe


def make_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """
    Return AdamW or SGD; biases and batch norms (1-D parameters) do not decay.

    :param recipe: its section ``optimizer`` decides.
    :param model: what is trained.
    """
    groups: list[dict[str, Any]] = [
        {'params': [p for p in model.parameters() if p.ndim > 1],
         'weight_decay': recipe.weight_decay},
        {'params': [p for p in model.parameters() if p.ndim <= 1], 'weight_decay': 0.0},
    ]
    if recipe.optimizer == 'sgd':
        return torch.optim.SGD(groups, lr=recipe.rate, momentum=recipe.momentum, foreach=True)
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(recipe.momentum, 0.999), fused=True)


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """
    Return the learning rate of a step; a pure function, so nothing of it needs saving.

    - ``onecycle``: a cosine rise from rate / 10 over the share ``warmup`` of the steps,
      then a cosine fall to rate x ``final_rate`` (L. Smith, N. Topin, 2019).
    - ``poly``: a linear rise over the share ``warmup``, then rate x (1 - t)^0.9 down to
      rate x ``final_rate``.

    :param recipe: its section ``optimizer`` decides.
    :param step: number of the step, from 0.
    :param steps: number of steps of the run.
    """
    rise = recipe.warmup * steps
    peak, last = recipe.rate, recipe.rate * recipe.final_rate
    if step < rise:
        t = step / rise
        if recipe.schedule == 'onecycle':
            return peak / 10 + (peak - peak / 10) * (1 - math.cos(math.pi * t)) / 2
        return peak * (step + 1) / math.ceil(rise)
    t = (step - rise) / max(1.0, steps - 1 - rise)
    if recipe.schedule == 'onecycle':
        return last + (peak - last) * (1 + math.cos(math.pi * min(t, 1.0))) / 2
    return max(last, peak * max(0.0, 1 - t) ** 0.9)


class Average:
    """
    Exponential moving average of a model's parameters and batch-norm statistics.

    The decay grows with the steps, min(decay, (1 + n) / (10 + n)), so that the start
    is forgotten soon.

    :param model: the model that is trained.
    :param average: a model of the same shape that holds the average; it is updated in place.
    :param decay: highest decay, below 1.
    """

    def __init__(self, model: nn.Module, average: nn.Module, decay: float) -> None:
        self.decay = decay
        pairs = list(zip(average.state_dict().values(), model.state_dict().values()))
        self._to = [a for a, _ in pairs if a.is_floating_point()]
        self._from = [b for a, b in pairs if a.is_floating_point()]
        self._counters = [(a, b) for a, b in pairs if not a.is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """
        Take in the weights as they are now.

        :param step: number of steps that are done, from 1 on.
        """
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._to, self._from, 1 - decay)
        for a, b in self._counters:
            a.copy_(b)
