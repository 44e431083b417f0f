"""The torch engine: CUDA in half precision, CPU in float32."""

import torch
from torch.nn import BatchNorm2d, Conv2d, Identity
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ...errors import DeviceError

_DTYPES = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}


class TorchEngine:
    """
    Run the network with PyTorch.

    Batch norms are folded into their convolutions and tensors are laid out
    channels_last.  On a GPU the network runs in fp16 (``precision`` auto), and convolution
    algorithms are chosen by measuring unless ``deterministic``.

    :param model: FCNResNet18 in eval mode, float32, on the CPU; it is taken over
        and changed.
    :param size: (height, width) of the input, pixels.
    :raises DeviceError: for a precision that the device lacks.
    """

    name = 'torch'
    records = True

    def __init__(self, model, *, size, device, precision='auto', threads=0,
                 deterministic=False):
        self.device = torch.device(device)
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
        self.batches = on_gpu
        self.dtype = _DTYPES[self.precision]
        self.forward = _fuse(model).to(
            self.device, self.dtype, memory_format=torch.channels_last)
        self.detail = f'{self.precision}, PyTorch {torch.__version__}'

    @torch.inference_mode()
    def __call__(self, batch):
        """Return float32 scores N x C x h x w for a normalised batch N x 3 x H x W."""
        return self.forward(batch.to(self.dtype)).float()


def _fuse(model):
    """Fold the batch norms of ``model`` into its convolutions, in place, and return it."""
    for module in list(model.modules()):
        previous = None
        for name, child in list(module.named_children()):
            # torchvision's modules declare each batch norm right after its convolution
            if isinstance(child, BatchNorm2d) and isinstance(previous, Conv2d):
                previous.weight, previous.bias = fuse_conv_bn_weights(
                    previous.weight, previous.bias, child.running_mean, child.running_var,
                    child.eps, child.weight, child.bias)
                setattr(module, name, Identity())
            previous = child
    return model.requires_grad_(False)
