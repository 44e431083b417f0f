"""
Networks for tests where PyTorch is not installed: ONNX graphs of a few operators.

They classify by colour, which is enough for what is tested with them: that pictures arrive, and
what becomes of the scores.
"""

import cv2
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import synthetic_world as synthetic

CELL = 8
"""Pixels along an edge of a tiny network's cells."""
PROTOTYPES = 8
"""Colours by which a class of the synthetic world is known."""
VIEWS = 40


def write_tiny_graph(path, num_classes, size, seed):
    """
    Write a graph of one convolution with random weights.

    :param path: of the .onnx file.
    :param num_classes: how many scores it gives.
    :param size: pixels along an edge of its input, normalised as ImageNet's networks take it.
    :param seed: equal ones give equal weights.
    """
    rng = np.random.default_rng(seed)
    # What all cells of a picture have in common decides, and a little of where in the cell it is.
    weights = rng.normal(size=(num_classes, 3, 1, 1)) + rng.normal(
        scale=0.5, size=(num_classes, 3, CELL, CELL))
    bias = np.zeros(num_classes)
    # Equal spread, and no mean, over random pictures: each class wins somewhere.
    pictures = np.kron(rng.normal(size=(3, 32, 32)), np.ones((CELL, CELL)))
    cells = pictures.reshape(3, 32, CELL, 32, CELL)
    scores = np.einsum('kcij,cyixj->kyx', weights, cells)
    spread = scores.std(axis=(1, 2))
    weights /= spread[:, None, None, None] / 2
    bias -= scores.mean(axis=(1, 2)) / spread * 2
    node = helper.make_node('Conv', ['input_0', 'weights', 'bias'], ['output_0'],
                            strides=[CELL, CELL])
    _save(path, [node], {'weights': weights, 'bias': bias}, (size, size),
          (num_classes, size // CELL, size // CELL))


def write_colour_graph(path, height, width):
    """
    Write a graph that knows the synthetic world's classes by their colours.

    The score of a class is how near a pixel is to the nearest of its colours, which are taken
    from random views.

    :param path: of the .onnx file; its input is RGB in 0..1.
    :param height: of its input, pixels.
    :param width: of its input, pixels.
    """
    rng = np.random.default_rng(0)
    views = [synthetic.render(
        synthetic.random_world(rng),
        synthetic.random_camera(rng, width=width, height=height, focal=240.0), samples=1)
        for _ in range(VIEWS)]
    pixels = np.concatenate([view.rgb.reshape(-1, 3) for view in views]).astype(np.float32) / 255
    kinds = np.concatenate([view.class_mask.reshape(-1) for view in views])
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-4)
    colours = np.concatenate([
        cv2.kmeans(rng.permutation(pixels[kinds == kind])[:20_000], PROTOTYPES, None, criteria, 1,
                   cv2.KMEANS_PP_CENTERS)[2] for kind in range(len(synthetic.LABELS))])
    # -|x - m|^2 but for |x|^2, which all have in common, times what makes it a sure score.
    weights, bias = 2 * colours[..., None, None], -np.square(colours).sum(axis=1)
    labels = range(len(synthetic.LABELS))
    nodes = [
        helper.make_node('Conv', ['input_0', 'weights', 'bias'], ['near']),
        helper.make_node('Split', ['near'], [f'near_{i}' for i in labels], axis=1),
        *(helper.make_node('ReduceMax', [f'near_{i}'], [f'best_{i}'], axes=[1]) for i in labels),
        helper.make_node('Concat', [f'best_{i}' for i in labels], ['output_0'], axis=1)]
    _save(path, nodes, {'weights': 300 * weights, 'bias': 300 * bias}, (height, width),
          (len(labels), height, width))


def _save(path, nodes, constants, size, scores):
    """Write a graph with one input, 1 x 3 x ``size``, and one output, 1 x ``scores``."""
    graph = helper.make_graph(
        nodes, 'network',
        [helper.make_tensor_value_info('input_0', TensorProto.FLOAT, [1, 3, *size])],
        [helper.make_tensor_value_info('output_0', TensorProto.FLOAT, [1, *scores])],
        [numpy_helper.from_array(np.asarray(value, np.float32), name)
         for name, value in constants.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)],
                                ir_version=8), str(path))
