"""Counting what a piece of CUDA code would launch and move, on fake tensors."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# The operators' own names, exactly: they neither launch nor move anything.
NO_LAUNCH = {
    '_reshape_alias', '_unsafe_view', 'alias', 'as_strided', 'detach', 'device', 'empty',
    'empty_like', 'empty_strided', 'expand', 'lift_fresh', 'permute', 'reshape', 'select',
    'slice', 'split', 'squeeze', 't', 'transpose', 'unbind', 'unsqueeze', 'view'}


class Cost(TorchDispatchMode):
    """
    Count launches, and the bytes of GPU memory that they read and write.

    :ivar launches: names of the operators that are not views, in order.
    :ivar bytes: of their inputs and outputs that lie on the GPU.
    """

    def __init__(self):
        super().__init__()
        self.launches, self.bytes = [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operator and count it, unless it only looks at memory in another way."""
        out = func(*args, **(kwargs or {}))
        name = str(func).split('.')[1]
        tensors = [leaf for leaf in tree_leaves((args, kwargs, out))
                   if isinstance(leaf, torch.Tensor) and leaf.device.type == 'cuda']
        if tensors and name not in NO_LAUNCH:
            self.launches.append(name)
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return out
