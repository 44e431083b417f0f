"""What exports of other tools have around the network: casts, sizes, steps behind the scores."""

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
