"""
RGB arrays to the network's input batch in PyTorch, on the CPU.

It defines what the backends compute: the compiled kernel gives the same bytes, and the kernel
of the GPU the same grey levels, give or take one.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from ..support.arrays import Size, UInt8Array


class Preprocessor:
    """
    Stretch pictures to the network's input size and normalise them.

    The aspect ratio is not kept, as in jetson-inference.  Shrinking is antialiased with
    the filter that torchvision's ``v2.Resize`` trains with.

    :param size: (height, width) of the network's input, pixels.
    :param mean: per channel (R, G, B), in shares of full scale.
    :param std: per channel (R, G, B), in shares of full scale.
    """

    def __init__(self, size: Sequence[int], mean: Sequence[float], std: Sequence[float]
                 ) -> None:
        self.size = Size(*size)
        scale = 1 / (255 * torch.tensor(std))
        offset = -torch.tensor(mean) / torch.tensor(std)
        # As rows of interleaved pixels: a broadcast over the last axis of 3 is 10x slower.
        self._scale = scale.repeat(self.size[1])
        self._offset = offset.repeat(self.size[1])

    def __call__(self, images: Sequence[UInt8Array]) -> torch.Tensor:
        """
        Return the batch for some pictures, which may differ in size.

        :param images: sequence of uint8 arrays H x W x 3, RGB, any strides.
        :returns: float32 tensor N x 3 x h x w in channels_last memory format.
        """
        rows = [torch.addcmul(self._offset, self._stretch(image).float(), self._scale)
                for image in images]
        height, width = self.size
        return torch.stack(rows).view(-1, height, width, 3).permute(0, 3, 1, 2)

    def _stretch(self, image: UInt8Array) -> torch.Tensor:
        """Return one picture as uint8 rows of interleaved pixels, h x (w * 3)."""
        # torch.from_numpy() takes neither negative strides nor read-only memory.
        if min(image.strides) < 0 or not image.flags.writeable:
            image = np.array(image)
        pixels = torch.from_numpy(image)
        if tuple(pixels.shape[:2]) != tuple(self.size):
            planes = F.interpolate(pixels.permute(2, 0, 1)[None], size=self.size,
                                   mode='bilinear', antialias=True)
            pixels = planes[0].permute(1, 2, 0)
        return pixels.reshape(self.size[0], -1)
