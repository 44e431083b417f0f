"""
A rolling grid of what the ground is like, from several frames and cameras.

Per cell and frame there are two votes between 0 and 1:

    obstacle  o = mean confidence of the cell's obstacle points
    ground    g = (1 - o) * mean confidence of its ground points

(an obstacle's foot shares its cell with the ground before it, so it goes first).  Votes add
up, weighted by age, to the cell's evidence:

    O(t) = sum of o_i * 2 ** -((t - t_i) / half_life)
    G(t) = the same of g_i;  K(t) = the same of g_i * (mean cost of the frame's ground points)

Where O + G exceeds max_evidence all three are scaled down to it, so that a cell that was
seen for long changes its mind within a few frames.  A cell with O + G below min_evidence is
unobserved.  Otherwise it is an obstacle (100) where O >= obstacle_share * (O + G), else
ground of cost K / G, at most 98.

Times are the frames' stamps, so that a bag plays as the robot drove.  A frame somewhat older
than the newest, from a slower camera, counts by its age; one older than ``time_jump`` means
that time was set back (a bag that starts over), and the grid starts over as well.
"""

from dataclasses import dataclass
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..networks.classes import MAX_COST
from ..support.arrays import Float32Array, Float64Array, Int64Array

OBSTACLE = 100
"""Value of an obstacle in the grid."""
MAX_CELLS = 4_000_000


@dataclass(frozen=True)
class GridSettings:
    """
    The grid's size and the constants above.

    :param width: extent along the frame's x, m.
    :param height: extent along the frame's y, m.
    :param resolution: edge of a cell, m.
    :param half_life: s; infinity forgets nothing.
    :param min_evidence: in votes.
    :param max_evidence: in votes.
    :param obstacle_share: 0 to 1.
    :param unobserved: -1 or 0, the value of cells that nothing is known of.
    :param time_jump: s.
    :raises ValueError: when a value makes no sense.
    """

    width: float = 10.0
    height: float = 10.0
    resolution: float = 0.05
    half_life: float = 2.0
    min_evidence: float = 0.5
    max_evidence: float = 3.0
    obstacle_share: float = 0.5
    unobserved: int = -1
    time_jump: float = 2.0

    def __post_init__(self) -> None:
        for name in ('width', 'height', 'resolution', 'half_life', 'min_evidence', 'time_jump'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'the grid needs a {name} above 0, not {getattr(self, name)}')
        cells = (self.width / self.resolution) * (self.height / self.resolution)
        if not cells <= MAX_CELLS or min(self.width, self.height) < self.resolution:
            raise ValueError(f'a grid of {self.width:g} x {self.height:g} m in cells of '
                             f'{self.resolution:g} m has {cells:.0f} cells, 1 to {MAX_CELLS} '
                             'are possible')
        if not self.min_evidence <= self.max_evidence < math.inf:
            raise ValueError(f'max_evidence {self.max_evidence:g} must be finite and at least '
                             f'min_evidence, {self.min_evidence:g}')
        if not 0.0 < self.obstacle_share <= 1.0:
            raise ValueError(f'obstacle_share {self.obstacle_share:g} must be above 0 and at '
                             'most 1')
        if self.unobserved not in (-1, 0):
            raise ValueError(f'unobserved must be -1 or 0, not {self.unobserved}')


@dataclass(frozen=True, eq=False)
class Observation:
    """
    What one frame of one camera says about the ground.

    :param ground_xy: float64 array N x 2, metres in the grid's frame.
    :param ground_cost: float32 array N, 0 to 98.
    :param ground_confidence: float32 array N, 0 to 1.
    :param obstacle_xy: float64 array M x 2, metres in the grid's frame.
    :param obstacle_confidence: float32 array M, 0 to 1.
    """

    ground_xy: Float64Array
    ground_cost: Float32Array
    ground_confidence: Float32Array
    obstacle_xy: Float64Array
    obstacle_confidence: Float32Array


class EvidenceGrid:
    """
    The grid: axis-aligned, its cells on multiples of the resolution.

    :param settings: :class:`GridSettings`.
    """

    def __init__(self, settings: GridSettings) -> None:
        self.settings = settings
        self.columns = max(1, round(settings.width / settings.resolution))
        self.rows = max(1, round(settings.height / settings.resolution))
        self._slack = max(1, min(self.columns, self.rows) // 8)
        # (column, row) of the first cell, counted from the frame's origin
        self._first: tuple[int, int] | None = None
        self._evidence = np.zeros((3, self.rows, self.columns), np.float32)  # O, G, K
        self.stamp: float | None = None
        self.restarts = 0

    @property
    def origin(self) -> tuple[float, float]:
        """Return (x, y) of the first cell's outer corner, m."""
        column, row = self._place
        return column * self.settings.resolution, row * self.settings.resolution

    @property
    def _place(self) -> tuple[int, int]:
        """Return the first cell's (column, row); the grid has to have a place."""
        if self._first is None:
            raise RuntimeError('the grid has no place yet: center_on() gives it one')
        return self._first

    def clear(self) -> None:
        """Forget what was seen, and when; keep the place."""
        self._evidence[:] = 0.0
        self.stamp = None

    def center_on(self, x: float, y: float) -> None:
        """
        Move the grid with the robot, by whole cells, keeping what stays inside.

        It moves when the robot is more than an eighth of the size off the centre, not with
        every cell: StaticLayer announces each new origin in the log.

        :param x: of the robot, m in the grid's frame.
        :param y: of the robot, m in the grid's frame.
        """
        r = self.settings.resolution
        target = math.floor(x / r) - self.columns // 2, math.floor(y / r) - self.rows // 2
        if self._first is None:
            self._first = target
            return
        dx, dy = target[0] - self._first[0], target[1] - self._first[1]
        if max(abs(dx), abs(dy)) <= self._slack:
            return
        kept = np.zeros_like(self._evidence)
        rows, old_rows = _overlap(dy, self.rows)
        columns, old_columns = _overlap(dx, self.columns)
        kept[:, rows, columns] = self._evidence[:, old_rows, old_columns]
        self._evidence, self._first = kept, target

    def cells_of(self, xy: npt.ArrayLike) -> Int64Array:
        """
        Return row-major cell indices, -1 outside of the grid.

        :param xy: N x 2, m in the grid's frame, finite.
        """
        cells = np.floor(np.asarray(xy, np.float64) / self.settings.resolution)
        cells -= self._place
        inside = ((cells >= 0) & (cells < (self.columns, self.rows))).all(axis=1)
        index = cells[:, 1] * self.columns + cells[:, 0]
        return np.where(inside, index, -1).astype(np.int64)

    def unhit_centers(self, xy: npt.ArrayLike) -> Float64Array:
        """
        Return the centres of the cells that hold none of some points, float64 array M x 2.

        :param xy: N x 2, m in the grid's frame, finite.
        """
        hit = np.zeros(self.rows * self.columns + 1, bool)
        hit[self.cells_of(xy)] = True  # -1 is the spare last element
        cells = np.flatnonzero(~hit[:-1])
        centers = np.stack([cells % self.columns, cells // self.columns], axis=1) + 0.5
        return np.asarray((centers + self._place) * self.settings.resolution)

    def add(self, observation: Observation, stamp: float) -> None:
        """
        Let a frame vote.  The grid has to have a place, see :meth:`center_on`.

        :param observation: :class:`Observation`.
        :param stamp: the frame's, s.
        """
        weight = self._advance(stamp)
        seen = observation
        o_count, o_sum = self._tally(seen.obstacle_xy, seen.obstacle_confidence)
        g_count, g_sum, k_sum = self._tally(
            seen.ground_xy, seen.ground_confidence, seen.ground_cost * seen.ground_confidence)
        with np.errstate(invalid='ignore', divide='ignore'):
            o = np.where(o_count > 0, o_sum / o_count, 0.0)
            g = np.where(g_count > 0, (1.0 - o) * g_sum / g_count, 0.0)
            k = np.where(g_sum > 0, g * k_sum / g_sum, 0.0)
        self._evidence += weight * np.stack([o, g, k]).reshape(self._evidence.shape)
        total = self._evidence[0] + self._evidence[1]
        self._evidence /= np.maximum(total / self.settings.max_evidence, 1.0)

    def data(self, age: float = 0.0) -> npt.NDArray[np.int8]:
        """
        Return the grid's values, int8 array rows x columns, row-major from the origin.

        :param age: seconds since the newest frame: what was seen counts that much less.
        """
        s = self.settings
        obstacle, ground, cost = self._evidence * np.float32(2.0 ** (-age / s.half_life))
        total = obstacle + ground
        with np.errstate(invalid='ignore', divide='ignore'):
            value = np.rint(np.where(ground > 0, cost / ground, 0.0))
        value = np.minimum(value, MAX_COST)
        value[obstacle >= s.obstacle_share * total] = OBSTACLE
        value[total < s.min_evidence] = s.unobserved
        return value.astype(np.int8)

    def _advance(self, stamp: float) -> np.float32:
        """Age the evidence to a stamp; return the weight of a frame of that time."""
        if self.stamp is not None and stamp < self.stamp - self.settings.time_jump:
            self.clear()
            self.restarts += 1
        age = 0.0 if self.stamp is None else stamp - self.stamp
        factor = 2.0 ** (-abs(age) / self.settings.half_life)
        if age < 0.0:
            return np.float32(factor)
        self._evidence *= np.float32(factor)
        self.stamp = stamp
        return np.float32(1.0)

    def _tally(self, xy: Float64Array, *weights: Float32Array) -> list[npt.NDArray[Any]]:
        """Return per cell the number of points and the sums of their weights."""
        cells = self.cells_of(xy)
        inside = cells >= 0
        cells = cells[inside]
        size = self.rows * self.columns
        return [np.bincount(cells, minlength=size)] + [
            np.bincount(cells, w[inside], size) for w in weights]


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """Return the slices (new, old) of what a window that moves by ``shift`` keeps."""
    kept = max(0, size - abs(shift))
    new, old = slice(0, kept), slice(size - kept, size)
    return (new, old) if shift >= 0 else (old, new)
