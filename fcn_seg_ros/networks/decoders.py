"""
The decoders, one entry each: what turns the backbone's features into class scores.

The registry, the readers of weights and the training recipe take names and shapes from this
table, and the model its parts.  A decoder says once how it computes; the same words run the
model and follow the graph of an .onnx file whose weights have lost their names.

PyTorch is imported only where parts are made: the registry does without it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import nn

STRIDE32_HEAD = 'classifier.4.weight'
"""The last weights of the stride-32 head, C x 128 x 1 x 1."""

_V = TypeVar('_V')


class Steps(Protocol[_V]):
    """The steps that a decoder can take, on tensors or on the names of an .onnx file's values."""

    def head(self, value: _V, name: str) -> _V:
        """
        Score features with one of the model's FCN heads.

        :param value: the features.
        :param name: of the head in the model.
        """

    def layer(self, value: _V, name: str) -> _V:
        """
        Apply one of the model's convolutions or deconvolutions.

        :param value: what it is applied to.
        :param name: of the layer in the model.
        """

    def add(self, skip: _V, up: _V) -> _V:
        """
        Add what was enlarged to what has the size to keep.

        :param skip: gives the size.
        :param up: as large, or a cell larger: the last row and column are cut off then.
        """

    def module(self, name: str, *values: _V) -> _V:
        """
        Apply a part of the model that has steps of its own.

        :param name: of the part in the model.
        :param values: its arguments.
        """


@dataclass(frozen=True)
class Decoder:
    """
    One way from features to scores.

    :param stride: of the score grid: pixels of the input per cell.
    :param last: name of the weights that score the classes, C x K x 1 x 1.
    :param needs_stride32: whether the scores of the stride-32 head take part; where they do
        not, only training needs that head.
    :param make_parts: given the number of classes, returns the parts that the decoder adds to
        the model, by name.
    :param decode: given :class:`Steps`, the features at strides 2, 4, 8, 16 and 32, and the
        stride-32 head's scores (None where they are not needed), returns the scores.
    :param crops: whether its exports cut a value to the size of another with a Slice.
    """

    stride: int
    last: str
    needs_stride32: bool
    make_parts: Callable[[int], 'dict[str, nn.Module]']
    decode: Callable[[Steps[Any], Sequence[Any], Any], Any]
    crops: bool = False


def _fcn32s_parts(num_classes: int) -> 'dict[str, nn.Module]':
    return {}


def _fcn32s(steps: Steps[_V], features: Sequence[_V], scores32: _V) -> _V:
    return scores32


def _fcn8s_parts(num_classes: int) -> 'dict[str, nn.Module]':
    from torchvision.models.segmentation.fcn import FCNHead

    from .layers import bilinear_deconvolution
    return {'skip16': FCNHead(256, num_classes), 'skip8': FCNHead(128, num_classes),
            'up16': bilinear_deconvolution(num_classes),
            'up8': bilinear_deconvolution(num_classes)}


def _fcn8s(steps: Steps[_V], features: Sequence[_V], scores32: _V) -> _V:
    _, _, s8, s16, _ = features
    scores = steps.add(steps.head(s16, 'skip16'), steps.layer(scores32, 'up16'))
    return steps.add(steps.head(s8, 'skip8'), steps.layer(scores, 'up8'))


def _ladder_parts(num_classes: int, stride: int) -> 'dict[str, nn.Module]':
    from .layers import Ladder
    return {'ladder': Ladder(num_classes, stride)}


def _ladder(steps: Steps[_V], features: Sequence[_V], scores32: object) -> _V:
    return steps.module('ladder', *features)


DECODERS = {
    'fcn32s': Decoder(32, STRIDE32_HEAD, True, _fcn32s_parts, _fcn32s),
    'fcn8s': Decoder(8, STRIDE32_HEAD, True, _fcn8s_parts, _fcn8s, crops=True),
    'ladder4': Decoder(4, 'ladder.score.weight', False, partial(_ladder_parts, stride=4), _ladder),
    'ladder2': Decoder(2, 'ladder.score.weight', False, partial(_ladder_parts, stride=2), _ladder),
}
"""
Name to decoder.

- ``fcn32s``, the published head: the stride-32 head's scores as they are (state_dict names
  ``backbone.*`` and ``classifier.*``, as in torchvision's FCN and in NVIDIA's published
  networks);
- ``fcn8s``: these scores are upsampled by learned deconvolutions and added to scores of the
  stride-16 and stride-8 features (J. Long, E. Shelhamer, T. Darrell, "Fully Convolutional
  Networks for Semantic Segmentation", CVPR 2015);
- ``ladder4`` and ``ladder2``: features, not scores, are fused from stride 32 up to stride 4
  or 2, see ``layers.Ladder``.
"""
