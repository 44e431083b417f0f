"""Options that every command which runs a network shares."""

import argparse
from typing import Any, TYPE_CHECKING

from ..inference.engines import ENGINES, PRECISIONS

if TYPE_CHECKING:
    from ..segmenter import Segmenter

DEFAULT_NETWORK = 'fcn-resnet18-street'


def add_models_dir(parser: argparse._ActionsContainer) -> None:
    """
    Add the option that says where the user's networks are.

    :param parser: gets the option.
    """
    parser.add_argument('--models-dir', default='', metavar='FOLDER',
                        help='where weights are looked for first (default: '
                             '$XDG_CACHE_HOME/fcn_seg_ros)')


def add_weights_options(parser: argparse._ActionsContainer) -> None:
    """
    Add the options that choose a network's weights.

    :param parser: gets the options.
    """
    parser.add_argument('--weights', default='', metavar='FILE',
                        help="use these weights instead of the network's own "
                             '(.onnx, .pth, .safetensors)')
    add_models_dir(parser)


def add_network_option(parser: argparse._ActionsContainer) -> None:
    """
    Add the option that chooses a network.

    :param parser: gets the option.
    """
    parser.add_argument('--network', default=DEFAULT_NETWORK, metavar='NAME',
                        help='name, alias, or path of a network.yaml; "fcn-seg networks" '
                             'lists them (default: %(default)s)')


def add_device_option(parser: argparse._ActionsContainer) -> None:
    """
    Add the option that chooses where a network runs.

    :param parser: gets the option.
    """
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')


def add_head_option(parser: argparse._ActionsContainer, note: str = '') -> None:
    """
    Add the option that chooses which of a network's scores are taken.

    :param parser: gets the option.
    :param note: what more there is to say of the coarse head.
    """
    parser.add_argument('--head', default='main', choices=('main', 'stride32'),
                        help="whose scores: main, the decoder's; stride32, those of the coarse "
                             f'head that the published networks have{note} '
                             '(default: %(default)s)')


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """
    Add the options that choose a network and what runs it.

    :param parser: gets the options.
    """
    group = parser.add_argument_group('network')
    add_network_option(group)
    add_weights_options(group)
    add_device_option(group)
    group.add_argument('--engine', default='auto', help=', '.join(ENGINES))
    group.add_argument('--precision', default='auto', help=', '.join(PRECISIONS))
    group.add_argument('--threads', type=int, default=0, metavar='N',
                       help="CPU threads, 0 = the engine's own choice")


def create_segmenter(args: argparse.Namespace, **options: Any) -> 'Segmenter':
    """
    Return the Segmenter that the options of :func:`add_network_options` ask for.

    :param args: the parsed options.
    :param options: further arguments of the Segmenter.
    :raises FcnSegError: when it can't be had.
    """
    from ..segmenter import Segmenter  # torch takes seconds: not for --help
    return Segmenter(args.network, weights=args.weights, models_dir=args.models_dir,
                     device=args.device, engine=args.engine, precision=args.precision,
                     threads=args.threads, **options)
