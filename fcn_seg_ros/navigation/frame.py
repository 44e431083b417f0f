"""One camera's way from masks to clouds and votes, and what it keeps between frames."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .costmap import EvidenceGrid, Observation
from .depth import depth_for_mask, DepthSamples
from .feet import Directions, Feet, find_feet
from .observe import observe
from .obstacles import (
    CloudLimits, foot_points, Geometry, ground_points, measured_points, Selection, thinned,
    without_speckles)
from .plane import PlaneDepthCache, within_range
from .points import organized_cloud, PointArray, sparse_cloud
from .roles import RoleTable
from ..errors import CalibrationError
from ..geometry.camera import CameraModel, MaskCameraCache
from ..geometry.pose import Pose
from ..support.arrays import BoolArray, Float32Array, Size, UInt8Array


@dataclass(frozen=True, eq=False)
class NavigationFrame:
    """
    One segmented frame with the places of its pixels; each product is made when asked for.

    :param geometry: :class:`.obstacles.Geometry`.
    :param class_mask: uint8 array H x W.
    :param confidence: uint8 array H x W, probability x 255.
    :param roles: :class:`.roles.RoleTable`.
    :param limits: :class:`.obstacles.CloudLimits`.
    :param rgb: float32 array 256, from :func:`.points.rgb_table`.
    """

    geometry: Geometry
    class_mask: UInt8Array
    confidence: UInt8Array
    roles: RoleTable
    limits: CloudLimits
    rgb: Float32Array

    @cached_property
    def obstacle(self) -> BoolArray:
        """Return the pixels of obstacle classes, bool array H x W, without speckles."""
        return without_speckles(self.roles.obstacle[self.class_mask], self.limits.min_pixels)

    @cached_property
    def directions(self) -> Directions:
        """Return the :class:`.feet.Directions`; without a pose the camera counts as level."""
        pose, camera = self.geometry.pose, self.geometry.camera
        return Directions(pose.rotation if pose else None, max(camera.fx, camera.fy))

    @cached_property
    def feet(self) -> Feet:
        """Return the obstacles' lower outline, :class:`.feet.Feet`."""
        return find_feet(self.geometry.camera, self.obstacle, self.directions)

    @cached_property
    def _standing(self) -> Selection:
        """Return where the feet stand, :class:`.obstacles.Selection`."""
        return foot_points(self.geometry, self.feet, self.limits)

    @cached_property
    def _measured(self) -> tuple[Selection, Selection]:
        """Return the measured points of obstacles: (high enough to be ones, too low)."""
        return measured_points(self.geometry, self.obstacle, self.limits)

    @cached_property
    def marked(self) -> Selection:
        """Return the obstacles' points, :class:`.obstacles.Selection`."""
        if self.geometry.measured:
            return self._measured[0]
        return thinned(self._standing, self.limits.voxel)

    @property
    def low(self) -> Selection | None:
        """Return what is an obstacle by its class but lies on the ground, or None: no depth."""
        return self._measured[1] if self.geometry.measured else None

    @cached_property
    def cleared(self) -> Selection:
        """Return the points of ground in front of obstacles, :class:`.obstacles.Selection`."""
        return ground_points(self.geometry, self.roles.ground[self.class_mask], self.feet,
                             self.directions, self.limits)

    def points(self, out: PointArray | None = None) -> PointArray:
        """
        Return the organised cloud, H * W points; see :func:`.points.organized_cloud`.

        On the ground plane only what is on the ground has a place: of obstacles the pixels
        of their feet, where these stand; of what is overhead nothing.

        :param out: array of H * W points to fill, or None for a new one.
        """
        geometry, roles, depth = self.geometry, self.roles, self.geometry.depth
        if not geometry.measured:
            nowhere = (roles.obstacle | roles.overhead)[self.class_mask]
            depth = np.where(nowhere, np.float32(np.nan), depth).astype(np.float32, copy=False)
        cloud = organized_cloud(geometry.camera.rays, depth, self.class_mask, self.confidence,
                                self.rgb, out)
        if not geometry.measured:
            for axis, values in zip('xyz', self._standing.xyz.T):
                cloud[axis][self._standing.pixels] = values
        return cloud

    def cloud(self, selection: Selection, out: PointArray | None = None) -> PointArray:
        """
        Return the cloud of some points.

        :param selection: :attr:`marked` or :attr:`cleared`.
        :param out: array of as many points to fill, or None for a new one.
        """
        return sparse_cloud(selection.xyz, selection.pixels, self.class_mask, self.confidence,
                            self.rgb, out)

    def observe(self, grid: EvidenceGrid, grid_pose: Pose) -> Observation:
        """
        Return the frame's votes for a grid, see :func:`.observe.observe`.

        :param grid: the grid.
        :param grid_pose: of the optical frame in the grid's frame.
        """
        return observe(grid, self.geometry, grid_pose, self.class_mask, self.confidence,
                       self.roles, self.marked, self.limits, self.low)


class CameraNavigation:
    """
    What is kept of one camera: its calibration, rays, and the ground's depth.

    :param roles: :class:`.roles.RoleTable` of the network.
    :param rgb: from :func:`.points.rgb_table`.
    :param limits: :class:`.obstacles.CloudLimits`.
    """

    def __init__(self, roles: RoleTable, rgb: Float32Array, limits: CloudLimits) -> None:
        self._roles, self._rgb, self._limits = roles, rgb, limits
        self._cameras = MaskCameraCache()
        self._plane = PlaneDepthCache(limits.min_range, limits.max_range)

    def frame(self, model: CameraModel, class_mask: UInt8Array, confidence: UInt8Array,
              image_size: tuple[int, int], *, depth: DepthSamples | None = None,
              pose: Pose | None = None) -> NavigationFrame:
        """
        Give the pixels of a mask their places.

        :param model: :class:`.camera.CameraModel`.
        :param class_mask: uint8 array H x W.
        :param confidence: uint8 array H x W, probability x 255.
        :param image_size: (height, width) of the camera's image.
        :param depth: (samples, unit) from :func:`.depth.view_depth`, or None.
        :param pose: :class:`.pose.Pose` of the optical frame in the ground frame, or None.
        :returns: :class:`NavigationFrame`, from depth where it is given, else from the pose.
        :raises CalibrationError: when the calibration is not this image's, or neither depth
            nor pose is given.
        :raises ImageError: kind 'size', when the depth image does not cover the camera's.
        """
        model.check_image_size(*image_size)
        camera = self._cameras.get(model, *Size(*class_mask.shape), image_size)
        if depth is not None:
            metres = depth_for_mask(*depth, class_mask.shape, image_size)
            metres = within_range(metres, camera.ray_lengths, self._limits.min_range,
                                  self._limits.max_range)
        elif pose is not None:
            metres = self._plane.get(camera, pose)
        else:
            raise CalibrationError('there is neither depth nor a pose of the camera: publish '
                                   'its transform or set the mount')
        return NavigationFrame(Geometry(camera, metres, depth is not None, pose), class_mask,
                               confidence, self._roles, self._limits, self._rgb)
