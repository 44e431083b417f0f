"""How much a network computes: multiply-accumulates and parameters."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from .teacher import TEACHER, Teacher, Trainable
from ..networks.model import FCNResNet18
from ..support.arrays import Size


def count_macs(num_classes: int, decoder: str, size: Size) -> int:
    """
    Return the multiply-accumulates of one picture through the network.

    Convolutions are counted, as the papers do; interpolating the scores is not part of
    the network.  PyTorch's counter counts two operations for each.

    :param num_classes: number of classes C.
    :param decoder: a key of ``decoders.DECODERS``, or ``teacher.TEACHER``.
    :param size: of the input, pixels.
    """
    # On the meta device shapes are computed, not values: this takes milliseconds.
    with torch.device('meta'):
        model = _network(num_classes, decoder).eval()
        picture = torch.empty(1, 3, *size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(picture)
    return int(counter.get_total_flops()) // 2


def count_parameters(num_classes: int, decoder: str) -> int:
    """
    Return the number of weights that training changes.

    :param num_classes: number of classes C.
    :param decoder: a key of ``decoders.DECODERS``, or ``teacher.TEACHER``.
    """
    with torch.device('meta'):
        model = _network(num_classes, decoder)
    return sum(p.numel() for p in model.parameters())


def _network(num_classes: int, decoder: str) -> Trainable:
    if decoder == TEACHER:
        return Teacher(num_classes)
    return FCNResNet18(num_classes, decoder)
