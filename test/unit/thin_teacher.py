"""A stand-in for EfficientNet-Lite2 with what a Teacher uses of it, but few weights."""

from types import SimpleNamespace

from fcn_seg_ros.training import teacher
from torch import nn


class Block(nn.Module):
    """A convolution that halves the grid, or leaves it."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self._depthwise_conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x, drop_connect_rate):
        return self._bn2(self._depthwise_conv(x)).relu()


class ThinBackbone(nn.Module):
    """Features at strides 2, 4, 8, 16 and 32 by seven convolutions."""

    def __init__(self):
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self._bn0 = nn.BatchNorm2d(8)
        self._swish = nn.ReLU()
        self._blocks = nn.ModuleList([
            Block(8, 8, 1), Block(8, 12, 2), Block(12, 12, 1), Block(12, 16, 2),
            Block(16, 16, 2), Block(16, 24, 2)])
        self._global_params = SimpleNamespace(drop_connect_rate=0.2)


def use(monkeypatch):
    """Make teachers of it, so that none of the packages of the extra is needed."""
    monkeypatch.setattr(teacher, '_backbone', lambda pretrained: ThinBackbone())
