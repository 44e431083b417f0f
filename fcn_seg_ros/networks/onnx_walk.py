"""
An export's graph, followed layer by layer as the network computes.

So weights whose names are lost are told by their place, and nothing that computes something
else goes through: strides, paddings and so on must be the model's own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from .decoders import DECODERS
from .model import FCNResNet18
from .onnx_file import Graph, Node, Tensor
from .onnx_tail import HELPERS, is_float_cast, PASSED, Tail
from ..errors import WeightsError

_OPS: dict[type[nn.Module], str] = {nn.Conv2d: 'Conv', nn.ConvTranspose2d: 'ConvTranspose'}
_ADVICE = 'export the network alone in float32, up to its scores'
_STATISTICS = ('weight', 'bias', 'running_mean', 'running_var')


def float_array(tensors: Mapping[str, Tensor], name: str, shape: tuple[int, ...], place: str
                ) -> npt.NDArray[Any]:
    """
    Return a tensor's values, the shape checked first: copies of it cost no bytes in a file.

    :param tensors: those of the file, by name.
    :param name: of the tensor.
    :param shape: that it has to have.
    :param place: where it belongs in the network, for the error.
    :raises WeightsError: when it is not there, holds no floats or has another shape.
    """
    tensor = tensors.get(name)
    if tensor is None or not tensor.is_float:
        raise WeightsError(f"it has no floats '{name}' for {place}")
    if tensor.shape != shape:
        raise WeightsError(f'its {place} is {format_shape(tensor.shape)}, expected '
                           f'{format_shape(shape)}')
    return tensor.array()


def format_shape(shape: Sequence[int]) -> str:
    """
    Return a tensor's shape in words.

    :param shape: its dimensions.
    """
    return ' x '.join(map(str, shape)) or 'a scalar'


class Walk:
    """
    Follows the graph along the model's own path of computation.

    Each step takes the name of a value and returns that of the next one.

    :param graph: the file's.
    :param tensors: its tensors by name, with the copies that nodes make of them.
    :param model: the network that it should be.
    :param shapes: of the model's state_dict.
    :param tail: what the export has behind the scores.
    """

    def __init__(self, graph: Graph, tensors: Mapping[str, Tensor], model: FCNResNet18,
                 shapes: Mapping[str, tuple[int, ...]], tail: Tail) -> None:
        self._tail = tail
        self._graph, self._tensors, self._model, self._shapes = graph, tensors, model, shapes
        self._modules = dict(model.named_modules())
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._decoder = DECODERS[model.decoder]
        self._passed = (*PASSED, 'Slice') if self._decoder.crops else PASSED
        self._seen = 0
        # Output of a node that is passed over -> the value it stands for.
        self._source: dict[str, str] = {}
        self._users: dict[str, list[Node]] = {}
        for node in graph.nodes:
            inputs = [self._resolve(name) for name in node.inputs]
            if inputs and node.outputs and self._is_passed(node):
                self._source[node.outputs[0]] = inputs[0]
            elif node.op not in HELPERS and tail.outputs.isdisjoint(node.outputs):
                resolved = Node(node.op, inputs, node.outputs, node.attributes)
                for name in dict.fromkeys(inputs):
                    self._users.setdefault(name, []).append(resolved)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """
        Return the arrays by state_dict name, when the whole graph is the network.

        :raises WeightsError: when it is not.
        """
        if len(self._graph.inputs) != 1 or len(self._graph.outputs) != 1:
            raise WeightsError('its graph has not one input and one output')
        features = self._backbone(self._graph.inputs[0])
        scores32 = self.head(features[-1], 'classifier') if self._decoder.needs_stride32 else None
        scores = self._decoder.decode(self, features, scores32)
        steps = sum(node.op not in HELPERS and not self._is_passed(node)
                    and self._tail.outputs.isdisjoint(node.outputs) for node in self._graph.nodes)
        if self._resolve(self._tail.start) != scores or steps != self._seen:
            after = ''.join(f" with the {node.op} that gives '{node.outputs[0]}'"
                            for node in self._users.get(scores, [])[:1] if node.outputs)
            raise WeightsError(f'its graph goes on where the network ends{after}: {_ADVICE}')
        return self._arrays

    def _is_passed(self, node: Node) -> bool:
        return node.op in self._passed or is_float_cast(node)

    def module(self, name: str, *values: str) -> str:
        """
        Refuse a part that is not followed layer by layer.

        :param name: of the part.
        :param values: names of the values that it is applied to.
        """
        raise WeightsError('its weights have lost their names: export it with "fcn-seg export"')

    def _backbone(self, value: str) -> list[str]:
        value = self._op(self.layer(value, 'backbone.conv1', 'backbone.bn1'), 'Relu')
        node = self._only(value, 'MaxPool')
        _check_attributes(node, 'maxpool', kernel_shape=(3, 3), strides=(2, 2), ceil_mode=0,
                          pads=(1, 1, 1, 1), dilations=(1, 1))
        features = [value]
        value = node.outputs[0]
        for stage in ('layer1', 'layer2', 'layer3', 'layer4'):
            for block in ('0', '1'):
                value = self._block(value, f'backbone.{stage}.{block}')
            features.append(value)
        return features

    def _block(self, value: str, name: str) -> str:
        inner = self._op(self.layer(value, f'{name}.conv1', f'{name}.bn1'), 'Relu')
        inner = self.layer(inner, f'{name}.conv2', f'{name}.bn2')
        if f'{name}.downsample.0' in self._modules:
            value = self.layer(value, f'{name}.downsample.0', f'{name}.downsample.1')
        return self._op(self.add(inner, value), 'Relu')

    def head(self, value: str, name: str) -> str:
        """
        Take the weights of an FCN head.

        :param value: name of the features that it scores.
        :param name: of the head.
        """
        value = self._op(self.layer(value, f'{name}.0', f'{name}.1'), 'Relu')
        return self.layer(value, f'{name}.4')

    def layer(self, value: str, name: str, norm: str | None = None) -> str:
        """
        Take the weights of a convolution and of the batch norm behind it.

        :param value: name of the value that it is applied to.
        :param name: of the layer.
        :param norm: name of the batch norm, None where there is none.
        """
        module: Any = self._modules[name]  # the network has convolutions by these names
        node = self._only(value, _OPS[type(module)], name, module.weight.shape)
        check_layer(node, module, name)
        self._take(f'{name}.weight', node.inputs[1])
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if norm is not None:
            return self._norm(node.outputs[0], norm, bias)
        if (bias is None) != (module.bias is None):
            raise WeightsError(f'its layer {name} has {"no" if bias is None else "a"} bias')
        if bias is not None:
            self._take(f'{name}.bias', bias)
        return node.outputs[0]

    def _norm(self, value: str, name: str, bias: str | None) -> str:
        """Take a batch norm's tensors, or the bias that it was folded into."""
        if any(node.op == 'BatchNormalization' for node in self._users.get(value, [])):
            if bias is not None:
                raise WeightsError(f'its convolution before the batch norm {name} has a bias')
            node = self._only(value, 'BatchNormalization', name)
            check_layer(node, self._modules[name], name)
            for kind, tensor in zip(_STATISTICS, node.inputs[1:]):
                self._take(f'{name}.{kind}', tensor)
            return node.outputs[0]
        if bias is None:
            raise WeightsError(f'its layer before {name} has neither a batch norm nor a bias')
        # What is left of the batch norm is an identity that adds the folded bias.
        self._take(f'{name}.bias', bias)
        one = np.ones_like(self._arrays[f'{name}.bias'])
        self._arrays[f'{name}.weight'] = one
        self._arrays[f'{name}.running_mean'] = 0 * one
        self._arrays[f'{name}.running_var'] = one - self._eps(name)
        return value

    def _eps(self, name: str) -> float:
        norm = self._modules[name]
        assert isinstance(norm, nn.BatchNorm2d)
        return norm.eps

    def _take(self, name: str, tensor: str) -> None:
        array = float_array(self._tensors, tensor, self._shapes[name], name)
        self._arrays[name] = array.astype(np.float32)

    def add(self, skip: str, up: str) -> str:
        """
        Take a step over an addition.

        :param skip: name of one value.
        :param up: name of the other.
        """
        both = sorted((skip, up))
        nodes = [node for node in self._users.get(skip, [])
                 if node.op == 'Add' and node.outputs and sorted(node.inputs) == both]
        if len(nodes) != 1:
            raise WeightsError('its graph does not add what the network adds')
        self._seen += 1
        return nodes[0].outputs[0]

    def _op(self, value: str, op: str) -> str:
        return self._only(value, op).outputs[0]

    def _only(self, value: str, op: str, name: str | None = None,
              shape: Sequence[int] | None = None) -> Node:
        """Return the one node that does ``op`` to a value, with weights of this shape."""
        nodes = [node for node in self._users.get(value, [])
                 if node.op == op and node.inputs[0] == value and node.outputs
                 and (shape is None or self._shape(node) == tuple(shape))]
        if len(nodes) != 1:
            size = format_shape(shape) + ' ' if shape else ''
            there = ', '.join(f"{node.op} '{node.outputs[0]}'"
                              for node in self._users.get(value, [])[:3] if node.outputs)
            raise WeightsError(f'its graph has {len(nodes) or "no"} {size}{op} in the place of '
                               f'{name or "the one of the network"}, but {there or "nothing"}: '
                               f'{_ADVICE}')
        self._seen += 1
        return nodes[0]

    def _shape(self, node: Node) -> tuple[int, ...] | None:
        tensor = self._tensors.get(node.inputs[1]) if len(node.inputs) > 1 else None
        return tensor.shape if tensor else None

    def _resolve(self, name: str) -> str:
        return self._source.get(name, name)


def check_layer(node: Node, module: nn.Module, name: str) -> None:
    """
    Refuse a layer that computes something else than the model's.

    :param node: the graph's.
    :param module: the model's.
    :param name: of the layer, for the error.
    :raises WeightsError: when they differ.
    """
    if isinstance(module, nn.BatchNorm2d):
        epsilon = node.attributes.get('epsilon', 1e-5)
        if not isinstance(epsilon, float) or abs(epsilon - module.eps) > 1e-9:
            raise WeightsError(f'its batch norm {name} has the epsilon {epsilon}')
        if node.op != 'BatchNormalization' or len(node.inputs) != 5 \
                or node.attributes.get('training_mode', 0) != 0:
            raise WeightsError(f'its batch norm {name} is exported for training')
        return
    if not isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) or node.op != _OPS[type(module)]:
        raise WeightsError(f'its layer {name} is a {node.op}')
    wanted: dict[str, object] = {
        'strides': module.stride, 'dilations': module.dilation, 'group': module.groups,
        'pads': (*module.padding, *module.padding), 'kernel_shape': module.kernel_size,
        'auto_pad': 'NOTSET'}
    if isinstance(module, nn.ConvTranspose2d):
        wanted['output_padding'] = module.output_padding
    _check_attributes(node, name, **wanted)


def _check_attributes(node: Node, name: str, **wanted: object) -> None:
    defaults: dict[str, object] = {
        'strides': (1, 1), 'dilations': (1, 1), 'group': 1, 'pads': (0, 0, 0, 0),
        'ceil_mode': 0, 'auto_pad': 'NOTSET', 'output_padding': (0, 0)}
    for key, value in wanted.items():
        # Convolutions may leave out the kernel's shape: it is that of the weights.
        found = node.attributes.get(key, defaults.get(key, value))
        if found != value:
            raise WeightsError(f'its layer {name} has {key} {found}, not {value}')
