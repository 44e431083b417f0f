"""Optimiser, learning-rate schedule and the moving average of the weights."""

import math

import torch


def make_optimizer(recipe, model):
    """Return AdamW or SGD; biases and batch norms (1-D parameters) do not decay."""
    groups = [
        {'params': [p for p in model.parameters() if p.ndim > 1],
         'weight_decay': recipe.weight_decay},
        {'params': [p for p in model.parameters() if p.ndim <= 1], 'weight_decay': 0.0},
    ]
    if recipe.optimizer == 'sgd':
        return torch.optim.SGD(groups, lr=recipe.rate, momentum=recipe.momentum, foreach=True)
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(recipe.momentum, 0.999), fused=True)


def learning_rate(recipe, step, steps):
    """
    Return the learning rate of a step; a pure function, so nothing of it needs saving.

    - ``onecycle``: a cosine rise from rate / 10 over the share ``warmup`` of the steps,
      then a cosine fall to rate x ``final_rate`` (L. Smith, N. Topin, 2019).
    - ``poly``: a linear rise over the share ``warmup``, then rate x (1 - t)^0.9 down to
      rate x ``final_rate``.

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

    def __init__(self, model, average, decay):
        self.decay = decay
        pairs = list(zip(average.state_dict().values(), model.state_dict().values()))
        self._to = [a for a, _ in pairs if a.is_floating_point()]
        self._from = [b for a, b in pairs if a.is_floating_point()]
        self._counters = [(a, b) for a, b in pairs if not a.is_floating_point()]

    @torch.no_grad()
    def update(self, step):
        """Take in the weights after ``step`` (from 1) steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._to, self._from, 1 - decay)
        for a, b in self._counters:
            a.copy_(b)
