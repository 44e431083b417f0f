"""
Parameter files that connect Nav2's layers to the node's topics, made for one robot.

Each consumer has a text with the reasons for its values beside them; what differs from robot
to robot (topics, cameras, frames, class names) is filled in.  The files in ``config/nav2``
are what :func:`parameters_for` returns for the defaults.
"""

from collections.abc import Callable
from dataclasses import dataclass
import json

from . import consumer_texts as texts
from .roles import RoleTable
from ..networks.classes import ClassSet

LETHAL = 254
"""Cost of an obstacle in Nav2; a cost of 0 to 100 is scaled to it."""
LATE = 0.3
"""Seconds by which a cloud may come late to a layer, which counts from the last one's arrival."""
STALE = 0.5
"""The same for Collision Monitor, which counts from the stamp: the time of the work on top."""


@dataclass(frozen=True)
class Robot:
    """
    What the files have to know of the node and the robot.

    :param node: the node's name.
    :param namespace: the node's namespace, '' for none.
    :param cameras: the node's parameter ``cameras``; none for a single, unnamed camera.
    :param robot_frame: the robot's base frame, Nav2's ``robot_base_frame``.
    :param grid_frame: the node's ``costmap.frame``, Nav2's ``global_frame``.
    :param rate: clouds a second that each camera comes to, at least.
    """

    node: str = 'segmentation'
    namespace: str = ''
    cameras: tuple[str, ...] = ()
    robot_frame: str = 'base_link'
    grid_frame: str = 'odom'
    rate: float = 5.0

    def silence(self, spare: float) -> float:
        """
        Return the seconds without a cloud after which a camera counts as silent.

        :param spare: seconds beyond the time between two clouds.
        """
        return round(1.0 / self.rate + spare, 2)

    def topic(self, output: str, camera: str = '') -> str:
        """
        Return the full name of one of the node's topics.

        :param output: what comes after ``~/``, such as 'obstacles'.
        :param camera: the camera's name, '' for outputs that all cameras share.
        """
        return '/' + '/'.join(part for part in (
            self.namespace.strip('/'), self.node, camera, output) if part)

    def sources(self, *kinds: str) -> list[tuple[str, str, str]]:
        """
        Return the observation sources of a layer as (name, kind, camera).

        :param kinds: the kinds that each camera has; their names are the sources' where there
            is one camera only.
        """
        return [('_'.join([kind, *camera.split('/')]) if camera else kind, kind, camera)
                for camera in self.cameras or ('',) for kind in kinds]


def parameters_for(consumer: str, robot: Robot, classes: ClassSet, roles: RoleTable) -> str:
    """
    Return the parameters of one of :data:`CONSUMERS` as the text of a YAML file.

    :param consumer: its name.
    :param robot: what to connect it to.
    :param classes: the classes of the network that the node runs.
    :param roles: what these mean to the robot.
    """
    return CONSUMERS[consumer](robot, classes, roles)


def _costmap(header: str, of_costmap: str, layer: str, robot: Robot) -> str:
    """Return a local costmap's file: comment, the costmap's own parameters, camera_layer."""
    return header + texts.COSTMAP_HEAD.format(
        global_frame=robot.grid_frame, robot_frame=robot.robot_frame) + of_costmap \
        + _indented(layer, 6) + texts.COSTMAP_TAIL


def _with_sources(layer: str, robot: Robot, kinds: dict[str, tuple[str, str]]) -> str:
    """Return a layer's text with a source of each kind and camera: {kind: (output, text)}."""
    sources = robot.sources(*kinds)
    names = ' '.join(name for name, _, _ in sources)
    parts = [layer.format(sources=names)]
    for name, kind, camera in sources:
        output, text = kinds[kind]
        text = text.format(topic=robot.topic(output, camera), silence=robot.silence(LATE))
        parts.append(_indented(f'{name}:\n' + _indented(text, 2), 2))
    return ''.join(parts)


def _static(robot: Robot, classes: ClassSet, roles: RoleTable) -> str:
    return _costmap(texts.STATIC_HEADER, texts.STATIC_COSTMAP,
                    texts.STATIC_LAYER.format(topic=robot.topic('costmap')), robot)


def _obstacle(robot: Robot, classes: ClassSet, roles: RoleTable) -> str:
    return _costmap(texts.OBSTACLE_HEADER, texts.BY_MAXIMUM, _with_sources(
        texts.OBSTACLE_LAYER, robot, texts.OBSTACLE_SOURCES), robot)


def _voxel(robot: Robot, classes: ClassSet, roles: RoleTable) -> str:
    return _costmap(texts.VOXEL_HEADER, texts.BY_MAXIMUM, _with_sources(
        texts.VOXEL_LAYER, robot, texts.VOXEL_SOURCES), robot)


def _spatio_temporal(robot: Robot, classes: ClassSet, roles: RoleTable) -> str:
    return _costmap(texts.STVL_HEADER, texts.BY_MAXIMUM, _with_sources(
        texts.STVL_LAYER, robot, texts.STVL_SOURCES), robot)


def _semantic(robot: Robot, classes: ClassSet, roles: RoleTable) -> str:
    groups = _by_cost(classes, roles)
    sources = robot.sources('camera')
    layer = [texts.SEMANTIC_LAYER.format(sources=' '.join(name for name, _, _ in sources))]
    for name, _, camera in sources:
        source = texts.SEMANTIC_SOURCE.format(
            **{output: robot.topic(output, camera)
               for output in ('class_mask', 'confidence', 'points')},
            label_info=robot.topic('label_info'), types=_listed(list(groups), 'class_types: '))
        for kind, (cost, labels) in groups.items():
            text = texts.SEMANTIC_LETHAL if cost == LETHAL else texts.SEMANTIC_TYPE
            source += f'{kind}:\n' + _indented(
                _listed(labels, 'classes: ') + text.format(cost=cost), 2)
        layer.append(_indented(f'{name}:\n' + _indented(source, 2), 2))
    return _costmap(texts.SEMANTIC_HEADER.format(
        classes=classes.name, label_info=robot.topic('label_info'), node=robot.node),
        texts.BY_MAXIMUM, ''.join(layer), robot)


def _collision_monitor(robot: Robot, classes: ClassSet, roles: RoleTable) -> str:
    sources = robot.sources('camera')
    return texts.COLLISION_MONITOR.format(
        robot_frame=robot.robot_frame, grid_frame=robot.grid_frame, silence=robot.silence(STALE),
        sources=', '.join(f'"{name}"' for name, _, _ in sources)) + ''.join(
            _indented(f'{name}:\n' + _indented(texts.COLLISION_SOURCE.format(
                topic=robot.topic('obstacles', camera)), 2), 4)
            for name, _, camera in sources)


def _by_cost(classes: ClassSet, roles: RoleTable) -> dict[str, tuple[int, list[str]]]:
    """Return {kind: (Nav2's cost, labels)}: what costs nothing first, obstacles last."""
    groups: dict[str, tuple[int, list[str]]] = {}
    for index, label in enumerate(classes.labels):
        if roles.obstacle[index]:
            kind, cost = 'lethal', LETHAL
        elif roles.ground[index]:
            kind = f'ground_{roles.cost[index]:.0f}'
            cost = round(float(roles.cost[index]) / 100 * LETHAL)
        else:
            kind, cost = 'overhead' if roles.overhead[index] else 'unknown', 0
        groups.setdefault(kind, (cost, []))[1].append(label)
    return dict(sorted(groups.items(), key=lambda item: (item[1][0], item[0])))


def _listed(values: list[str], key: str) -> str:
    """Return ``key`` with a YAML list of texts, broken at 80 columns."""
    lines, line = [], key + '['
    for number, value in enumerate(values):
        word = json.dumps(value, ensure_ascii=False) + (']' if number == len(values) - 1 else ', ')
        if len(line) + len(word) > 80:
            lines.append(line.rstrip())
            line = ' ' * (len(key) + 1)
        line += word
    return '\n'.join([*lines, line]) + '\n'


def _indented(text: str, columns: int) -> str:
    """Return a text with every line moved to the right."""
    return ''.join(' ' * columns + line for line in text.splitlines(keepends=True))


CONSUMERS: dict[str, Callable[[Robot, ClassSet, RoleTable], str]] = {
    'static_layer': _static,
    'obstacle_layer': _obstacle,
    'voxel_layer': _voxel,
    'spatio_temporal_voxel_layer': _spatio_temporal,
    'semantic_segmentation_layer': _semantic,
    'collision_monitor': _collision_monitor,
}
"""What can be connected, by the names of the files in ``config/nav2``."""
