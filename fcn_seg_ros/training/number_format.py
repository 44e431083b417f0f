"""In which numbers a network is trained: the recipe's, where the device computes in them."""

import logging

import torch

from .recipe import Recipe
from ..inference.engines import computes_bf16

_log = logging.getLogger(__name__)

_DTYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16}


def recipe_autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """
    Return the context in which the network computes in the recipe's number format.

    :param recipe: its key ``amp``.
    :param device: where the network is; see :func:`what_hinders`.
    """
    enabled = recipe.amp != 'none' and not what_hinders(recipe, device)
    return torch.autocast(device.type, _DTYPES[recipe.amp] if enabled else None, enabled=enabled)


def what_hinders(recipe: Recipe, device: torch.device) -> str:
    """
    Return why a device does not compute in the recipe's number format, but in fp32; '' if it does.

    A CPU that emulates bf16 takes 11 times as long for a step as for one in fp32 (AMD, AVX2).

    :param recipe: its key ``amp``.
    :param device: where the network is.
    """
    if device.type != 'cpu':
        return ''
    if recipe.amp == 'fp16':
        return 'fp16 is for GPUs'
    if recipe.amp == 'bf16' and not computes_bf16():
        return 'this CPU does not compute in bf16, and emulates it slowly'
    return ''


def say_if_fp32(recipe: Recipe, device: torch.device, *, say: bool = True) -> None:
    """
    Log a line where :func:`what_hinders` finds something.

    :param recipe: its key ``amp``.
    :param device: where the network is.
    :param say: whether this process logs: one of several does.
    """
    reason = what_hinders(recipe, device)
    if reason and say:
        _log.info('training in fp32, not in %s as the recipe says: %s', recipe.amp, reason)
