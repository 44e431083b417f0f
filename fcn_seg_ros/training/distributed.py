"""Several processes: what ``torchrun`` sets up, and the same calls when there is only one."""

from dataclasses import dataclass
import os
from typing import TypeVar

import torch
from torch import distributed, nn

from ..errors import TrainingError
from ..inference.engines import resolve_device

ValueT = TypeVar('ValueT')


@dataclass(frozen=True)
class Processes:
    """
    This process among those of a training run.

    :param rank: number of this process.
    :param world: number of processes.
    :param device: torch device of this process.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Tell whether this is the one process that writes files and talks."""
        return self.rank == 0

    def add_up(self, tensor: torch.Tensor) -> torch.Tensor:
        """
        Add up a tensor over the processes, in place.

        :param tensor: of one shape and dtype in all processes, on this process's device.
        :returns: the same tensor.
        """
        if self.world > 1:
            distributed.all_reduce(tensor)
        return tensor

    def gather(self, value: ValueT) -> list[ValueT]:
        """
        Return the values of all processes, in the order of their ranks.

        :param value: this process's, anything that can be pickled.
        """
        values = [value] * self.world
        if self.world == 1:
            return values
        distributed.all_gather_object(values, value)
        return values

    def share(self, module: nn.Module) -> None:
        """
        Give every process the main one's parameters and buffers.

        :param module: of the same shape in all processes; changed in place.
        """
        if self.world > 1:
            for tensor in module.state_dict().values():
                distributed.broadcast(tensor, 0)

    def wait(self) -> None:
        """Wait for all processes."""
        if self.world > 1:
            distributed.barrier()

    def close(self) -> None:
        """Leave the group."""
        if self.world > 1:
            distributed.destroy_process_group()


def join_processes(device: str = 'auto') -> Processes:
    """
    Return this process's :class:`Processes`, joining the group that torchrun announces.

    :param device: 'auto' (CUDA if there is some), 'cpu', 'cuda' or 'cuda:N'.  Of several
        processes each takes the GPU of its own number.
    :raises DeviceError: for another name, or a GPU that is not there.
    :raises TrainingError: when several processes are told to use one GPU.
    """
    rank, world = int(os.environ.get('RANK', 0)), int(os.environ.get('WORLD_SIZE', 1))
    chosen = resolve_device(device).torch()
    if world > 1 and ':' in device:
        raise TrainingError(f"{world} processes cannot share '{device}': use --device cuda, each "
                            'takes a GPU of its own')
    if chosen.type == 'cuda':
        if world > 1:
            chosen = torch.device('cuda', int(os.environ.get('LOCAL_RANK', 0)))
        torch.cuda.set_device(chosen)
    if world > 1:
        distributed.init_process_group('nccl' if chosen.type == 'cuda' else 'gloo')
    return Processes(rank, world, chosen)
