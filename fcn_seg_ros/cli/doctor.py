"""``fcn-seg doctor``: what is there, and what to do about what is not."""

import argparse
from functools import partial, update_wrapper
import json

from .values import number_argument


def add_parser(commands: argparse._SubParsersAction) -> None:
    """
    Add the command to the ``fcn-seg`` parser.

    :param commands: of ``ArgumentParser.add_subparsers``.
    """
    parser = commands.add_parser(
        'doctor', help='say what is there, and what to do about what is not',
        description='Look at Python, libraries, GPU, ROS 2, shared memory and networks, and '
                    'segment a picture whose classes are known. Where a ROS graph is up, look at '
                    'its segmentation nodes, their cameras and TF. Exits with 0, 1 with '
                    'warnings, 2 with faults.')
    parser.add_argument('--topic', default='', metavar='NAME',
                        help="of the images (default: the running node's, else image)")
    parser.add_argument('--namespace', default='', metavar='NS',
                        help='of node and camera (default: any)')
    parser.add_argument('--node', default='', metavar='NAME',
                        help="the segmentation node's name (default: any)")
    parser.add_argument('--patience', type=number_argument(0.1, 20), default=5.0, metavar='S',
                        help='seconds that each thing on the graph is waited for '
                             '(default: %(default)s)')
    parser.add_argument('--json', action='store_true', help='print JSON for programs')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """
    Print one line for each finding, and what to do below it.

    :param args: of the parser.
    :returns: the worst level: 0, 1 with warnings, 2 with faults.
    """
    from ..doctor import examine, Level
    from ..doctor.graph import check_graph
    graph = update_wrapper(partial(check_graph, args.topic, args.namespace, args.node,
                                   args.patience), check_graph)
    findings = []
    for finding in examine(graph):
        findings.append(finding)
        if not args.json:
            print(f'{finding.level.name.lower():7}  {finding.subject}: {finding.text}')
            if finding.remedy:
                print(f'{"":9}-> {finding.remedy}')
    if args.json:
        print(json.dumps([{**finding._asdict(), 'level': finding.level.name.lower()}
                          for finding in findings], indent=2))
    return max((finding.level for finding in findings), default=Level.OK)
