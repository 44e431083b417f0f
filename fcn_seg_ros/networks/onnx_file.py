"""
A bounded reader of .onnx files: nodes, attributes and tensors, and nothing else.

Only what tells weights and structure is read from the protobuf message, straight from
the file's bytes.  So a robot needs no onnx package (nor the protobuf version that it
insists on), a hostile file cannot take more memory than it has bytes, and tensors that
lie in other files are refused, never opened.

Field numbers: onnx.proto of the ONNX project; wire format: protobuf's "Encoding" page.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
import math
import struct
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import WeightsError

MAX_FIELDS = 200_000
"""Most protobuf fields that are read of a file; a published network has about 3000."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DTYPES = {1: '<f4', 7: '<i8', 10: '<f2', 11: '<f8'}  # TensorProto.DataType
_EXTERNAL = 1  # TensorProto.DataLocation


@dataclass(frozen=True)
class Tensor:
    """
    A tensor of the file.

    :param shape: its dimensions.
    :param dtype: NumPy's name of its type, or None for one that no network here uses.
    :param data: its values' bytes, little-endian.
    """

    shape: tuple[int, ...]
    dtype: str | None
    data: memoryview

    @property
    def is_float(self) -> bool:
        """Whether it can be weights: floats of 2, 4 or 8 bytes."""
        return self.dtype in ('<f4', '<f2', '<f8')

    def array(self) -> npt.NDArray[Any]:
        """
        Return the values as an array of its own, in native byte order.

        :raises WeightsError: when the type is not supported or the bytes do not fit.
        """
        if self.dtype is None:
            raise WeightsError('a tensor has an unsupported type')
        dtype = np.dtype(self.dtype)
        if math.prod(self.shape) * dtype.itemsize != len(self.data):
            raise WeightsError(f'a tensor of shape {self.shape} has {len(self.data)} bytes')
        return np.frombuffer(self.data, dtype).reshape(self.shape).astype(dtype.newbyteorder('='))


Attribute: TypeAlias = int | float | str | tuple[int, ...] | Tensor | None
"""What an attribute of a node can hold here; None stands for every other kind."""

_Value: TypeAlias = int | memoryview
"""The value of a protobuf field: a number, or the bytes of everything else."""


@dataclass
class Node:
    """An operation: its type, names of the values it takes and gives, and its attributes."""

    op: str = ''
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, Attribute] = field(default_factory=dict)


@dataclass
class Graph:
    """
    The graph of a file.

    :param nodes: its :class:`Node` objects, in the file's order.
    :param tensors: name of an initializer to its :class:`Tensor`.
    :param inputs: names of the inputs that are not initializers.
    :param outputs: names of the outputs.
    """

    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


def read_graph(data: bytes) -> Graph:
    """
    Read the graph of an .onnx file.

    :param data: the file's bytes.
    :raises WeightsError: when these are not a whole ONNX model, or parts of it lie in
        other files.
    """
    return _Reader().model(memoryview(data))


class _Reader:
    """Reads one message after the other, counting the fields of all."""

    def __init__(self) -> None:
        self._left = MAX_FIELDS

    def model(self, view: memoryview) -> Graph:
        """
        Return the graph of a ModelProto message.

        :param view: the message's bytes.
        """
        graphs = [value for number, value in self._fields(view)
                  if number == 7 and isinstance(value, memoryview)]
        if len(graphs) != 1:
            raise WeightsError('it is not an ONNX model')
        return self._graph(graphs[0])

    def _graph(self, view: _Value) -> Graph:
        graph = Graph()
        for number, value in self._fields(view):
            if number == 1:
                graph.nodes.append(self._node(value))
            elif number == 5:
                name, tensor = self._tensor(value)
                if name in graph.tensors:
                    raise WeightsError(f"the tensor '{name}' is there twice")
                graph.tensors[name] = tensor
            elif number == 11:
                graph.inputs.append(self._first_text(value))
            elif number == 12:
                graph.outputs.append(self._first_text(value))
            elif number == 15:
                raise WeightsError('it has sparse tensors')
        graph.inputs = [name for name in graph.inputs if name not in graph.tensors]
        return graph

    def _node(self, view: _Value) -> Node:
        node = Node()
        for number, value in self._fields(view):
            if number == 1:
                node.inputs.append(_text(value))
            elif number == 2:
                node.outputs.append(_text(value))
            elif number == 4:
                node.op = _text(value)
            elif number == 5:
                name, attribute = self._attribute(value)
                node.attributes[name] = attribute
        return node

    def _attribute(self, view: _Value) -> tuple[str, Attribute]:
        name = ''
        attribute: Attribute = None
        ints: list[int] = []
        for number, value in self._fields(view):
            if number == 1:
                name = _text(value)
            elif number == 2:
                attribute = _float(value)
            elif number == 3:
                attribute = _int(value)
            elif number == 4:
                attribute = _text(value)
            elif number == 5:
                attribute = self._tensor(value)[1]
            elif number == 8:
                ints += self._ints(value)
        return name, tuple(ints) if ints else attribute

    def _tensor(self, view: _Value) -> tuple[str, Tensor]:
        name, dtype, data = '', None, memoryview(b'')
        shape: list[int] = []
        for number, value in self._fields(view):
            if number == 1:
                shape += self._ints(value)
            elif number == 2:
                dtype = _DTYPES.get(_int(value))
            elif number in (4, 9, 10):  # packed floats, raw bytes, packed doubles
                if len(data) or not isinstance(value, memoryview):
                    raise WeightsError('a tensor has its values in pieces')
                data = value
            elif number == 8:
                name = _text(value)
            elif number == 13 or number == 14 and value == _EXTERNAL:
                raise WeightsError('its tensors lie in other files: export it into one file, with '
                                   'torch.onnx.export(..., external_data=False)')
        if any(size < 0 for size in shape) or len(shape) > 8:
            raise WeightsError(f"the tensor '{name}' has an impossible shape")
        return name, Tensor(tuple(shape), dtype, data)

    def _first_text(self, view: _Value) -> str:
        return next((_text(value) for number, value in self._fields(view) if number == 1), '')

    def _ints(self, value: _Value) -> list[int]:
        """Return the numbers of a repeated int64 field, packed or one of many."""
        if not isinstance(value, memoryview):
            return [_int(value)]
        numbers: list[int] = []
        at = 0
        while at < len(value):
            self._count()
            number, at = _varint(value, at)
            numbers.append(_int(number))
        return numbers

    def _fields(self, view: _Value) -> Iterator[tuple[int, _Value]]:
        """Yield (number, value) of a message; value is an int or a memoryview."""
        if not isinstance(view, memoryview):
            raise WeightsError('it is not an ONNX model')
        at = 0
        while at < len(view):
            self._count()
            key, at = _varint(view, at)
            number, kind = key >> 3, key & 7
            value: _Value
            if kind == _VARINT:
                value, at = _varint(view, at)
            elif kind in (_BYTES, _FIXED64, _FIXED32):
                size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
                if size is None:
                    size, at = _varint(view, at)
                if size > len(view) - at:
                    raise WeightsError('it is cut off or damaged')
                value, at = view[at:at + size], at + size
            else:
                raise WeightsError('it is not an ONNX model')
            yield number, value

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise WeightsError(f'it has more than {MAX_FIELDS} fields, no FCN-ResNet18 has')


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """Return an unsigned number of 7 bits a byte and the place behind it."""
    value = 0
    for i, byte in enumerate(view[at:at + 10]):
        value |= (byte & 0x7f) << (7 * i)
        if byte < 0x80:
            return value & (1 << 64) - 1, at + i + 1
    raise WeightsError('it is cut off or damaged')


def _int(value: _Value) -> int:
    if not isinstance(value, int):
        raise WeightsError('it is not an ONNX model')
    return value - (1 << 64) if value >> 63 else value


def _float(value: _Value) -> float:
    if not isinstance(value, memoryview) or len(value) != 4:
        raise WeightsError('it is not an ONNX model')
    return float(struct.unpack('<f', value)[0])


def _text(value: _Value) -> str:
    if not isinstance(value, memoryview) or len(value) > 4096:
        raise WeightsError('it is not an ONNX model')
    try:
        return bytes(value).decode('utf-8')
    except UnicodeDecodeError:
        raise WeightsError('it is not an ONNX model') from None
