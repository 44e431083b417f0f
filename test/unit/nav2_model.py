"""
A small model of how Nav2's costmap layers combine, mark and clear.

Written from the behaviour of nav2_costmap_2d (Humble 1.1.20 to Lyrical 1.5.1, and the main
branch of September 2026 where it differs), for tests of the files in ``config/nav2``.
"""

from dataclasses import dataclass, field

import numpy as np

FREE, LETHAL, UNKNOWN = 0, 254, 255


def layered(layers, track_unknown, size):
    """
    Return the master costmap, uint8 array, after one update by some layers in order.

    :param layers: functions that change the master costmap in place.
    :param track_unknown: the costmap's ``track_unknown_space``: the reset value is unknown.
    :param size: cells.
    """
    master = np.full(size, UNKNOWN if track_unknown else FREE, np.uint8)
    for layer in layers:
        layer(master)
    return master


def static_layer(grid, *, use_maximum, track_unknown, lethal=100, trinary=False,
                 unknown_is_transparent=False):
    """
    Return a StaticLayer of a rolling costmap.

    :param grid: values of an OccupancyGrid; None where the grid does not reach.
    :param unknown_is_transparent: as Nav2's main branch takes the maximum since 6516.
    """
    def interpret(value):
        if value == -1:
            return UNKNOWN if track_unknown else FREE
        if value >= lethal:
            return LETHAL
        return FREE if trinary else int(value / lethal * LETHAL)

    def update(master):
        for cell, value in enumerate(grid):
            if value is None:
                continue
            cost = interpret(value)
            if not use_maximum:
                master[cell] = cost
            elif not unknown_is_transparent:
                master[cell] = max(cost, master[cell])
            elif cost != UNKNOWN and (master[cell] == UNKNOWN or master[cell] < cost):
                master[cell] = cost
    return update


def obstacle_layer(costs, *, track_unknown):
    """
    Return an ObstacleLayer with ``combination_method: 1``.

    :param costs: FREE, LETHAL, or None for cells that it has seen nothing of.
    """
    unseen = UNKNOWN if track_unknown else FREE

    def update(master):
        for cell, cost in enumerate(costs):
            cost = unseen if cost is None else cost
            if cost != UNKNOWN and (master[cell] == UNKNOWN or master[cell] < cost):
                master[cell] = cost
    return update


@dataclass
class VoxelLayer:
    """A VoxelLayer of a square costmap around the origin; ``costs`` is its own map."""

    origin_z: float
    z_resolution: float
    z_voxels: int
    resolution: float = 0.05
    cells: int = 200
    costs: np.ndarray = field(init=False)

    def __post_init__(self):
        self.costs = np.full((self.cells, self.cells), FREE, np.uint8)
        self._marks = np.zeros((self.cells, self.cells, self.z_voxels), bool)
        self._origin = np.array([-self.cells / 2 * self.resolution] * 2 + [self.origin_z])
        self._steps = np.array([self.resolution, self.resolution, self.z_resolution])

    def mark(self, points):
        """Mark the voxels of points, float N x 3; what is below the lowest voxel goes into it."""
        points = np.array(points, float)
        points[:, 2] = np.maximum(points[:, 2], self.origin_z)
        for x, y, z in ((points - self._origin) / self._steps).astype(int):
            self._marks[x, y, z] = True
            self.costs[x, y] = LETHAL

    def clear(self, lens, points, max_range=6.5):
        """Clear along the rays to points, which end two cells before them and at the floor."""
        lens = np.asarray(lens, float)
        for point in np.asarray(points, float):
            distance = np.linalg.norm(point - lens)
            ray = (point - lens) * max(0.0, min(1.0, 1 - 2 * self.resolution / distance))
            if lens[2] + ray[2] < self.origin_z:
                ray *= (self.origin_z - lens[2]) / ray[2] - 1e-5
            start, end = ((place - self._origin) / self._steps for place in (lens, lens + ray))
            x, y, z = _line(start, end, int(max_range / self.resolution)).T
            self._marks[x, y, z] = False
            self.costs[x, y] = np.where(self._marks[x, y].any(axis=1), self.costs[x, y], FREE)


def _line(start, end, max_length):
    """Return the voxels of a line, int N x 3: Bresenham's in three dimensions, cut at a length."""
    share = min(1.0, max_length / np.linalg.norm(end - start))
    first, last = start.astype(int), end.astype(int)
    steps = np.abs(last - first)
    longest = max(1, steps.max())
    done = np.arange(int(share * longest) + 1)[:, None]
    return first + np.sign(last - first) * np.where(
        steps == longest, done, (longest // 2 + done * steps) // longest)
