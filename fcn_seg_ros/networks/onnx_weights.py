"""
Weights out of .onnx files.

Two forms are read:

- the published one, in which initializers have the names that they have in the
  model's state_dict;
- any other export of the same network, such as PyTorch's default with batch norms
  folded into convolutions and names like ``onnx::Conv_123``: the graph is followed from
  its input, layer by layer as the model computes, and each weight is told by its place.

The second form is not read of ladders, whose parts are not followed layer by layer; our own
exports of them are of the first.  They lack the stride-32 head, which takes no part in the scores.

What other tools put behind the scores (an upsampling, a softmax, an argmax) is left out and named
in the log, and casts between float types are passed over: the package does all that itself.

In both the layers' strides, paddings and so on must be the model's own: equal shapes alone
would let in a network that computes something else.
"""

from collections.abc import Mapping
import logging

import numpy as np
import torch

from .decoders import DECODERS
from .model import FCNResNet18
from .onnx_file import Graph, read_graph, Tensor
from .onnx_tail import is_float_cast, Tail, without_other_heads
from .onnx_walk import check_layer, float_array, Walk
from ..errors import WeightsError
from ..support.text import one_line

_LAYERS = ('Conv', 'ConvTranspose', 'BatchNormalization')
_TELLTALE = 'backbone.bn1.running_var'  # there only where names and batch norms were kept
_IGNORED = 'aux_classifier.'  # torchvision's second head, for training only

_log = logging.getLogger(__name__)


def read_onnx(data: bytes, decoder: str) -> dict[str, torch.Tensor]:
    """
    Return the state_dict that an .onnx file holds, without counters of batch norms.

    :param data: the file's bytes.
    :param decoder: the decoder that the network should have.
    :raises WeightsError: when the file is damaged, or its graph is not that network.
    """
    graph, other_heads = without_other_heads(read_graph(data))
    tensors = _with_copies(graph)
    with torch.device('meta'):
        model = FCNResNet18(_count_classes(graph, decoder), decoder, stride32_head=False)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()
              if not name.endswith('.num_batches_tracked')}
    tail = Tail(graph)
    if _TELLTALE in tensors:
        _check_names(graph, model, shapes)
        arrays = {name: float_array(tensors, name, shape, name) for name, shape in shapes.items()}
    else:
        arrays = Walk(graph, tensors, model, shapes, tail).state()
    if tail.ops:
        _log.info('left out what its export has behind the scores: %s', ', '.join(tail.ops))
    for output in other_heads:
        _log.info("left out its output '%s', of a head that only the training needs",
                  one_line(output))
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}


def _with_copies(graph: Graph) -> dict[str, Tensor]:
    """Return the tensors by name, those that nodes copy or cast to other floats, too."""
    tensors = dict(graph.tensors)
    for node in graph.nodes:
        if (node.op == 'Identity' or is_float_cast(node)) and len(node.inputs) == 1 \
                and node.inputs[0] in tensors:
            tensors.update(dict.fromkeys(node.outputs, tensors[node.inputs[0]]))
    return tensors


def _count_classes(graph: Graph, decoder: str) -> int:
    """Return C of the last layer, told by its shape where the names are lost."""
    last = None if DECODERS[decoder].needs_stride32 else graph.tensors.get(DECODERS[decoder].last)
    if last is not None and len(last.shape) == 4 and 0 < last.shape[0] < 256:
        return last.shape[0]
    # The head's is C x 128 x 1 x 1; layer3 has one, too, with 256.
    for tensor in graph.tensors.values():
        if len(tensor.shape) == 4 and tensor.shape[1:] == (128, 1, 1) and tensor.shape[0] < 256:
            return max(tensor.shape[0], 1)
    raise WeightsError('it has no FCN head of 128 channels')


def _check_names(graph: Graph, model: FCNResNet18, shapes: Mapping[str, tuple[int, ...]]
                 ) -> None:
    """Check that each layer and float of a file in the published form has its place."""
    modules = dict(model.named_modules())
    for node in graph.nodes:
        if node.op in _LAYERS:
            weight = node.inputs[1] if len(node.inputs) > 1 else ''
            name, _, kind = weight.rpartition('.')
            if weight.startswith(_IGNORED):
                continue
            if kind != 'weight' or name not in modules:
                raise WeightsError(f"it has a layer of weights '{weight}' that the network lacks")
            check_layer(node, modules[name], name)
    for name, tensor in graph.tensors.items():
        if tensor.is_float and name not in shapes and not name.startswith(_IGNORED):
            raise WeightsError(f"it has a tensor '{name}' that the network lacks")
