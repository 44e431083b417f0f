"""The camera that demo.launch.py says the bundled clip's to be: its place, and no false alarm."""

import math
from pathlib import Path

from fcn_seg_ros.geometry.calibration import Calibration
from fcn_seg_ros.geometry.pose import Pose
from fcn_seg_ros.navigation.roles import load_overrides, RoleTable
from fcn_seg_ros.networks.registry import Registry
from graph import picture
from nav_msgs.msg import OccupancyGrid
import numpy as np
from robot import read_cloud, Robot
from sensor_msgs.msg import CameraInfo, PointCloud2
import yaml

DEMO = Path(__file__).resolve().parents[2] / 'demo'
WIDTH, HEIGHT, FIELD_OF_VIEW = 768, 576, 35.0
WALKERS = (
    (374, 169, 377, 236), (389, 180, 388, 259), (408, 184, 413, 263), (487, 204, 488, 292),
    (517, 201, 518, 283), (632, 234, 634, 338),
    (362, 200, 368, 272), (391, 179, 395, 254), (506, 149, 508, 219), (529, 152, 528, 220),
    (604, 154, 601, 232), (230, 62, 231, 93))
"""Pixels of heads and feet, u, v, u, v, in the clip's first picture and in its 41st."""
FRAMES = 20


def parameters():
    """Return {name: value} of the clip's parameter file, names as the node fixtures take them."""
    found = {}
    for name, value in yaml.safe_load((DEMO / 'walkers.yaml').read_text())['/**'][
            'ros__parameters'].items():
        found |= ({f'{name}__{key}': inner for key, inner in value.items()}
                  if isinstance(value, dict) else {name: value})
    return found


def camera_info():
    """Return what ``fcn-seg camera`` publishes beside the clip."""
    known = Calibration.from_field_of_view(WIDTH, HEIGHT, FIELD_OF_VIEW)
    return CameraInfo(width=known.width, height=known.height, k=known.k, p=known.p, r=known.r,
                      d=known.d, distortion_model=known.distortion_model)


def test_those_who_walk_there_are_as_tall_as_people():
    mount = {name.removeprefix('mount__'): value for name, value in parameters().items()
             if name.startswith('mount__')}
    pose, k = Pose.from_mount(**mount), camera_info().k
    heights = []
    for _, head, u, foot in WALKERS:
        ray = pose.rotation @ ((u - k[2]) / k[0], (foot - k[5]) / k[4], 1.0)
        place = pose.translation - pose.translation[2] / ray[2] * ray
        assert 10.0 < math.hypot(*place[:2]) < 80.0
        # the height over that place at which the head's row is seen
        tops = place + np.linspace(0.0, 3.0, 301)[:, None] * (0.0, 0.0, 1.0)
        seen = (tops - pose.translation) @ pose.rotation
        rows = k[4] * seen[:, 1] / seen[:, 2] + k[5]
        heights.append(0.01 * np.abs(rows - head).argmin())
    # demo/README.md
    assert f'{np.mean(heights):.2f}' == '1.74'
    assert [f'{end(heights):.2f}' for end in (min, max)] == ['1.54', '1.93']


def test_the_bundled_networks_classes_have_roles_there():
    classes = Registry.load().get('fcn-resnet18-street').classes
    roles = RoleTable.from_classes(classes, load_overrides(DEMO / 'walkers_roles.yaml'))
    assert roles.ground[classes.index('vegetation')]


def test_clouds_and_grid_come_without_a_single_warning(nodes):
    robot = Robot(nodes, **parameters())
    robot.listen(PointCloud2, 'points', 'obstacles', 'ground')
    robot.listen(OccupancyGrid, 'costmap', latched=True)
    robot.graph.spin_for(2.5)  # the seconds in which problems would be passed over
    for seed in range(FRAMES):
        points, _, _, grid = robot.film(picture(HEIGHT, WIDTH, seed), camera_info(),
                                        'points', 'obstacles', 'ground', 'costmap')
    assert (grid.info.width, grid.header.frame_id) == (360, 'base_footprint')
    # The network of the tests knows no roles; the ground is in view all the same.
    assert np.isfinite(read_cloud(points)['z']).sum() > 1000
    assert [line for line in robot.node.lines() if '[WARN]' in line or '[ERROR]' in line] == []
    assert robot.status().level == robot.status().OK, robot.status().message
