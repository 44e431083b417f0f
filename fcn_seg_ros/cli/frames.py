"""``fcn-seg frames``: the pictures of recordings that are most worth labelling."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .console import progress, warn
from .network_options import add_network_options, create_segmenter

if TYPE_CHECKING:
    from ..offline.shots import Shot

_EXAMPLES = """
examples:
  fcn-seg frames drive1/ drive2/ to_label --count 50            two rosbag2 folders
  fcn-seg frames yard.mp4 to_label --rate 2 --prelabel labelme  a video; masks to mend
  fcn-seg frames 'photos/**/*.jpg' to_label --network runs/yard/best/network.yaml

to_label/images has the pictures, frames.csv why each was chosen, contact_sheet.jpg shows the
first ones.
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """
    Add the command to the ``fcn-seg`` parser.

    :param commands: of ``ArgumentParser.add_subparsers``.
    """
    parser = commands.add_parser(
        'frames', help='choose the pictures of recordings that are most worth labelling',
        description='Choose the pictures of bags, videos and folders that are most worth '
                    'labelling: sharp, unlike each other, spread over all there is, and rather '
                    'where the present network is unsure or sees what it seldom sees.',
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', nargs='+', metavar='SOURCE',
                        help='rosbag2 folder, video, folder of pictures, or glob (in quotes)')
    parser.add_argument('output', metavar='OUT', help='folder to make')
    add_network_options(parser)
    group = parser.add_argument_group('choice')
    group.add_argument('--count', type=int, default=50, metavar='N',
                       help='pictures to choose (default: %(default)s)')
    group.add_argument('--rate', type=float, default=1.0, metavar='HZ',
                       help='pictures of a recording that are looked at, a second at most '
                            '(default: %(default)s)')
    group.add_argument('--topic', action='append', default=[], metavar='NAME',
                       help='image topic of bags; can be repeated (default: all of cameras)')
    group.add_argument('--seed', type=int, default=0, metavar='N',
                       help='of what chance decides; the same gives the same (default: 0)')
    group.add_argument('--prelabel', default='', choices=('labelme', 'cvat'),
                       help="write the network's masks as a start: labelme (a file beside each "
                            'picture) or cvat (an archive to import)')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """
    Run the command.

    :param args: the parsed options.
    :raises FcnSegError: when nothing could be done.
    """
    from ..selection.frames import check, select_frames, Selection
    selection = Selection(args.count, args.rate, args.seed, tuple(args.topic), args.prelabel)
    check(args.source, args.output)
    outcome = select_frames(create_segmenter(args, ignore_classes=('void',)), args.source,
                            args.output, selection, progress=_bar, report=warn)
    left_out = ', '.join(f'{count} {why}' for why, count in sorted(outcome.left_out.items()))
    print(f'looked at {outcome.seen} pictures'
          + (f', left out {left_out}' if left_out else ''))
    if outcome.written < args.count:
        print(f'only {outcome.written} of {args.count} pictures: there are no more that differ; '
              '--rate looks at more')
    print(f'{outcome.written} of {outcome.candidates} candidates -> {args.output}/images, '
          'frames.csv, contact_sheet.jpg')


def _bar(shots: 'Iterable[Shot]', title: str) -> 'Iterable[Shot]':
    return progress(shots, unit='picture', title=title)
