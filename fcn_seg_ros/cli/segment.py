"""``fcn-seg segment``: images, folders, videos and bags through a network."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .console import progress, warn
from .network_options import add_network_options, create_segmenter
from .values import number_argument, Renamed
from ..errors import MediaError
from ..support.arrays import parse_size, Size

if TYPE_CHECKING:
    from ..offline.render import Renderer
    from ..offline.stats import StatsTable
    from ..segmenter import Segmenter

_EXAMPLES = """
examples:
  fcn-seg segment street.jpg out.jpg                    overlay of one image
  fcn-seg segment street.jpg out.png --visualize class_mask
  fcn-seg segment photos/ out/ --visualize overlay,color_mask --stats shares.csv
  fcn-seg segment 'photos/**/*.png' out/                a glob, subfolders are kept
  fcn-seg segment drive.mp4 out.mp4 --visualize side-by-side,legend
  fcn-seg segment recording/ out_bag/ --topic /camera/image_raw    a rosbag2 folder
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """
    Add the command to the ``fcn-seg`` parser.

    :param commands: of ``ArgumentParser.add_subparsers``.
    """
    parser = commands.add_parser(
        'segment', help='segment images, a video or a rosbag2 recording',
        description='Segment an image, a folder or glob of images, a video, or a rosbag2 '
                    'recording (mcap, sqlite3).',
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('input', metavar='INPUT',
                        help='image, folder, glob (in quotes), video, or rosbag2 folder')
    parser.add_argument('output', metavar='OUTPUT',
                        help='file or folder to write; for a bag the folder of the new bag')
    add_network_options(parser)
    group = parser.add_argument_group('result')
    group.add_argument('--visualize', type=_names, metavar='LIST',
                       help='comma-separated pictures: overlay, color_mask (class '
                            'colours), confidence, class_mask (class ids, 255 = unknown); and '
                            'how to arrange them: side-by-side (with the input), legend (default: '
                            'overlay; for a bag class_mask,color_mask,overlay)')
    group.add_argument('--alpha', type=_alpha, default=0.5, metavar='A',
                       help='weight of the colours in the overlay, 0 to 1 (above 1: of 255, '
                            'as in jetson-inference; default: %(default)s)')
    group.add_argument('--mask-size', type=_size, default='input', metavar='SIZE',
                       help="size of the masks: input, network (the network's input size) "
                            'or WIDTHxHEIGHT (default: %(default)s)')
    group.add_argument('--output-size', type=_size, dest='mask_size', default=argparse.SUPPRESS,
                       action=Renamed, help=argparse.SUPPRESS)
    group.add_argument('--filter-mode', choices=('linear', 'point'), default='linear',
                       help='interpolate the scores, or take the nearest of their grid '
                            '(default: %(default)s)')
    group.add_argument('--ignore-class', action='append', metavar='LABEL',
                       help='never predict this class; can be repeated (default: void)')
    group.add_argument('--min-confidence', type=number_argument(0, 1), default=0.0, metavar='P',
                       help='pixels below this probability become unknown (255)')
    group.add_argument('--stats', type=_stats_file, metavar='FILE',
                       help='write the shares per class to a .csv or .json file')
    group.add_argument('--topic', action='append', default=[], metavar='NAME',
                       help='image topic of a bag to segment; can be repeated (default: all)')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """
    Run the command.

    :param args: the parsed options.
    :returns: exit status: 1 when some images could not be read.
    :raises FcnSegError: when nothing could be done.
    """
    from ..offline.render import Renderer
    from ..offline.sources import kind_of
    kind = kind_of(args.input)
    if kind == 'device':
        raise MediaError(f'{args.input} is a camera: "fcn-seg camera" publishes it for the node')
    if args.topic and kind != 'bag':
        raise MediaError(f'--topic is for bags, {args.input} is none')
    names = args.visualize or (
        ('class_mask', 'color_mask', 'overlay') if kind == 'bag' else ('overlay',))
    renderer = Renderer.from_names(names, alpha=args.alpha, unknown=args.min_confidence > 0)
    job = {'bag': _run_bag, 'video': _run_video}.get(kind, _run_images)
    return job(args, renderer)


def _run_images(args: argparse.Namespace, renderer: 'Renderer') -> int:
    from ..offline import jobs, sources
    from ..offline.kinds import local_source
    if sources.kind_of(args.input) == 'image':
        paths = [Path(local_source(args.input))]
        plans = [jobs.plan_image(paths[0], args.output, renderer.outputs)]
    else:
        root, paths = sources.list_images(args.input)
        plans = jobs.plan_images(root, paths, args.output, renderer.outputs)
    segmenter, stats = _load(args)
    failures = jobs.segment_images(
        segmenter, paths, plans, renderer, stats, mask_size=_mask_size(args),
        progress=partial(progress, unit='image', total=len(paths)), report=warn)
    if not stats.rows and len(paths) > 1:
        raise MediaError(f'none of the {len(paths)} images of {args.input} can be read')
    if stats.rows:
        where = ', '.join(str(path) for path in plans[0].values()) if len(paths) == 1 \
            else args.output
        _finish(args, stats, 'image', where)
    return 1 if failures else 0


def _run_video(args: argparse.Namespace, renderer: 'Renderer') -> int:
    from ..offline import jobs, sources
    plan = jobs.plan_video(args.input, args.output, renderer.outputs)
    with sources.Video(args.input) as video:
        jobs.check_sinks(plan, video.rate)
        segmenter, stats = _load(args)
        jobs.segment_video(
            segmenter, video, plan, renderer, stats, mask_size=_mask_size(args),
            progress=partial(progress, unit='frame', total=video.length), report=warn)
    _finish(args, stats, 'frame', ', '.join(str(path) for path in plan.values()))
    return 0


def _run_bag(args: argparse.Namespace, renderer: 'Renderer') -> int:
    from ..offline import bags
    bags.check(args.output, renderer)
    segmenter, stats = _load(args)
    job = bags.BagSegmenter(segmenter, renderer, mask_size=_mask_size(args))
    job.run(args.input, args.output, stats, topics=args.topic,
            progress=lambda messages, total: progress(messages, unit='image', total=total),
            report=warn)
    _finish(args, stats, 'image', args.output)
    return 0


def _load(args: argparse.Namespace) -> 'tuple[Segmenter, StatsTable]':
    """Return the segmenter and an empty table for its classes."""
    from ..offline.stats import StatsTable
    ignored = ('void',) if args.ignore_class is None else tuple(args.ignore_class)
    segmenter = create_segmenter(args, ignore_classes=ignored, nearest=args.filter_mode == 'point',
                                 min_confidence=args.min_confidence)
    return segmenter, StatsTable(segmenter.classes.labels, segmenter.network.name)


def _finish(args: argparse.Namespace, stats: 'StatsTable', unit: str, where: str) -> None:
    """Write the table and say what was done."""
    if args.stats:
        stats.write(args.stats)
        where += f', {args.stats}'
    count = len(stats.rows)
    print(f'{stats.summary()}\n{count} {unit}{"s" if count != 1 else ""} -> {where}')


def _mask_size(args: argparse.Namespace) -> Size | str | None:
    return None if args.mask_size == 'input' else args.mask_size


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(',') if name.strip())


def _alpha(text: str) -> float:
    value = number_argument(0, 255)(text)
    return value / 255 if value > 1 else value


def _size(text: str) -> Size | str:
    if text in ('input', 'network'):
        return text
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'must be input, network or a size: {error}') from None


def _stats_file(text: str) -> str:
    from ..offline.stats import SUFFIXES
    if Path(text).suffix.lower() not in SUFFIXES:
        raise argparse.ArgumentTypeError(f'must end in {" or ".join(SUFFIXES)}')
    return text
