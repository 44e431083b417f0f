"""What ``rviz/fcn_seg.rviz`` shows, and how it is changed for a certain node and robot."""

import os
from pathlib import Path
import tempfile
from typing import Any

import yaml

from ..support.paths import share_dir

CAMERA_TOPIC, NODE = '/image', '/segmentation'
"""The camera's topic and the node's full name in the file: the defaults."""
SHARED = ('legend', 'costmap', 'costmap_updates')
"""Outputs that are one for all cameras."""
_PLACED = ('Map', 'PointCloud2')
"""Classes of displays that show something at its place in the world."""


def config_path() -> Path:
    """Return the path of the package's RViz configuration."""
    return share_dir() / 'rviz' / 'fcn_seg.rviz'


def write_config(frame: str, *, placed: bool = True, distance: float = 12.0) -> Path:
    """
    Write a copy of the configuration for a certain robot.

    RViz's own option for the frame, -f, does not reach the Map display, which goes on waiting for
    transforms to the file's frame.

    :param frame: the fixed frame.
    :param placed: show clouds and grid; without calibration and pose there are none, and
        subscribing to them would make the node complain.
    :param distance: of the eye from what it looks at, m, which lies a quarter of it ahead.
    :returns: path of the copy, a temporary file that is the caller's to remove.
    """
    config = yaml.safe_load(config_path().read_text())
    shown = config['Visualization Manager']
    shown['Global Options']['Fixed Frame'] = frame
    view = shown['Views']['Current']
    view['Distance'], view['Focal Point']['X'] = distance, distance / 4
    for display in shown['Displays']:
        if not placed and display['Class'].rpartition('/')[2] in _PLACED:
            display['Enabled'] = display['Value'] = False
    with tempfile.NamedTemporaryFile('w', prefix='fcn_seg_', suffix='.rviz', delete=False) as file:
        yaml.safe_dump(config, file, sort_keys=False)
    return Path(file.name)


def topics(path: str | os.PathLike[str]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """
    List the topics that an RViz configuration subscribes to.

    :param path: of the file.
    :returns: list of (display, topic): the display as the file describes it, and the one of
        its properties that holds the topic ('Value') and its quality of service.
    """
    displays = yaml.safe_load(Path(path).read_text())['Visualization Manager']['Displays']
    return [(display, display[key]) for display in displays
            for key in ('Topic', 'Update Topic') if key in display]


def remappings(*, name: str = 'segmentation', namespace: str = '', image: str = 'image',
               camera: str = '') -> list[tuple[str, str]]:
    """
    Return what RViz must be started with to show a certain node.

    :param name: of the node.
    :param namespace: of the node, '' for the root.
    :param image: the camera's topic.
    :param camera: name of the camera to show if the node has several; ``image`` does not
        matter then.
    :returns: list of (topic in the configuration, topic of the node).
    """
    base = '/' + namespace.strip('/') if namespace.strip('/') else ''
    if camera:
        image = f'{camera}/image'
    pairs = [(CAMERA_TOPIC, image if image.startswith('/') else f'{base}/{image}')]
    for _, topic in topics(config_path()):
        output = topic['Value'].removeprefix(f'{NODE}/')
        if output != topic['Value']:
            parts = [base, name, output] if output in SHARED or not camera else [
                base, name, camera, output]
            pairs.append((topic['Value'], '/'.join(parts)))
    return [(source, target) for source, target in pairs if source != target]
