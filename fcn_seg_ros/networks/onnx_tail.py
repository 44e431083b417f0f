"""What exports of other tools have around the network: casts, sizes, other heads, a tail."""

from collections.abc import Iterable
from dataclasses import replace

from .onnx_file import Graph, Node

PASSED = ('Identity', 'Dropout')
"""Operations that do nothing to a value at inference."""

HELPERS = ('Constant', 'Shape', 'Gather', 'Unsqueeze', 'Concat', 'Cast')
"""Operations that compute sizes of slices."""

_TAIL = ('Resize', 'Upsample', 'Softmax', 'LogSoftmax', 'ArgMax', 'Squeeze')  # of other exports
_FLOATS = (1, 10, 11, 16)  # TensorProto.DataType: single, half, double, bfloat16
_SIZES = ('Slice', 'Mul', 'Div', 'Floor', 'Add', 'Sub')  # with the helpers: sizes of a Resize


def is_float_cast(node: Node) -> bool:
    """
    Return whether a node only changes the precision of floats.

    :param node: of the graph.
    """
    return node.op == 'Cast' and node.attributes.get('to') in _FLOATS


def without_other_heads(graph: Graph) -> tuple[Graph, list[str]]:
    """
    Return the graph without outputs of other heads, and their names.

    torchvision's forward gives the scores first, and then those of a second head that only the
    training needs.  Outputs without layers of their own stay.

    :param graph: of the file.
    """
    kept, left_out = graph.outputs[:1], []
    for name in graph.outputs[1:]:
        own = _needed(graph, [name]) - _needed(graph, kept)
        if any(node.op == 'Conv' and not own.isdisjoint(node.outputs) for node in graph.nodes):
            left_out.append(name)
        else:
            kept.append(name)
    if not left_out:
        return graph, []
    needed = _needed(graph, kept)
    nodes = [node for node in graph.nodes if not needed.isdisjoint(node.outputs)]
    used = {name for node in nodes for name in node.inputs}
    tensors = {name: tensor for name, tensor in graph.tensors.items() if name in used}
    return replace(graph, nodes=nodes, tensors=tensors, outputs=kept), left_out


def _needed(graph: Graph, outputs: Iterable[str]) -> set[str]:
    """Return the names of all values that some outputs are computed from, and their own."""
    makers = {name: node for node in graph.nodes for name in node.outputs if name}
    found: set[str] = set()
    names = list(outputs)
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            names += makers[name].inputs if name in makers else []
    return found


class Tail:
    """
    What other exports have behind the scores, found from the graph's output backwards.

    :param graph: of the file.
    :ivar start: name of the value that it is applied to.
    :ivar ops: the types of its nodes, in their order.
    :ivar outputs: names of what its nodes give, those that compute sizes among them.
    """

    def __init__(self, graph: Graph) -> None:
        self._makers = {name: node for node in graph.nodes for name in node.outputs if name}
        self.ops: list[str] = []
        self.outputs: set[str] = set()
        self.start = graph.outputs[0] if graph.outputs else ''
        while (node := self._makers.get(self.start)) is not None and node.inputs \
                and self.start not in self.outputs \
                and (node.op in (*_TAIL, *PASSED) or node.op == 'Cast'):
            if node.op in _TAIL:
                self.ops.insert(0, node.op)
            self.outputs.update(node.outputs)
            for name in node.inputs[1:]:
                self._add_sizes(name)
            self.start = node.inputs[0]

    def _add_sizes(self, name: str) -> None:
        """Add what computes the size that is resized to; it ends where a shape is asked for."""
        names = [name]
        while names:
            name = names.pop()
            node = self._makers.get(name)
            if node is not None and name not in self.outputs and node.op in (*HELPERS, *_SIZES):
                self.outputs.update(node.outputs)
                if node.op != 'Shape':
                    names += node.inputs
