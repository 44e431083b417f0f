"""
Depth from a flat ground: where each pixel's ray meets the plane.

With the optical frame's pose (R, t) in the ground frame, the ray of a pixel is
d = R [x/z, y/z, 1], and meets the ground z = 0 at
lambda = -t_z / d_z, kept where lambda > 0 and d_z < -eps.  As the rays have unit
depth, lambda is the point's z in the optical frame, the same quantity a depth image holds.
"""

import numpy as np

from ..geometry.camera import MaskCamera
from ..geometry.pose import AnyFloats, Pose
from ..support.arrays import Float32Array, Float64Array

EPSILON = 1e-6
"""Least slope of a ray towards the ground, per unit of depth."""


def plane_depth(rays: AnyFloats, pose: Pose) -> AnyFloats:
    """
    Return the depth at which each ray sees the ground.

    :param rays: float array ... x 2, x / z and y / z, may hold NaN.
    :param pose: of the optical frame in the ground frame.
    :returns: array ... of the rays' type, metres along the optical axis; NaN at and above the
        horizon and where the ray is NaN.
    """
    r20, r21, r22 = pose.rotation[2].astype(rays.dtype)
    height = rays.dtype.type(pose.translation[2])
    with np.errstate(invalid='ignore', divide='ignore'):
        slope = r20 * rays[..., 0]
        slope += r21 * rays[..., 1]
        slope += r22
        depth = -height / slope
        depth[~((slope < -EPSILON) & (depth > 0))] = np.nan
    return np.asarray(depth)


def within_range(depth: AnyFloats, ray_lengths: Float32Array | Float64Array, min_range: float,
                 max_range: float) -> AnyFloats:
    """
    Return depth with NaN where the point is too near or too far from the lens.

    :param depth: float32 array ..., metres along the optical axis.
    :param ray_lengths: array ..., lengths of the unit-depth rays.
    :param min_range: least distance from the lens, m.
    :param max_range: largest distance from the lens, m.
    """
    with np.errstate(invalid='ignore', over='ignore'):
        distance = depth * ray_lengths
        good = (distance >= min_range) & (distance <= max_range)
    return np.where(good, depth, depth.dtype.type(np.nan)).astype(depth.dtype, copy=False)


class PlaneDepthCache:
    """
    Keeps the ground's depth while rays and pose stay: a rigid mount computes it once.

    :param min_range: least distance from the lens, m.
    :param max_range: largest distance from the lens, m.
    """

    def __init__(self, min_range: float, max_range: float) -> None:
        self._limits = min_range, max_range
        self._kept: tuple[MaskCamera, Pose, Float32Array] | None = None

    def get(self, camera: MaskCamera, pose: Pose) -> Float32Array:
        """
        Return the ground's depth within range.

        :param camera: the mask's camera.
        :param pose: of the optical frame in the ground frame.
        :returns: read-only float32 array H x W.
        """
        if self._kept is None or camera is not self._kept[0] or not pose.same_as(self._kept[1]):
            depth = within_range(plane_depth(camera.rays, pose),
                                 camera.ray_lengths, *self._limits)
            depth.flags.writeable = False
            self._kept = camera, pose, depth
        return self._kept[2]
