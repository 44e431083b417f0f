"""Exports that are changed so that they are another network's, and what is to be said of them."""

import numpy as np
import onnx as onnx_package
import published


def edited(edit, form='published', decoder='fcn32s'):
    """Return an export after ``edit(graph)``."""
    model = onnx_package.load_from_string(published.onnx(form, decoder))
    edit(model.graph)
    return model.SerializeToString()


def node(graph, op, index=0):
    return [node for node in graph.node if node.op_type == op][index]


def attribute(node, name):
    return next(a for a in node.attribute if a.name == name)


def number_tensors(graph):
    """Rename the tensors as exporters did that knew no names."""
    names = {tensor.name: str(i) for i, tensor in enumerate(graph.initializer, 1)}
    for item in (*graph.initializer, *graph.input):
        item.name = names.get(item.name, item.name)
    for item in graph.node:
        item.input[:] = [names.get(name, name) for name in item.input]


def numbered_and_for_training(graph):
    number_tensors(graph)
    node(graph, 'BatchNormalization', 3).attribute.append(
        onnx_package.helper.make_attribute('training_mode', 1))


def numbered_and_without_a_batch_norm(graph):
    number_tensors(graph)
    norm = node(graph, 'BatchNormalization', 3)
    for other in graph.node:
        other.input[:] = [norm.input[0] if i == norm.output[0] else i for i in other.input]
    graph.node.remove(norm)


def bias_dropped(graph):
    del graph.node[-1].input[2]


def two_outputs(graph):
    graph.output.append(graph.output[0])


def transposed(graph):
    conv = node(graph, 'Conv', 4)
    conv.op_type = 'ConvTranspose'


def drop_first_tensor(graph):
    del graph.initializer[0]


def rename_layer(graph):
    node(graph, 'Conv', 3).input[1] = 'backbone.layer9.weight'


def dilate(graph):
    attribute(node(graph, 'Conv', 5), 'dilations').ints[:] = [2, 2]


def stride(graph):
    attribute(node(graph, 'Conv', 6), 'strides').ints[:] = [2, 2]


def other_pool(graph):
    attribute(node(graph, 'MaxPool'), 'kernel_shape').ints[:] = [2, 2]


def other_epsilon(graph):
    attribute(node(graph, 'BatchNormalization', 7), 'epsilon').f = 1e-3


def reshape(graph):
    graph.initializer[0].dims[:] = [32, 6, 7, 7]


def one_tensor_too_many(graph):
    graph.initializer.append(onnx_package.numpy_helper.from_array(
        np.zeros(1, np.float32), 'backbone.fc.bias'))


def skip_a_relu(graph):
    relu = node(graph, 'Relu', 4)
    for other in graph.node:
        other.input[:] = [relu.input[0] if i == relu.output[0] else i for i in other.input]


def sigmoid_at_the_end(graph):
    graph.node.append(onnx_package.helper.make_node('Sigmoid', ['output_0'], ['output_1']))
    graph.output[0].name = 'output_1'


def add_itself(graph):
    add = node(graph, 'Add', 2)
    add.input[:] = [add.input[0]] * 2


def swap_stages(graph):
    first, second = node(graph, 'Conv', 1), node(graph, 'Conv', 2)
    first.input[0], second.input[0] = second.input[0], first.input[0]


EDITS = [
    ('published', drop_first_tensor, "no floats 'backbone.conv1.weight'"),
    ('published', rename_layer, "weights 'backbone.layer9.weight'"),
    ('published', dilate, r'layer2.0.conv1 has dilations \(2, 2\), not \(1, 1\)'),
    ('published', stride, r'layer2.0.conv2 has strides \(2, 2\), not \(1, 1\)'),
    ('published', other_epsilon, 'epsilon'),
    ('published', reshape, 'backbone.conv1.weight is 32 x 6 x 7 x 7, expected 64 x 3 x 7 x 7'),
    ('published', one_tensor_too_many, "a tensor 'backbone.fc.bias' that the network lacks"),
    ('published', transposed, 'layer1.1.conv2 is a ConvTranspose'),
    ('published', numbered_and_for_training, 'is exported for training'),
    ('published', numbered_and_without_a_batch_norm, 'neither a batch norm nor a bias'),
    ('folded', bias_dropped, 'its layer classifier.4 has no bias'),
    ('folded', two_outputs, 'not one input and one output'),
    ('folded', drop_first_tensor, 'no FCN head'),
    ('folded', dilate, 'has dilations'),
    ('folded', other_pool, r'maxpool has kernel_shape \(2, 2\)'),
    ('folded', reshape, 'no FCN head'),
    ('folded', skip_a_relu, 'in the place of'),
    ('folded', sigmoid_at_the_end, 'goes on where the network ends'),
    ('folded', add_itself, 'does not add what the network adds'),
    ('folded', swap_stages, 'in the place of'),
]
