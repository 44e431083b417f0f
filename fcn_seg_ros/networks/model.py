"""
FCN-ResNet18: ResNet-18 made fully convolutional, from torchvision's parts.

All decoders (``decoders.DECODERS``) share one backbone.  The networks return class scores
(logits) on their own grid.  Interpolating them to the picture's size belongs to
post-processing, see ``postprocess``.
"""

import torch
from torch import nn
import torch.nn.functional as F
from torchvision.models import resnet18
from torchvision.models.segmentation.fcn import FCNHead

from .decoders import DECODERS


class FCNResNet18(nn.Module):
    """
    FCN-ResNet18 that returns class scores at the stride of its decoder.

    :param num_classes: number of classes C, at least 1.
    :param decoder: a key of :data:`.DECODERS`.
    :param stride32_head: False leaves the stride-32 head out where the decoder does without
        it; training and an export in the published form need it.
    :param backbone_weights: name of torchvision's ResNet-18 weights for a start from a
        trained backbone (training only), or None.
    :raises ValueError: for an unknown decoder.
    """

    def __init__(self, num_classes: int, decoder: str = 'fcn32s', *, stride32_head: bool = True,
                 backbone_weights: str | None = None) -> None:
        super().__init__()
        if decoder not in DECODERS:
            raise ValueError(f"unknown decoder '{decoder}', known: {', '.join(DECODERS)}")
        self.num_classes = num_classes
        self.decoder = decoder
        self.backbone = resnet18(weights=backbone_weights)
        del self.backbone.avgpool, self.backbone.fc
        self._decoder = DECODERS[decoder]
        if stride32_head or self._decoder.needs_stride32:
            self.classifier = FCNHead(512, num_classes)
        for name, part in self._decoder.make_parts(num_classes).items():
            self.add_module(name, part)

    @property
    def has_stride32_head(self) -> bool:
        """Whether :meth:`forward_all` returns scores of the stride-32 head."""
        return hasattr(self, 'classifier')

    @property
    def stride(self) -> int:
        """Input pixels per cell of the score grid."""
        return self._decoder.stride

    def features(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """
        Return the backbone's features at strides 2, 4, 8, 16 and 32.

        :param x: float tensor N x 3 x H x W, normalised RGB.
        :returns: five float tensors N x K x ceil(H / s) x ceil(W / s), s being their stride and
            K being 64, 64, 128, 256 and 512.
        """
        b = self.backbone
        s2 = b.relu(b.bn1(b.conv1(x)))
        s4 = b.layer1(b.maxpool(s2))
        s8 = b.layer2(s4)
        s16 = b.layer3(s8)
        return s2, s4, s8, s16, b.layer4(s16)

    def forward_all(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """
        Return ``(scores, scores32)``: the decoder's and the stride-32 head's.

        :param x: float tensor N x 3 x H x W, normalised RGB.

        Both are the same tensor for ``fcn32s``; training adds a loss on the second.
        The second is None where :attr:`has_stride32_head` is false.
        """
        return self.score_all(self.features(x))

    def score_all(self, features: tuple[torch.Tensor, ...]
                  ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """
        Return what :meth:`forward_all` does, of features that are there already.

        :param features: as of :meth:`features`.
        """
        scores32 = self.classifier(features[-1]) if self.has_stride32_head else None
        return self._decode(features, scores32), scores32

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """
        Score every cell of the grid.

        :param x: float tensor N x 3 x H x W, normalised RGB.
        :returns: scores N x C x ceil(H / stride) x ceil(W / stride).
        """
        features = self.features(x)
        # Where the stride-32 head takes no part, only training needs it.
        scores32 = self.classifier(features[-1]) if self._decoder.needs_stride32 else None
        return self._decode(features, scores32)

    def _decode(self, features: tuple[torch.Tensor, ...], scores32: torch.Tensor | None
                ) -> torch.Tensor:
        scores: torch.Tensor = self._decoder.decode(self, features, scores32)
        return scores

    def module(self, name: str, *values: torch.Tensor) -> torch.Tensor:
        """
        Apply one of the model's parts.

        :param name: its name.
        :param values: its arguments.
        """
        result: torch.Tensor = getattr(self, name)(*values)
        return result

    def head(self, value: torch.Tensor, name: str) -> torch.Tensor:
        """
        Score features with an FCN head.

        :param value: float tensor N x K x h x w.
        :param name: of the head.
        :returns: scores N x C x h x w.
        """
        return self.module(name, value)

    def layer(self, value: torch.Tensor, name: str) -> torch.Tensor:
        """
        Apply a convolution or deconvolution.

        :param value: float tensor N x K x h x w.
        :param name: of the layer.
        """
        return self.module(name, value)

    def add(self, skip: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        """
        Add enlarged scores to scores of the finer grid.

        :param skip: scores N x C x h x w.
        :param up: scores as large.  On odd grids they are a cell longer, as the deconvolution
            of ceil(n / 2) cells is: the last row and column are cut off.
        """
        return skip + up[..., :skip.shape[-2], :skip.shape[-1]]


def interpolate_scores(scores: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """
    Interpolate scores bilinearly, the definition every post-processing path must meet.

    :param scores: float tensor N x C x h x w.
    :param size: (height, width) of the mask.
    :returns: float tensor N x C x height x width.
    """
    return F.interpolate(scores, size=size, mode='bilinear', align_corners=False)
