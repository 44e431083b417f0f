"""Several processes: what ``torchrun`` sets up, and the same calls when there is only one."""

from dataclasses import dataclass
import os

import torch
from torch import distributed


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
    def is_main(self):
        """Tell whether this is the one process that writes files and talks."""
        return self.rank == 0

    def add_up(self, tensor):
        """Add up a tensor over the processes, in place; return it."""
        if self.world > 1:
            distributed.all_reduce(tensor)
        return tensor

    def gather(self, value):
        """Return the values of all processes, in the order of their ranks."""
        if self.world == 1:
            return [value]
        values = [None] * self.world
        distributed.all_gather_object(values, value)
        return values

    def share(self, module):
        """Give every process the main one's parameters and buffers of a module."""
        if self.world > 1:
            for tensor in module.state_dict().values():
                distributed.broadcast(tensor, 0)

    def wait(self):
        """Wait for all processes."""
        if self.world > 1:
            distributed.barrier()

    def close(self):
        """Leave the group."""
        if self.world > 1:
            distributed.destroy_process_group()


def join_processes(device='auto'):
    """
    Return this process's :class:`Processes`, joining the group that torchrun announces.

    :param device: 'auto' (CUDA if there is some), 'cpu' or 'cuda'.
    """
    rank, world = int(os.environ.get('RANK', 0)), int(os.environ.get('WORLD_SIZE', 1))
    use_cuda = torch.cuda.is_available() if device == 'auto' else device.startswith('cuda')
    if use_cuda:
        local = int(os.environ.get('LOCAL_RANK', 0)) if world > 1 else 0
        chosen = torch.device('cuda', local)
        torch.cuda.set_device(chosen)
    else:
        chosen = torch.device('cpu')
    if world > 1:
        distributed.init_process_group('nccl' if use_cuda else 'gloo')
    return Processes(rank, world, chosen)
