"""
Marking and clearing points: what a costmap layer takes for hits and for free ground.

With measured depth every obstacle pixel is a point, if it is high enough.  Along the border of
an obstacle's mask some pixels see the ground beside or behind it; taken for obstacles they
would draw a wall there.  So a measured obstacle point has to lie a margin above the ground
(see :meth:`CloudLimits.margin`); what lies lower counts as ground of the highest cost.

Without depth a pixel's place is known only where it touches the ground, so of each direction
only the foot counts (see ``feet``): the lower edge of the lowest obstacle pixel, put on the
ground plane.  No margin applies to feet.

An obstacle that reaches the image's border below stands somewhere between the camera and
the nearest ground in view.  Its foot is put there, at the border, so that it is not lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np

from .feet import Directions, Feet, in_front, take
from .plane import plane_depth, within_range
from ..geometry.camera import MaskCamera
from ..geometry.pose import Pose
from ..support.arrays import BoolArray, Float32Array, Int64Array

PIXEL_BUDGET = 100_000
"""Pixels of a mask that are looked at for obstacles and ground, unless a stride is set."""
MAX_VOXELS = 1000
"""Most voxels from the lens to the range's end, so that a voxel's number fits 64 bits."""

NOISE_DEVIATIONS = 3
"""Standard deviations of the depth's noise that ground may seem to be up."""


@dataclass(frozen=True)
class CloudLimits:
    """
    What of the obstacle and ground points is kept.

    :param min_range: least distance from the lens, m.
    :param max_range: largest distance from the lens, m.
    :param min_height: least height above the ground, m; applies to measured depth, where the
        camera's pose is known.
    :param max_height: largest height, m; applies likewise.
    :param min_obstacle_height: above the ground, m, of obstacles; applies likewise.
    :param depth_noise: standard deviation of measured depth, as a share of it; raises the
        least height of obstacles where it would lift ground above it.
    :param stride: every how many rows and columns of the mask are used (feet are looked for
        in all); 0 chooses, so that about :data:`PIXEL_BUDGET` pixels remain.
    :param voxel: edge of the cubes of which one point each is kept, m; 0 keeps all.
    :param min_pixels: obstacles must be this high, in mask pixels; more than 1 drops speckles,
        and things that are small in the image.
    :raises ValueError: when a value makes no sense.
    """

    min_range: float = 0.0
    max_range: float = 10.0
    min_height: float = -0.3
    max_height: float = 2.0
    min_obstacle_height: float = 0.05
    depth_noise: float = 0.01
    stride: int = 0
    voxel: float = 0.05
    min_pixels: int = 1

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_range < self.max_range < math.inf:
            raise ValueError(f'min_range {self.min_range:g} and max_range {self.max_range:g} '
                             'must be finite, 0 or more, and in this order')
        if not self.min_height < self.max_height:
            raise ValueError(f'min_height {self.min_height:g} must be below max_height '
                             f'{self.max_height:g}')
        if not self.min_obstacle_height < self.max_height:
            raise ValueError(f'min_obstacle_height {self.min_obstacle_height:g} must be below '
                             f'max_height {self.max_height:g}')
        if not 0.0 <= self.depth_noise < 1.0:
            raise ValueError(f'depth_noise {self.depth_noise:g} must be 0 or more, and below 1')
        if self.stride < 0 or self.min_pixels < 1 or not self.voxel >= 0.0:
            raise ValueError('stride and voxel must be 0 or more, min_pixels 1 or more')
        if self.voxel > 0.0 and self.max_range > MAX_VOXELS * self.voxel:
            raise ValueError(f'a max_range of {self.max_range:g} m takes voxels of at least '
                             f'{self.max_range / MAX_VOXELS:g} m')

    def stride_for(self, shape: Sequence[int]) -> int:
        """
        Return the stride for masks of some size.

        :param shape: (H, W), pixels.
        """
        return self.stride or max(1, round(math.sqrt(shape[0] * shape[1] / PIXEL_BUDGET)))

    def margin(self, lens_height: float) -> float:
        """
        Return how high above the ground measured points of obstacles have to be, m.

        An error of depth moves a point along its ray: ground that is seen from a lens at the
        height h goes up by the same share of h, however far away it is.  Three standard
        deviations of that are the least margin.

        :param lens_height: of the lens above the ground, m.
        """
        noise = NOISE_DEVIATIONS * self.depth_noise * lens_height
        return max(self.min_obstacle_height, noise) if noise else self.min_obstacle_height


@dataclass(frozen=True, eq=False)
class Geometry:
    """
    Where the pixels of one mask are.

    :param camera: :class:`.camera.MaskCamera` of the mask.
    :param depth: float32 array H x W, m along the optical axis, within range, else NaN.
    :param measured: ``depth`` was measured, not taken from the ground plane.
    :param pose: :class:`.pose.Pose` of the optical frame in the ground frame; may be None when
        ``measured``.
    """

    camera: MaskCamera
    depth: Float32Array
    measured: bool
    pose: Pose | None = None

    def points(self, pixels: Int64Array) -> Float32Array:
        """
        Return the points that some pixels see, float32 array N x 3, optical frame, m.

        :param pixels: int64 array N, row-major indices.
        """
        xyz = np.empty((len(pixels), 3), np.float32)
        xyz[:, 2] = self.depth.reshape(-1)[pixels]
        rays = self.camera.rays
        for axis in (0, 1):
            np.multiply(rays[..., axis].reshape(-1)[pixels], xyz[:, 2], out=xyz[:, axis])
        return xyz

    def heights(self, xyz: Float32Array) -> Float32Array:
        """
        Return how high points of the optical frame lie above the ground; takes a pose.

        :param xyz: float32 array N x 3, optical frame, m.
        :returns: float32 array N, m.
        """
        pose = self.pose_of_camera
        up = pose.rotation[2].astype(np.float32)
        return np.asarray(xyz @ up + np.float32(pose.translation[2]))

    @property
    def pose_of_camera(self) -> Pose:
        """Return :attr:`pose` where there has to be one: without measured depth there is."""
        if self.pose is None:
            raise ValueError('the geometry has no pose of the camera')
        return self.pose


@dataclass(frozen=True, eq=False)
class Selection:
    """
    Points picked from a mask.

    :param xyz: float32 array N x 3, optical frame, finite.
    :param pixels: int64 array N, row-major index of the pixel each belongs to.
    """

    xyz: Float32Array
    pixels: Int64Array


def without_speckles(obstacle: BoolArray, min_pixels: int) -> BoolArray:
    """
    Return the pixels that belong to a vertical run of some length, bool array H x W.

    :param obstacle: bool array H x W.
    :param min_pixels: least length of a run.
    """
    if min_pixels > len(obstacle):
        return np.zeros_like(obstacle)
    starts = obstacle
    for shift in range(1, min_pixels):
        starts = starts[:-1] & obstacle[shift:]
    kept = np.zeros_like(obstacle)
    for shift in range(min_pixels):
        kept[shift:shift + len(starts)] |= starts
    return kept


def foot_points(geometry: Geometry, feet: Feet, limits: CloudLimits) -> Selection:
    """
    Return where feet stand on the ground plane, within range.

    :param geometry: :class:`Geometry` of the mask, with a pose.
    :param feet: :class:`.feet.Feet` of its obstacles.
    :param limits: :class:`CloudLimits`.
    :returns: :class:`Selection`, a point per foot.
    """
    rays = feet.rays
    depth = within_range(plane_depth(rays, geometry.pose_of_camera),
                         np.sqrt((rays ** 2).sum(axis=1) + 1),
                         limits.min_range, limits.max_range)
    found = np.isfinite(depth)
    xyz = np.column_stack([rays * depth[:, None], depth])[found]
    return Selection(xyz.astype(np.float32), feet.pixels[found])


def measured_points(geometry: Geometry, obstacle: BoolArray, limits: CloudLimits
                    ) -> tuple[Selection, Selection]:
    """
    Return the measured points of obstacles, those that lie high enough to be ones and those not.

    Without a pose nothing is known of heights, and all points count as high enough.

    :param geometry: :class:`Geometry` of the mask.
    :param obstacle: bool array H x W, the pixels of that role.
    :param limits: :class:`CloudLimits`.
    :returns: (obstacles, low), two :class:`Selection` objects; the first is thinned.  ``low``
        lies between ``min_height`` and the margin above the ground.
    """
    pixels = strided_pixels(obstacle & np.isfinite(geometry.depth), limits)
    xyz = geometry.points(pixels)
    if geometry.pose is None:
        nothing = Selection(xyz[:0], pixels[:0])
        return thinned(Selection(xyz, pixels), limits.voxel), nothing
    height = geometry.heights(xyz)
    inside = (height >= limits.min_height) & (height <= limits.max_height)
    high = height >= limits.margin(float(geometry.pose.translation[2]))
    obstacles = Selection(xyz[inside & high], pixels[inside & high])
    return (thinned(obstacles, limits.voxel),
            Selection(xyz[inside & ~high], pixels[inside & ~high]))


def ground_points(geometry: Geometry, ground: BoolArray, feet: Feet, directions: Directions,
                  limits: CloudLimits) -> Selection:
    """
    Return the points to clear up to: ground that the camera sees in front of all obstacles.

    Ground behind the nearest foot of its direction is left out.  It is there, but a layer
    that clears in two dimensions would clear through the obstacle on the way.

    :param geometry: of the mask.
    :param ground: bool array H x W, the pixels of that role.
    :param feet: :class:`.feet.Feet` of the obstacles.
    :param directions: the :class:`.feet.Directions` they were found with.
    :param limits: :class:`CloudLimits`.
    :returns: :class:`Selection`.
    """
    pixels = strided_pixels(ground & np.isfinite(geometry.depth), limits)
    visible = in_front(*directions.of(take(geometry.camera.rays, pixels)), feet.outline)
    pixels = pixels[visible]
    xyz = geometry.points(pixels)
    if geometry.measured and geometry.pose is not None:
        height = geometry.heights(xyz)
        inside = (height >= limits.min_height) & (height <= limits.max_height)
        xyz, pixels = xyz[inside], pixels[inside]
    return thinned(Selection(xyz, pixels), limits.voxel)


def strided_pixels(wanted: BoolArray, limits: CloudLimits) -> Int64Array:
    """
    Return the row-major indices of the wanted pixels among those the stride leaves.

    :param wanted: bool array H x W.
    :param limits: :class:`CloudLimits`.
    """
    stride = limits.stride_for(wanted.shape)
    rows, columns = np.nonzero(wanted[::stride, ::stride])
    return np.asarray((rows * wanted.shape[1] + columns) * stride)


def thinned(selection: Selection, voxel: float) -> Selection:
    """
    Return the first point of each cube of the optical frame.

    :param selection: the points.
    :param voxel: edge of the cubes, m; 0 keeps all points.
    """
    count = len(selection.pixels)
    if not (voxel > 0.0 and count):
        return selection
    keys = np.zeros(count, np.int64)
    for axis in range(3):
        cells = np.floor(selection.xyz[:, axis] * np.float32(1.0 / voxel)).astype(np.int64)
        cells -= cells.min()
        keys *= cells.max() + 1
        keys += cells
    # Sorting numbers that hold cube and point is several times faster than sorting indices.
    packed = np.sort(keys * count + np.arange(count))
    cubes = packed // count
    first = np.concatenate([[True], cubes[1:] != cubes[:-1]])
    kept = np.sort(packed[first] - cubes[first] * count)
    return Selection(selection.xyz[kept], selection.pixels[kept])
