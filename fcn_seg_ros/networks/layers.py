"""Parts of decoders, in PyTorch."""

import torch
from torch import nn
import torch.nn.functional as F


class Ladder(nn.Module):
    """
    A decoder that fuses features from stride 32 up to stride 4 or 2 and scores them there.

    Each rung enlarges what comes from below, adds a 1x1 projection of the backbone's
    features and blends the sum with a 3x3 convolution, as in SwiftNet (M. Orsic et al.,
    "In Defense of Pre-trained ImageNet Architectures for Real-time Semantic Segmentation
    of Road-driving Images", CVPR 2019); there with 128 channels throughout, here with 96,
    at stride 4 with 64 and at stride 2, where SwiftNet has no rung, with 24: within 1.1 and
    1.15 times the operations of ``fcn32s``.

    :param num_classes: number of classes.
    :param stride: of the scores, 4 or 2.
    """

    def __init__(self, num_classes: int, stride: int = 4) -> None:
        super().__init__()
        self.top = convolution(512, 96, 1)
        self.lateral16, self.blend16 = convolution(256, 96, 1), convolution(96, 96, 3)
        self.lateral8, self.blend8 = convolution(128, 96, 1), convolution(96, 64, 3)
        self.lateral4, self.blend4 = convolution(64, 64, 1), convolution(64, 64, 3)
        channels = 64
        self._reaches2 = stride == 2
        if self._reaches2:
            channels = 24
            self.narrow = convolution(64, channels, 1)
            self.lateral2 = convolution(64, channels, 1)
            self.blend2 = convolution(channels, channels, 3)
        self.dropout = nn.Dropout(0.1)
        self.score = nn.Conv2d(channels, num_classes, 1)

    def forward(self, s2: torch.Tensor, s4: torch.Tensor, s8: torch.Tensor, s16: torch.Tensor,
                s32: torch.Tensor) -> torch.Tensor:
        """
        Return scores N x C x h x w on the ladder's grid.

        :param s2: features at stride 2, float tensor N x 64 x ceil(H / 2) x ceil(W / 2).
        :param s4: features at stride 4, with 64 channels.
        :param s8: features at stride 8, with 128 channels.
        :param s16: features at stride 16, with 256 channels.
        :param s32: features at stride 32, with 512 channels.
        """
        x = self.top(s32)
        for skip, lateral, blend in ((s16, self.lateral16, self.blend16),
                                     (s8, self.lateral8, self.blend8),
                                     (s4, self.lateral4, self.blend4)):
            x = blend(lateral(skip) + _enlarge(x, skip))
        if self._reaches2:
            x = self.blend2(self.lateral2(s2) + _enlarge(self.narrow(x), s2))
        scores: torch.Tensor = self.score(self.dropout(x))
        return scores


def _enlarge(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode='bilinear', align_corners=False)


def convolution(inputs: int, outputs: int, size: int) -> nn.Sequential:
    """
    Return a convolution with batch norm and ReLU.

    :param inputs: channels that it takes.
    :param outputs: channels that it gives.
    :param size: of its kernel, odd.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def bilinear_deconvolution(channels: int) -> nn.ConvTranspose2d:
    """
    Return a 2x deconvolution per channel that starts as bilinear upsampling.

    :param channels: number of channels, in and out.
    """
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1,
                               groups=channels, bias=False)
    ramp = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        layer.weight.copy_(torch.outer(ramp, ramp).expand_as(layer.weight))
    return layer
