"""The reader of .onnx files against the onnx package, and against damaged files."""

import random

from fcn_seg_ros.errors import WeightsError
from fcn_seg_ros.networks.onnx_file import MAX_FIELDS, read_graph
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest


def save(nodes=(), tensors=(), inputs=('x',), outputs=('y',), **fields):
    """Return the bytes of a model as the onnx package writes it."""
    def values(names):
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in names]
    graph = helper.make_graph(nodes, 'g', values(inputs), values(outputs), tensors)
    for name, value in fields.items():
        getattr(graph, name).extend(value)
    return helper.make_model(graph).SerializeToString()


def test_nodes_and_attributes():
    node = helper.make_node('Conv', ['x', 'w', ''], ['y'], name='n', doc_string='why',
                            pads=[1, -2, 3, 1 << 40], group=-7, alpha=0.5, auto_pad='NOTSET',
                            value=numpy_helper.from_array(np.array([1.5], np.float32)))
    graph = read_graph(save([node, helper.make_node('Relu', ['y'], ['z'])]))
    conv, relu = graph.nodes
    assert (conv.op, conv.inputs, conv.outputs) == ('Conv', ['x', 'w', ''], ['y'])
    assert conv.attributes['pads'] == (1, -2, 3, 1 << 40)
    assert (conv.attributes['group'], conv.attributes['alpha']) == (-7, 0.5)
    assert conv.attributes['auto_pad'] == 'NOTSET'
    assert conv.attributes['value'].array() == [1.5]
    assert (relu.op, relu.inputs) == ('Relu', ['y'])


@pytest.mark.parametrize('dtype', [np.float32, np.float16, np.float64, np.int64])
@pytest.mark.parametrize('raw', [True, False])
def test_tensors(dtype, raw):
    values = np.arange(-3, 3).reshape(2, 3, 1).astype(dtype)
    tensor = numpy_helper.from_array(values, 'w')
    if not raw and dtype in (np.float32, np.float64):
        tensor = helper.make_tensor('w', tensor.data_type, values.shape, values.ravel())
        assert not tensor.raw_data
    graph = read_graph(save(tensors=[tensor], inputs=('x', 'w')))
    assert graph.inputs == ['x']  # an initializer among the inputs is not one
    assert graph.outputs == ['y']
    array = graph.tensors['w'].array()
    assert array.dtype == dtype
    assert graph.tensors['w'].is_float == (dtype != np.int64)
    np.testing.assert_array_equal(array, values)


def external():
    tensor = numpy_helper.from_array(np.zeros(2, np.float32), 'w')
    tensor.ClearField('raw_data')
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = 'location', '/etc/passwd'
    return save(tensors=[tensor])


def with_dims(*dims):
    tensor = numpy_helper.from_array(np.zeros(2, np.float32), 'w')
    tensor.ClearField('dims')
    tensor.dims.extend(dims)
    return save(tensors=[tensor])


TWICE = numpy_helper.from_array(np.zeros(2, np.float32), 'w')
BAD = {
    'external data': (external(), r'lie in other files: .*external_data=False\)'),
    'negative size': (with_dims(-1, -2), 'impossible shape'),
    'many dimensions': (with_dims(*[1] * 9), 'impossible shape'),
    'a tensor twice': (save(tensors=[TWICE, TWICE]), "'w' is there twice"),
    'sparse tensors': (save(sparse_initializer=[onnx.SparseTensorProto()]), 'sparse'),
    'no graph': (onnx.ModelProto(ir_version=4).SerializeToString(), 'not an ONNX model'),
    'empty': (b'', 'not an ONNX model'),
    'text': (b'<html><body>Please log in</body></html>', '.'),
    'many fields': (b'\x08\x01' * (MAX_FIELDS + 1), 'more than 200000 fields'),
    'giant length': (b'\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f', 'cut off'),
    'endless number': (b'\x08' + b'\xff' * 20, 'cut off'),
    'group': (b'\x3b\x3c', 'not an ONNX model'),
}


@pytest.mark.parametrize('case', BAD)
def test_malformed(case):
    data, message = BAD[case]
    with pytest.raises(WeightsError, match=message):
        read_graph(data)


@pytest.mark.parametrize('dims', [(1, 3), (1 << 40, 1 << 40), (0,)])
def test_shape_that_is_not_that_of_the_bytes(dims):
    tensor = read_graph(with_dims(*dims)).tensors['w']
    with pytest.raises(WeightsError, match='8 bytes'):
        tensor.array()


def test_damaged_files_give_a_graph_or_a_clear_error():
    node = helper.make_node('Conv', ['x', 'w'], ['y'], pads=[1, 1], group=3, alpha=0.5)
    whole = save([node] * 3, [numpy_helper.from_array(np.zeros((2, 3), np.float32), 'w')])
    rng = random.Random(1)
    failed = 0
    for _ in range(5000):
        data = bytearray(whole[:rng.randrange(len(whole))] if rng.random() < 0.3 else whole)
        for _ in range(rng.randrange(1, 5)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            graph = read_graph(bytes(data))
            for tensor in graph.tensors.values():
                tensor.array()
        except WeightsError:
            failed += 1
    assert failed > 1000
