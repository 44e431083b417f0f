"""What the files in ``config/nav2`` come to, by a model of the layers that read them."""

from itertools import product
from pathlib import Path
import re

from fcn_seg_ros.support.paths import share_dir
from nav2_model import FREE, layered, LETHAL, obstacle_layer, static_layer, UNKNOWN, VoxelLayer
import numpy as np
import pytest
import yaml

FOLDER = share_dir() / 'config' / 'nav2'
PAGE = (Path(__file__).parents[2] / 'docs' / 'navigation.md').read_text(encoding='utf-8')

CELLS = {
    # what camera and lidar know of it: (value in our grid, lidar's cost)
    'nobody saw it': (-1, None), 'camera: cost 50': (50, None), 'camera: obstacle': (100, None),
    'camera: obstacle, lidar: free': (100, FREE), 'camera: cost 50, lidar: obstacle': (50, LETHAL),
    'lidar: obstacle': (-1, LETHAL)}
WANTED = [UNKNOWN, 127, LETHAL, LETHAL, LETHAL, LETHAL]
"""What a planner has to see in these cells."""


def combined(first, use_maximum, track_unknown, unobserved, newest=False):
    """Return the costs of :data:`CELLS` with camera and lidar layers in an order."""
    grid = [unobserved if value == -1 else value for value, _ in CELLS.values()]
    layers = [static_layer(grid, use_maximum=use_maximum, track_unknown=track_unknown,
                           unknown_is_transparent=newest),
              obstacle_layer([cost for _, cost in CELLS.values()], track_unknown=track_unknown)]
    return layered(layers if first == 'camera' else layers[::-1], track_unknown,
                   len(CELLS)).tolist()


def shipped(name):
    """Return the costmap's parameters of a file."""
    return yaml.safe_load((FOLDER / name).read_text())['local_costmap']['local_costmap'][
        'ros__parameters']


def test_the_shipped_static_layer_shows_what_camera_and_lidar_saw():
    costmap = shipped('static_layer.yaml')
    settings = costmap['use_maximum'], costmap['track_unknown_space']
    assert combined('camera', *settings, -1) == WANTED
    assert combined('camera', *settings, -1, newest=True) == WANTED
    # behind the lidar's layer it would erase what that saw
    assert combined('lidar', *settings, -1)[4:] == [127, UNKNOWN]


def test_only_that_combination_keeps_unknown_unknown_and_loses_nothing():
    fine = [combination for combination in product(
        ('camera', 'lidar'), (False, True), (False, True), (-1, 0))
        if combined(*combination) == WANTED]
    assert fine == [('camera', False, True, -1)]


def test_a_maximum_with_unknown_tracked_hides_the_grid():
    for first, unobserved in product(('camera', 'lidar'), (-1, 0)):
        assert combined(first, True, True, unobserved)[1:3] == [UNKNOWN, UNKNOWN]
        # since Nav2's pull request 6516 it does not
        assert combined(first, True, True, unobserved, newest=True)[1:3] == [127, LETHAL]


def rows():
    """Return the rows of the page's table as (first, track, maximum, unobserved, costs)."""
    lines = PAGE[PAGE.index('| first in `plugins` |'):].splitlines()
    assert [cell.strip() for cell in lines[0].strip('|').split('|')][4:] == list(CELLS)
    for line in lines[2:]:
        if not line.startswith('|'):
            return
        first, track, maximum, unobserved, *costs = (
            cell.strip(' `*') for cell in line.strip('|').split('|'))
        for value in unobserved.split(' or '):
            yield first, track == 'true', maximum == 'true', int(value), costs


def named(cost):
    """Return a cost in the words of the page."""
    return {FREE: 'free', LETHAL: 'lethal', UNKNOWN: 'unknown'}.get(cost, str(cost))


def test_the_pages_table_is_what_the_model_says():
    checked = set()
    for first, track, maximum, unobserved, costs in rows():
        assert [named(cost) for cost in combined(first, maximum, track, unobserved)] == costs
        checked.add((first, track, maximum, unobserved))
    assert len(checked) >= 10


FEET = [(2.02, y, z) for y in np.arange(-0.27, 0.3, 0.05) for z in (-1e-6, 1e-6)]
"""A box's feet on the ground plane, which rounding puts a little below or above it."""
GROUND = [(x, y, 0.0) for x in np.arange(0.5, 4.9, 0.03) for y in np.arange(-2.0, 2.0, 0.03)]


def marked_after_clearing(origin_z, height):
    """Return how many cells of a box stay marked once the camera sees the ground there."""
    layer = shipped('voxel_layer.yaml')['camera_layer']
    voxels = VoxelLayer(origin_z, layer['z_resolution'], layer['z_voxels'])
    voxels.mark(FEET)
    assert (voxels.costs == LETHAL).sum() >= 12
    voxels.clear((0.0, 0.0, height), GROUND, layer['clear']['raytrace_max_range'])
    return int((voxels.costs == LETHAL).sum())


@pytest.mark.parametrize('height', [0.4, 0.6, 1.0])
def test_voxels_of_feet_on_the_ground_are_cleared(height):
    assert marked_after_clearing(
        shipped('voxel_layer.yaml')['camera_layer']['origin_z'], height) == 0
    # with a border between voxels at the ground, rays end above the lower one
    assert marked_after_clearing(-0.15, height) > 0


def plane(x, y, z):
    """Return the points of a grid, float N x 3."""
    return np.stack(np.meshgrid(x, y, z), axis=-1).reshape(-1, 3)


def test_voxels_of_a_box_before_a_wall_are_cleared():
    layer = shipped('voxel_layer.yaml')['camera_layer']
    # the ground is hidden from the wall on, which lies where rays over the box's top end
    seen = {'mark': plane([4.5], np.arange(-1.0, 1.0, 0.03), np.arange(0.05, 1.5, 0.03)),
            'clear': plane(np.arange(0.5, 4.5, 0.03), np.arange(-1.0, 1.0, 0.03), [0.0])}

    def left(sources):
        voxels = VoxelLayer(layer['origin_z'], layer['z_resolution'], layer['z_voxels'])
        voxels.mark(plane(np.arange(3.02, 3.8, 0.04), np.arange(-0.4, 0.4, 0.04), [0.57]))
        assert (voxels.costs == LETHAL).sum() > 200
        for source in sources:
            voxels.clear((0.0, 0.0, 1.2), seen[source], layer[source]['raytrace_max_range'])
        return int((voxels.costs == LETHAL).sum())

    clearing = [source for source in layer['observation_sources'].split()
                if layer[source]['clearing']]
    assert left(clearing) == 0
    assert left(['clear']) > 150


@pytest.mark.parametrize('name', ['obstacle_layer.yaml', 'voxel_layer.yaml',
                                  'spatio_temporal_voxel_layer.yaml'])
def test_a_camera_that_dies_is_noticed(name):
    layer = shipped(name)['camera_layer']
    for source in layer['observation_sources'].split():
        # STVL's sources that only clear never count as updated, and would never be current
        watched = layer[source]['marking'] or not name.startswith('spatio')
        assert layer[source]['expected_update_rate'] == (0.5 if watched else 0.0)
    assert re.search(r'#[^\n]*fcn-seg nav2 --rate', (FOLDER / name).read_text())
