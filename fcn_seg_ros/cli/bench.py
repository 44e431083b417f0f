"""``fcn-seg bench``: how fast everything is on this machine."""

import argparse
import json
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from .network_options import add_network_options
from .values import number_argument, size_argument
from ..support.arrays import Size

if TYPE_CHECKING:
    from ..bench.engines import Options

_PARTS = {
    'stages': 'steps of a frame: decoding, pre-processing, forward pass, post-processing',
    'engines': 'forward pass of every engine that works here',
    'dds': 'latency and throughput over DDS, against a node written the usual way',
    'start': 'from the start of the process to waiting for images, and the memory it takes',
    'idle': 'processor time with no subscriber',
    'memory': 'memory growth',
    'cameras': 'one network for 1, 2, 4 and 8 cameras',
    'profile': 'the Fast DDS profile of the package against none'}

_EXAMPLES = """
Without a part named, all of them run (those that need ROS 2 where it is there), in
about twelve minutes.  Nothing else should run on the machine meanwhile.

examples:
  fcn-seg bench --json bench.json --png bench.png
  fcn-seg bench --stages --engines --network fcn-resnet18-cityscapes-1024x512
  fcn-seg bench --dds --seconds 2 --rounds 1
  fcn-seg bench --dds --start --against ~/fcn_seg_ros_of_last_month
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """
    Add the command to the ``fcn-seg`` parser.

    :param commands: of ``ArgumentParser.add_subparsers``.
    """
    parser = commands.add_parser(
        'bench', help='measure how fast everything is on this machine',
        description='Measure steps, engines, and the node from end to end.',
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_network_options(parser)
    parser.add_argument('--size', type=size_argument, default=Size(720, 1280), metavar='WxH',
                        help="of the camera's pictures (default: 1280x720)")
    parser.add_argument('--image', default='', metavar='FILE',
                        help='what the cameras see (default: a street)')
    parser.add_argument('--seconds', type=number_argument(0.1, 3600), default=5.0, metavar='S',
                        help='of each measurement (default: %(default)g)')
    parser.add_argument('--rounds', type=int, choices=range(1, 101), default=3, metavar='N',
                        help='how often those are repeated, in turns, that are compared with '
                             'each other (default: %(default)d)')
    parser.add_argument('--frames', type=int, choices=range(10, 1_000_001), default=3000,
                        metavar='N', help='to watch the memory for (default: %(default)d)')
    parser.add_argument('--against', metavar='FOLDER', type=_checkout,
                        help='checkout of another version, whose node is measured in turns with '
                             'this one by --dds and --start; built with CMake, if it is to have '
                             'its compiled part')
    parser.add_argument('--json', metavar='FILE', help='write all the numbers')
    parser.add_argument('--png', metavar='FILE', help='write a bar chart')
    parts = parser.add_argument_group('parts')
    for name, text in _PARTS.items():
        parts.add_argument(f'--{name}', dest='parts', action='append_const', const=name,
                           help=text)
    parser.set_defaults(run=run, parts=[])


def run(args: argparse.Namespace) -> int:
    """
    Measure, print tables, write the files asked for.

    :param args: of the parser.
    :returns: exit status, 1 when a part could not be measured.
    :raises FcnSegError: when the network cannot be had, or ROS 2 for a part that needs it.
    """
    from ..bench import report, suite
    options: Options = {
        'network': args.network, 'weights': args.weights, 'models_dir': args.models_dir,
        'device': args.device, 'engine': args.engine, 'precision': args.precision,
        'threads': args.threads}
    parts = suite.choose_parts(args.parts)
    results = suite.run(
        options, parts, size=args.size, seconds=args.seconds, rounds=args.rounds,
        frames=args.frames, image=args.image, against=args.against or '',
        progress=lambda text: print(f'... {text}', file=sys.stderr, flush=True))
    print(report.to_text(results))
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=2) + '\n', encoding='utf-8')
    if args.png:
        import cv2
        _, data = cv2.imencode('.png', report.to_chart(results)[..., ::-1])
        Path(args.png).write_bytes(data.tobytes())
    for name, reason in results.get('failed', {}).items():
        print(f'fcn-seg: {name.replace("_", " ")} not measured: {reason}', file=sys.stderr)
    return int('failed' in results)


def _checkout(text: str) -> str:
    folder = Path(text).expanduser().resolve()
    if not (folder / 'fcn_seg_ros' / '__init__.py').is_file():
        raise argparse.ArgumentTypeError(f'{folder} is no checkout of fcn_seg_ros')
    return str(folder)
