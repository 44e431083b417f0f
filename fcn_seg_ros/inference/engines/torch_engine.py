"""The torch engine: CUDA in half precision, CPU in float32."""

from typing import overload

import numpy as np
import torch
from torch.nn import BatchNorm2d, Conv2d, Identity, Module
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ..devices import Device
from ..interface import EngineRequest
from ...errors import DeviceError
from ...networks.model import FCNResNet18
from ...support.arrays import Float32Array

_DTYPES = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}


def create(request: EngineRequest) -> 'TorchEngine':
    """
    Return the engine for a network.

    :param request: what it is made for.
    :raises DeviceError: for a precision that the device lacks.
    """
    return TorchEngine(
        request.load_model(), device=request.device, precision=request.precision,
        threads=request.threads, deterministic=request.deterministic)


class TorchEngine:
    """
    Run the network with PyTorch.

    Batch norms are folded into their convolutions and tensors are laid out
    channels_last.  On a GPU the network runs in fp16 (``precision`` auto), and convolution
    algorithms are chosen by measuring unless ``deterministic``.

    :param model: FCNResNet18 in eval mode, float32, on the CPU; it is taken over
        and changed.
    :param device: where it is to run.
    :param precision: ``auto``, ``fp32``, ``fp16`` or ``bf16``.
    :param threads: CPU threads of PyTorch's, for the whole process; 0 leaves them.
    :param deterministic: algorithms are not chosen by measuring.
    :raises DeviceError: for a precision that the device lacks.
    """

    name = 'torch'
    recordable = True

    def __init__(self, model: FCNResNet18, *, device: Device, precision: str = 'auto',
                 threads: int = 0, deterministic: bool = False) -> None:
        self.device = device
        on_gpu = self.device.type == 'cuda'
        self.precision = ('fp16' if on_gpu else 'fp32') if precision == 'auto' else precision
        if self.precision not in _DTYPES:
            raise DeviceError(f"precision '{precision}' needs the onnxruntime engine")
        if not on_gpu and self.precision == 'fp16':
            raise DeviceError('precision fp16 needs a GPU: use fp32 (or auto) on the CPU')
        if threads:
            torch.set_num_threads(threads)
        if on_gpu:
            torch.backends.cudnn.benchmark = not deterministic
            torch.backends.cudnn.deterministic = deterministic
        # On a CPU a batch saves some per cent, and its first picture waits for the last one.
        self.prefers_batches = on_gpu
        self.dtype = _DTYPES[self.precision]
        # PyTorch's types know each of these arguments, but not all at once.
        self._model: FCNResNet18 = _fuse(model).to(  # type: ignore[call-overload]  # see above
            device.torch(), self.dtype, memory_format=torch.channels_last)
        self.detail = f'{self.precision}, PyTorch {torch.__version__}'

    @overload
    def __call__(self, batch: torch.Tensor) -> torch.Tensor: ...

    @overload
    def __call__(self, batch: Float32Array) -> Float32Array: ...

    @torch.inference_mode()
    def __call__(self, batch: torch.Tensor | Float32Array) -> torch.Tensor | Float32Array:
        """
        Return the scores of a normalised batch.

        :param batch: float32 N x 3 x H x W, a tensor on the device or, on a CPU, an array.
        :returns: float32 N x C x h x w of the same kind.
        """
        if isinstance(batch, np.ndarray):
            # channels_last, as the model is: PyTorch would turn the tensors of each layer.
            tensor = torch.from_numpy(batch).contiguous(memory_format=torch.channels_last)
            scores: Float32Array = self(tensor).numpy()
            return scores
        return self.forward(batch.to(self.dtype)).float()

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """
        Return the scores of a batch in the engine's own type.

        :param batch: tensor N x 3 x H x W of :attr:`dtype` on the device.
        :returns: tensor N x C x h x w of :attr:`dtype`.
        """
        scores: torch.Tensor = self._model(batch)
        return scores


def _fuse(model: FCNResNet18) -> FCNResNet18:
    """Fold the batch norms of ``model`` into its convolutions, in place, and return it."""
    for module in list(model.modules()):
        previous: Module | None = None
        for name, child in list(module.named_children()):
            # torchvision's modules declare each batch norm right after its convolution
            if isinstance(child, BatchNorm2d) and isinstance(previous, Conv2d):
                assert child.running_mean is not None and child.running_var is not None
                previous.weight, previous.bias = fuse_conv_bn_weights(
                    previous.weight, previous.bias, child.running_mean, child.running_var,
                    child.eps, child.weight, child.bias)
                setattr(module, name, Identity())
            previous = child
    return model.requires_grad_(False)
