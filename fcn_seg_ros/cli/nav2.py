"""``fcn-seg nav2``: Nav2's parameters for this robot, its cameras and its network."""

import argparse
import re
import sys

from .network_options import add_models_dir, add_network_option
from .values import number_argument
from ..errors import FcnSegError
from ..navigation.consumers import CONSUMERS, parameters_for, Robot
from ..navigation.roles import load_overrides, RoleTable
from ..networks.registry import Registry

_NAMES = re.compile(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)


def add_parser(commands: 'argparse._SubParsersAction[argparse.ArgumentParser]') -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        'nav2', help="print Nav2's parameters for a consumer of clouds, grid or masks",
        description="Print the parameters that connect one of Nav2's layers to the segmentation "
                    'node. The installed files in config/nav2 are what this prints for the '
                    'defaults; the comments in them say what else to set.')
    parser.add_argument('consumer', metavar='CONSUMER', choices=CONSUMERS,
                        help=', '.join(CONSUMERS))
    parser.add_argument('--node', type=_name, default=Robot.node, metavar='NAME',
                        help="the node's name (default: %(default)s)")
    parser.add_argument('--namespace', type=_name, default='', metavar='NS',
                        help="the node's namespace (default: none)")
    parser.add_argument('--cameras', type=_cameras, default=(), metavar='A,B',
                        help="the node's parameter cameras (default: one camera without a name)")
    add_network_option(parser)
    add_models_dir(parser)
    parser.add_argument('--roles', default='', metavar='FILE',
                        help="the node's parameter roles: what classes mean to this robot")
    parser.add_argument('--robot-frame', default=Robot.robot_frame, metavar='F',
                        help="the robot's base frame (default: %(default)s)")
    parser.add_argument('--grid-frame', default=Robot.grid_frame, metavar='F',
                        help="the node's parameter costmap.frame (default: %(default)s)")
    parser.add_argument('--rate', type=number_argument(0.01, 1000), default=Robot.rate,
                        metavar='HZ',
                        help='clouds a second that each camera comes to, at least: how long it '
                             'may be silent (default: %(default)g)')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the file."""
    registry = Registry.load(args.models_dir)
    network = registry.get(args.network)
    weights, classes = registry.find_weights(network), network.classes
    if weights is not None:  # which may have come with class names of their own
        classes = classes.replaced_by_files(weights.parent)
    roles = RoleTable.from_classes(classes, load_overrides(args.roles) if args.roles else None)
    robot = Robot(node=args.node, namespace=args.namespace, cameras=args.cameras,
                  robot_frame=_frame(args.robot_frame), grid_frame=_frame(args.grid_frame),
                  rate=args.rate)
    sys.stdout.write(parameters_for(args.consumer, robot, classes, roles))


def _name(text: str) -> str:
    """Return a name or a namespace, or refuse what ROS would."""
    if text and not _NAMES.fullmatch(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no name: letters, digits, _ and / make one")
    return text.strip('/')


def _cameras(text: str) -> tuple[str, ...]:
    """Return the cameras' names."""
    names = tuple(_name(name.strip()) for name in text.split(',') if name.strip())
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"'{text}' names a camera twice")
    return names


def _frame(text: str) -> str:
    """Return a frame's name, or refuse what would break the file."""
    if not re.fullmatch(r'[\w/.-]+', text, re.ASCII):
        raise FcnSegError(f"'{text}' is no name of a frame: letters, digits, _, -, . and / are")
    return text
