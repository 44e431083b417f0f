"""
Where obstacles touch the ground, seen by one camera without depth.

What stands upright covers one direction from the camera, whatever its height: pixels that
lie above each other in the world share their azimuth about the vertical through the lens.
(For a level camera these are the image columns; looking down, they fan out from the point
below the lens.)  In each direction only the lowest obstacle pixel is where it seems to be on
the ground plane; everything above it would smear outward.

Directions are gathered in bins of about a pixel.  At the upright edge of a thing, pixels
just beside its lowest corner see only a higher part of the edge, since pixels are squares
and edges are not.  They show as a fall of the outline that is steeper than the thing's own
outline before it, and are left out.
"""

from dataclasses import dataclass
import math

import cv2
import numpy as np

from ..geometry.camera import MaskCamera
from ..geometry.pose import AnyFloats, BODY_FROM_OPTICAL
from ..support.arrays import BoolArray, Float32Array, Float64Array, Int64Array

_BIN_PIXELS = 0.8
"""Width of a direction bin, pixels at the optical axis."""
_EDGE_BINS, _SLOPE_BINS = 2, 5
"""Reach of an edge's stray pixels, and how far back the outline before it is looked at."""
_EDGE_TOLERANCE = 0.5
"""Fall of the outline that passes as such: pixels down per pixel across."""
_SLOPE_ALLOWANCE = 1.5
"""How much steeper than before the outline may fall."""
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


class Directions:
    """
    Azimuth and depression of rays about the vertical through the lens.

    :param rotation: float64 array 3 x 3, optical frame to a frame with z up; None takes the
        camera for level.
    :param focal: focal length of the mask, pixels.
    """

    def __init__(self, rotation: Float64Array | None, focal: float) -> None:
        self._rotation = BODY_FROM_OPTICAL if rotation is None else rotation
        self.width = _BIN_PIXELS / focal
        self.count = 2 * math.ceil(math.pi / self.width) + 1
        ahead = self._rotation[:2, 2]
        length = np.hypot(*ahead)
        # A camera that looks straight down is as good turned one way as the other.
        self._ahead = ahead / length if length > 1e-6 else np.array([1.0, 0.0])

    def of(self, rays: AnyFloats) -> tuple[Int64Array, AnyFloats]:
        """
        Return (bin, depression) of unit-depth rays.

        :param rays: float array N x 2.
        :returns: int64 array N, 0 to ``count`` - 1, by azimuth from the optical axis; float
            array N, the tangent of the angle below the horizon.
        """
        r = self._rotation.astype(rays.dtype)
        x, y, z = (r[i, 0] * rays[:, 0] + r[i, 1] * rays[:, 1] + r[i, 2] for i in range(3))
        cos, sin = self._ahead.astype(rays.dtype)
        azimuth = np.arctan2(cos * y - sin * x, cos * x + sin * y)
        bins = np.rint(np.nan_to_num(azimuth) / self.width).astype(np.int64) + self.count // 2
        # at the point below the lens itself the tangent is infinite
        with np.errstate(divide='ignore'):
            return bins, -z / np.hypot(x, y)


@dataclass(frozen=True, eq=False)
class Feet:
    """
    The lower outline of all obstacles in a mask.

    :param pixels: int64 array N, row-major index of the pixels that touch the ground.
    :param rays: float64 array N x 2, unit-depth rays of their lower edges.
    :param outline: float64 array, tangent of the depression of the lowest obstacle pixel per
        direction bin, -inf where there is none below the horizon.
    """

    pixels: Int64Array
    rays: Float64Array
    outline: Float64Array


def find_feet(camera: MaskCamera, obstacle: BoolArray, directions: Directions) -> Feet:
    """
    Return the :class:`Feet` of a mask.

    :param camera: :class:`.camera.MaskCamera`.
    :param obstacle: bool array H x W.
    :param directions: :class:`Directions`.
    """
    pixels = _border(obstacle & camera.field)
    rays = take(camera.rays, pixels)
    bins, depression = directions.of(rays)
    below = depression > 0
    pixels, bins = pixels[below], bins[below]
    rays, depression = rays[below], depression[below]
    outline, lowest = _lowest_per_bin(bins, depression, _half_widths(rays, depression),
                                      directions.count)
    pixels = pixels[np.unique(lowest[_is_no_edge(outline, directions.width)])]
    return Feet(pixels, _lower_edges(camera, pixels, directions), outline)


def in_front(bins: Int64Array, depression: Float32Array | Float64Array, outline: Float64Array
             ) -> BoolArray:
    """
    Tell which rays end on ground that is nearer than all obstacles in their direction.

    :param bins: of the rays, from :meth:`Directions.of`.
    :param depression: of the rays, from there.
    :param outline: of :class:`Feet`; the bins beside a ray's own count as well.
    :returns: bool array.
    """
    wide = np.maximum(np.maximum(outline, np.roll(outline, 1)), np.roll(outline, -1))
    return np.asarray(depression > wide[bins])


def take(rays: AnyFloats, pixels: Int64Array) -> AnyFloats:
    """
    Return the rays of some pixels, array N x 2.

    :param rays: array H x W x 2.
    :param pixels: int64 array N, row-major indices.
    """
    return np.stack([rays[..., axis].reshape(-1)[pixels] for axis in (0, 1)], axis=1)


def _border(obstacle: BoolArray) -> Int64Array:
    """Return the row-major indices of obstacle pixels that have a neighbour that is none."""
    mask = obstacle.view(np.uint8)
    inner = cv2.erode(mask, _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.flatnonzero(np.asarray(mask.reshape(-1) > inner.reshape(-1)))


def _half_widths(rays: Float32Array, depression: Float32Array) -> Int64Array:
    """Return how many bins a pixel reaches to either side: more, the nearer to the nadir."""
    # a pixel is 1 / (focal |ray|) wide, its azimuth wider by 1 / cos(depression)
    widths = np.sqrt((1 + depression ** 2) / (1 + (rays ** 2).sum(axis=1))) / _BIN_PIXELS
    half: Int64Array = np.minimum(np.rint(widths / 2), 20).astype(np.int64)
    return half


def _lowest_per_bin(bins: Int64Array, depression: Float32Array, half_widths: Int64Array, count: int
                    ) -> tuple[Float64Array, Int64Array]:
    """Return per bin the largest depression that covers it, and the index of its pixel or -1."""
    spans = 2 * half_widths + 1
    owner = np.repeat(np.arange(len(bins)), spans)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(spans) - spans, spans)
    covered = np.clip(bins[owner] - half_widths[owner] + step, 0, count - 1)
    order = np.lexsort((depression[owner], covered))
    outline, lowest = np.full(count, -np.inf), np.full(count, -1)
    # of equal bins the last assignment stays: the largest depression
    outline[covered[order]] = depression[owner[order]]
    lowest[covered[order]] = owner[order]
    return outline, lowest


def _is_no_edge(outline: Float64Array, width: float) -> BoolArray:
    """Tell which bins of the outline are not the stray pixels of an upright edge."""
    fall = np.where(np.isfinite(outline), np.arctan(outline) / width, np.nan)
    fine = np.isfinite(fall)
    for side in (1, -1):
        near, before = np.roll(fall, _EDGE_BINS * side), np.roll(fall, _SLOPE_BINS * side)
        slope = np.fmax(np.nan_to_num(before - near) / (_SLOPE_BINS - _EDGE_BINS), 0.0)
        near = np.fmax(near, np.roll(fall, side))
        fine &= ~(near - fall > _EDGE_BINS * (_EDGE_TOLERANCE + _SLOPE_ALLOWANCE * slope))
    return fine


def _lower_edges(camera: MaskCamera, pixels: Int64Array, directions: Directions) -> Float64Array:
    """Return the rays through the middle of the pixels' lowest sides."""
    centers = np.stack([pixels % camera.width, pixels // camera.width], axis=1)
    sides = np.array([[0.0, 0.5], [0.0, -0.5], [0.5, 0.0], [-0.5, 0.0]])
    rays = camera.rays_at((centers[:, None] + sides).reshape(-1, 2))
    depression = np.nan_to_num(directions.of(rays)[1].reshape(-1, 4), nan=-np.inf)
    best = depression.argmax(axis=1)
    return np.asarray(rays.reshape(-1, 4, 2)[np.arange(len(pixels)), best])
