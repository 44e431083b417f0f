"""``fcn-seg tune``: find the fastest engine on this machine, and remember it."""

import argparse
from itertools import islice
import sys
from typing import TYPE_CHECKING

from .network_options import add_device_option, add_network_option, add_weights_options
from .values import number_argument
from ..errors import FcnSegError
from ..support.arrays import UInt8Array

if TYPE_CHECKING:
    from ..bench.tune import Labels

_PICTURES = 8
"""Pictures that are segmented: of the demo's clip, or evenly from a folder."""
LEAST_AGREEMENT = 0.98
"""
Share of the pixels that must have the same class as in fp32, unless the command line says another.

The bundled network has 0.989 in int8 on the demo's clip, and 0.0004 less mIoU.
"""
_LABELLED = 64
"""Pictures of a data set that are segmented, evenly from all that it has."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """
    Add the command to the ``fcn-seg`` parser.

    :param commands: of ``ArgumentParser.add_subparsers``.
    """
    parser = commands.add_parser(
        'tune', help='find the fastest engine on this machine and remember it',
        description='Time every engine and precision that runs here, compare each with fp32, '
                    "and remember the fastest that is good enough: engine 'auto' of the node "
                    'and of the other commands takes it from then on. TensorRT engines are '
                    'built meanwhile, which takes minutes each. Nothing else should run on the '
                    'machine.')
    add_network_option(parser)
    add_weights_options(parser)
    add_device_option(parser)
    parser.add_argument('--images', default='', metavar='FOLDER',
                        help="pictures like your camera's (default: the demo's clip)")
    parser.add_argument('--data', default='', metavar='NAME',
                        help='labelled pictures instead, which the table then has the mean IoU '
                             'of: name of a data set, as fcn-seg evaluate takes it')
    parser.add_argument('--root', default='', metavar='FOLDER', help='folder of the data set')
    parser.add_argument('--split', default='val', help='part of the data set (default: val)')
    parser.add_argument('--agreement', type=number_argument(0, 1), default=LEAST_AGREEMENT,
                        metavar='SHARE',
                        help='share of the pixels that must have the same class as in fp32, 0 '
                             'to 1 (default: %(default)s)')
    parser.add_argument('--rounds', type=int, choices=range(1, 101), default=5, metavar='N',
                        help='how often every engine segments every picture '
                             '(default: %(default)d)')
    parser.add_argument('--dry-run', action='store_true', help='remember nothing')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """
    Measure, print the table, remember the fastest.

    :param args: of the parser.
    :raises FcnSegError: when nothing runs, nothing is accurate enough, or nothing can be
        written.
    """
    from ..bench import tune
    from ..inference.tuning import remember
    if bool(args.data) != bool(args.root) or (args.data and args.images):
        raise FcnSegError('labelled pictures are --data NAME and --root DIR, without --images')
    labels = None
    if args.data:
        pictures, labels = _labelled(args.data, args.root, args.split)
    else:
        pictures = _pictures(args.images)
    rows, where = tune.measure(
        args.network, pictures, labels=labels, device=args.device, rounds=args.rounds,
        weights=args.weights, models_dir=args.models_dir,
        progress=lambda line: print(line, file=sys.stderr))
    print(tune.table(rows))
    choice = tune.fastest(rows, args.agreement)
    print(f'\nfastest: {choice.engine} in {choice.precision}, {choice.milliseconds:.1f} ms a '
          f'frame, {choice.agreement:.2%} of the pixels as in fp32')
    if not args.dry_run:
        print(f"engine 'auto' takes it from now on ({remember(where, choice)})")


def _pictures(folder: str) -> list[UInt8Array]:
    """Return some pictures of a folder, or of the clip that comes with the package."""
    from ..offline.sources import list_images, read_image, Video
    from ..support.paths import share_dir
    if folder:
        _, paths = list_images(folder)
        step = -(-len(paths) // _PICTURES)
        return [read_image(path) for path in paths[::step]]
    with Video(str(share_dir() / 'demo' / 'walkers.mp4')) as video:
        step = max(1, (video.length or _PICTURES) // _PICTURES)
        return list(islice(video, 0, step * _PICTURES, step))


def _labelled(name: str, root: str, split: str) -> 'tuple[list[UInt8Array], Labels]':
    """Return some pictures of a data set, and their labels."""
    from ..bench.tune import Labels
    from ..training.datasets import open_dataset
    dataset = open_dataset(name, root, split)
    step = max(1, -(-len(dataset) // _LABELLED))
    items = [dataset[index] for index in range(0, len(dataset), step)]
    return ([picture.permute(1, 2, 0).contiguous().numpy() for picture, _ in items],
            Labels([mask.numpy() for _, mask in items], dataset.classes))
