"""The whole examination of a graph, as a process: options in, findings out, both JSON."""

from dataclasses import dataclass
import json
import os
import sys

import rclpy
from rclpy.signals import SignalHandlerOptions

from . import nodes
from .camera import CameraExamination, Topics
from .nodes import SegmentationNode
from .watch import Watch
from ..dds import profile_environment
from ...doctor.finding import Finding, Level


@dataclass(frozen=True)
class Options:
    """
    What to look for.

    :param topic: of the images; '' for what a running node says, else ``image``.
    :param namespace: of node and camera; '' for any.
    :param node: name of the node; '' for any.
    :param patience: seconds that something is waited for which may not be there.
    """

    topic: str = ''
    namespace: str = ''
    node: str = ''
    patience: float = 5.0


def main() -> None:
    """Read options from the first argument, and print findings, one JSON list."""
    options = Options(**json.loads(sys.argv[1]))
    os.environ.update(profile_environment())  # Fast DDS reads it at init
    # Ctrl-C ends it like any program; rclpy's handlers and what is destroyed here would race.
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        found = examine(options)
    finally:
        rclpy.try_shutdown()
    print(json.dumps([dict(finding._asdict(), level=int(finding.level)) for finding in found]))


def examine(options: Options) -> list[Finding]:
    """
    Look at the graph.

    :param options: what to look for.
    """
    watch = Watch(options.patience)
    try:
        if not watch.wait_until(watch.others):
            return [Finding(Level.OK, 'ROS graph', 'no other node is seen on domain '
                            f"{os.environ.get('ROS_DOMAIN_ID') or 0}{_closed()}: start node and "
                            'camera to have them looked at, with the same settings')]
        segmentations = nodes.find(watch, options.node, options.namespace)
        found = [Finding(Level.OK, 'ROS graph', f'{len(watch.others())} nodes are seen')]
        if not segmentations:
            found.append(_no_node(watch, options))
        said = [each for segmentation in segmentations
                for each in nodes.examine(watch, segmentation)]
    finally:
        watch.close()
    cameras = [each for topics in _cameras(segmentations, options)
               for each in CameraExamination(topics, options.patience).run()]
    # Node and doctor see the same with the same words: once is enough.
    seen = {finding.text for finding in cameras}
    return [*found, *(finding for finding in said if finding.text not in seen), *cameras]


def _closed() -> str:
    """Return what keeps the doctor from seeing nodes that run elsewhere, '' where nothing does."""
    found = [f'{name}={value}' for name, far in (
        ('ROS_LOCALHOST_ONLY', '0'), ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET'))
             if (value := os.environ.get(name, far)) != far]
    return f' ({", ".join(found)}: those of other machines, or all, are not to be seen)' \
        if found else ''


def _no_node(watch: Watch, options: Options) -> Finding:
    wanted = '/'.join(filter(None, (options.namespace.strip('/'), options.node.strip('/'))))
    return Finding(
        Level.FAULT if wanted else Level.OK, 'segmentation node',
        f"none{f' called {wanted}' if wanted else ''} is heard on /diagnostics",
        f"there are {', '.join(watch.others())}" if wanted else '')


def _cameras(segmentations: list[SegmentationNode], options: Options) -> list[Topics]:
    """Return the cameras of the nodes, or the one that the options name."""
    first = segmentations[0].parameters if segmentations else nodes.defaults()
    named = Topics(image=options.topic.removesuffix('/compressed') or Topics.image,
                   namespace=options.namespace, expected=bool(options.topic), parameters=first)
    if options.topic:
        return [named]
    found = []
    for segmentation in segmentations:
        for image, depth in zip(segmentation.values('camera image'),
                                segmentation.values('navigation')):
            found.append(Topics(
                image=_without_transport(image['topic'], segmentation), expected=True,
                info=image['camera_info topic'], depth=depth['depth topic'],
                parameters=segmentation.parameters))
    return found or [named]


def _without_transport(topic: str, segmentation: SegmentationNode) -> str:
    compressed = segmentation.parameters['image_transport'] == 'compressed'
    return topic.removesuffix('/compressed') if compressed else topic
