"""
Between the machine's memory and a GPU's, without waiting at every copy.

Only page-locked ("pinned") memory is copied while the processor goes on.  It comes from
PyTorch's cache of such memory, which keeps a block from being used again until both its
tensor is gone and the copies that were started with it are over.
"""

import torch


def to_device(pixels: torch.Tensor, device: torch.device) -> torch.Tensor:
    """
    Return a CPU tensor on a device; on a GPU the copy may still be under way.

    What the current stream is given next waits for it.

    :param pixels: the tensor.
    :param device: where it is to go.
    """
    if device.type == 'cpu':
        return pixels
    staged = torch.empty(pixels.shape, dtype=pixels.dtype, pin_memory=True)
    staged.copy_(pixels)
    return staged.to(device, non_blocking=True)


def start_to_host(tensor: torch.Tensor) -> torch.Tensor:
    """
    Return a tensor's copy on the CPU, whose content counts after :func:`wait_for` only.

    A tensor that is there already is returned as it is.

    :param tensor: on any device.
    """
    if tensor.device.type == 'cpu':
        return tensor
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)


def wait_for(device: torch.device) -> None:
    """
    Wait until all that the current stream of a device was given is done.

    :param device: a GPU, or the CPU, which is never waited for.
    """
    if device.type == 'cuda':
        torch.cuda.current_stream(device).synchronize()
