"""
FCN-ResNet18: ResNet-18 made fully convolutional, from torchvision's parts.

Three decoders share one backbone:

- ``fcn32s``, the published head: torchvision's ``FCNHead`` scores the stride-32
  features (state_dict names ``backbone.*`` and ``classifier.*``, as in
  torchvision's FCN and in NVIDIA's published networks);
- ``fcn8s``: the stride-32 scores are upsampled by learned deconvolutions and
  added to scores of the stride-16 and stride-8 features (J. Long, E. Shelhamer,
  T. Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015);
- ``ladder4`` and ``ladder2``: features, not scores, are fused from stride 32 up to
  stride 4 or 2, see :class:`Ladder`.

The networks return class scores (logits) on their own grid.  Interpolating them
to the picture's size belongs to post-processing, see ``postprocess``.
"""

import torch
from torch import nn
import torch.nn.functional as F
from torchvision.models import resnet18
from torchvision.models.segmentation.fcn import FCNHead

DECODERS = {'fcn32s': 32, 'fcn8s': 8, 'ladder4': 4, 'ladder2': 2}
"""Decoder name to the stride of its score grid, pixels of the input per cell."""

LADDERS = ('ladder4', 'ladder2')
"""Decoders whose scores do without the stride-32 head."""


class FCNResNet18(nn.Module):
    """
    FCN-ResNet18 that returns class scores at the stride of its decoder.

    :param num_classes: number of classes C, at least 1.
    :param decoder: a key of :data:`DECODERS`.
    :param stride32_head: False leaves the stride-32 head out of a ladder, which needs
        it for training and for an export in the published form only.
    :param backbone_weights: torchvision ResNet-18 weights for a start from a
        trained backbone (training only), or None.
    :raises ValueError: for an unknown decoder.
    """

    def __init__(self, num_classes, decoder='fcn32s', *, stride32_head=True,
                 backbone_weights=None):
        super().__init__()
        if decoder not in DECODERS:
            raise ValueError(f"unknown decoder '{decoder}', known: {', '.join(DECODERS)}")
        self.num_classes = num_classes
        self.decoder = decoder
        self.backbone = resnet18(weights=backbone_weights)
        del self.backbone.avgpool, self.backbone.fc
        self._has_ladder = decoder in LADDERS
        if stride32_head or not self._has_ladder:
            self.classifier = FCNHead(512, num_classes)
        if decoder == 'fcn8s':
            self.skip16 = FCNHead(256, num_classes)
            self.skip8 = FCNHead(128, num_classes)
            self.up16 = _bilinear_deconvolution(num_classes)
            self.up8 = _bilinear_deconvolution(num_classes)
        elif self._has_ladder:
            self.ladder = Ladder(num_classes, self.stride)

    @property
    def has_stride32_head(self):
        """Whether :meth:`forward_all` returns scores of the stride-32 head."""
        return hasattr(self, 'classifier')

    @property
    def stride(self):
        """Input pixels per cell of the score grid."""
        return DECODERS[self.decoder]

    def features(self, x):
        """Return the backbone's features at strides 2, 4, 8, 16 and 32."""
        b = self.backbone
        s2 = b.relu(b.bn1(b.conv1(x)))
        s4 = b.layer1(b.maxpool(s2))
        s8 = b.layer2(s4)
        s16 = b.layer3(s8)
        return s2, s4, s8, s16, b.layer4(s16)

    def forward_all(self, x):
        """
        Return ``(scores, scores32)``: the decoder's and the stride-32 head's.

        Both are the same tensor for ``fcn32s``; training adds a loss on the second.
        The second is None where :attr:`has_stride32_head` is false.
        """
        features = self.features(x)
        scores32 = self.classifier(features[-1]) if self.has_stride32_head else None
        return self._decode(features, scores32), scores32

    def forward(self, x):
        """
        Score every cell of the grid.

        :param x: float tensor N x 3 x H x W, normalised RGB.
        :returns: scores N x C x ceil(H / stride) x ceil(W / stride).
        """
        features = self.features(x)
        # The stride-32 head takes no part in the ladder: only training needs it there.
        scores32 = None if self._has_ladder else self.classifier(features[-1])
        return self._decode(features, scores32)

    def _decode(self, features, scores32):
        if self.decoder == 'fcn32s':
            return scores32
        if self._has_ladder:
            return self.ladder(*features)
        _, _, s8, s16, _ = features
        scores = _add(self.skip16(s16), self.up16(scores32))
        return _add(self.skip8(s8), self.up8(scores))


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

    def __init__(self, num_classes, stride=4):
        super().__init__()
        self.top = _convolution(512, 96, 1)
        self.lateral16, self.blend16 = _convolution(256, 96, 1), _convolution(96, 96, 3)
        self.lateral8, self.blend8 = _convolution(128, 96, 1), _convolution(96, 64, 3)
        self.lateral4, self.blend4 = _convolution(64, 64, 1), _convolution(64, 64, 3)
        channels = 64
        self._reaches2 = stride == 2
        if self._reaches2:
            channels = 24
            self.narrow = _convolution(64, channels, 1)
            self.lateral2 = _convolution(64, channels, 1)
            self.blend2 = _convolution(channels, channels, 3)
        self.dropout = nn.Dropout(0.1)
        self.score = nn.Conv2d(channels, num_classes, 1)

    def forward(self, s2, s4, s8, s16, s32):
        """Return scores of the backbone's features at strides 2, 4, 8, 16, 32."""
        x = self.top(s32)
        for skip, lateral, blend in ((s16, self.lateral16, self.blend16),
                                     (s8, self.lateral8, self.blend8),
                                     (s4, self.lateral4, self.blend4)):
            x = blend(lateral(skip) + _enlarge(x, skip))
        if self._reaches2:
            x = self.blend2(self.lateral2(s2) + _enlarge(self.narrow(x), s2))
        return self.score(self.dropout(x))


def _enlarge(x, like):
    return F.interpolate(x, size=like.shape[-2:], mode='bilinear', align_corners=False)


def _convolution(inputs, outputs, size):
    """Return a convolution with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _add(skip, up):
    # Odd grids: the deconvolution of ceil(n / 2) cells is one cell longer than n.
    return skip + up[..., :skip.shape[-2], :skip.shape[-1]]


def _bilinear_deconvolution(channels):
    """Return a 2x deconvolution per channel that starts as bilinear upsampling."""
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1,
                               groups=channels, bias=False)
    ramp = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        layer.weight.copy_(torch.outer(ramp, ramp).expand_as(layer.weight))
    return layer


def interpolate_scores(scores, size):
    """
    Interpolate scores bilinearly, the definition every post-processing path must meet.

    :param scores: float tensor N x C x h x w.
    :param size: (height, width) of the mask.
    :returns: float tensor N x C x height x width.
    """
    return F.interpolate(scores, size=size, mode='bilinear', align_corners=False)
