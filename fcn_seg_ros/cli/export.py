"""``fcn-seg export``: a network as ONNX for other programs."""

import argparse
from pathlib import Path

from .network_options import add_head_option, add_network_option, add_weights_options
from .values import size_argument
from ..support.arrays import Size

_CALIBRATION_PICTURES = 64


def add_parser(commands: 'argparse._SubParsersAction[argparse.ArgumentParser]') -> None:
    """
    Add the command's parser.

    :param commands: the parsers of ``fcn-seg``'s commands.
    """
    parser = commands.add_parser(
        'export', help='write a network as ONNX',
        description='Write fcn_resnet18.onnx, classes.txt, colors.txt and network.yaml, checked '
                    'against PyTorch. With --head stride32 the file has the form of the '
                    'published networks, which jetson-inference takes.')
    add_network_option(parser)
    add_weights_options(parser)
    parser.add_argument('--output', required=True, metavar='FOLDER', help='folder to write into')
    add_head_option(parser)
    parser.add_argument('--name', default='', help="name in network.yaml (default: the network's)")
    parser.add_argument('--size', type=size_argument, metavar='WxH', help='input size, pixels')
    parser.add_argument('--opset', type=int, metavar='N', help='ONNX operator set (default: 11)')
    parser.add_argument('--dynamic-batch', action='store_true',
                        help='leave the number of pictures open')
    parser.add_argument('--int8', default='', metavar='FOLDER',
                        help='also write fcn_resnet18.int8.onnx, which --precision int8 runs on '
                             'a CPU, calibrated on up to 64 pictures of this folder: some like '
                             'those that the camera will see')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """
    Export; print the file's path.

    :param args: the command's options.
    :raises FcnSegError: when it cannot be done.
    """
    from ..networks.loading import load_installed
    from ..training.export import export_onnx, OPSET, published_head
    network, model, classes, _ = load_installed(args.network, args.weights, args.models_dir)
    if args.head == 'stride32':
        model = published_head(model)
    path = export_onnx(
        model, args.output, name=args.name or network.name, classes=classes,
        size=args.size or Size(network.height, network.width), opset=args.opset or OPSET,
        dynamic_batch=args.dynamic_batch, mean=network.mean, std=network.std)
    print(path)
    if args.int8:
        print(write_int8(args.output, args.int8))


def write_int8(folder: str, pictures: str) -> Path:
    """
    Write the int8 graph of a network beside its weights; return its path.

    :param folder: of the network, with its network.yaml.
    :param pictures: folder of pictures to calibrate on.
    :raises FcnSegError: when there is no such network or picture, or onnx is missing.
    """
    from ..inference.engines.quantized import quantize
    from ..inference.preprocess import Preprocessor
    from ..networks.loading import load_installed
    from ..offline.sources import list_images, read_image
    network, model, _, weights = load_installed(f'{folder}/network.yaml')
    size = Size(network.height, network.width)
    preprocess = Preprocessor(size, network.mean, network.std)
    _, paths = list_images(pictures)
    step = -(-len(paths) // _CALIBRATION_PICTURES)
    return quantize(model, size, weights,
                    (preprocess([read_image(path)]) for path in paths[::step]))
