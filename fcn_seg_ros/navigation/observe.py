"""From one segmented frame to its votes for the grid."""

import numpy as np

from .costmap import EvidenceGrid, Observation
from .obstacles import CloudLimits, Geometry, Selection, strided_pixels
from .roles import RoleTable
from ..geometry.pose import Pose
from ..networks.classes import MAX_COST
from ..support.arrays import Float32Array, Float64Array, Int64Array, UInt8Array

_PROBABILITY = np.float32(1 / 255)


def observe(grid: EvidenceGrid, geometry: Geometry, grid_pose: Pose, class_mask: UInt8Array,
            confidence: UInt8Array, roles: RoleTable, marked: Selection, limits: CloudLimits,
            low: Selection | None = None) -> Observation:
    """
    Return what a frame says about the ground around the robot.

    Ground is every pixel of that role, also above an obstacle, since in the grid a pixel
    speaks for its own cell only.  On the ground plane, cells fall between two image rows from
    some distance on; those look up the pixel that sees their centre.  What is an obstacle by its
    class but was measured to lie on the ground is ground of the highest cost.

    :param grid: :class:`.costmap.EvidenceGrid`, centred.
    :param geometry: :class:`.obstacles.Geometry` of the frame.
    :param grid_pose: :class:`.pose.Pose` of the optical frame in the grid's frame.
    :param class_mask: uint8 array H x W.
    :param confidence: uint8 array H x W, probability x 255.
    :param roles: :class:`.roles.RoleTable`.
    :param marked: :class:`.obstacles.Selection`, the obstacle points.
    :param limits: :class:`.obstacles.CloudLimits`: range and stride.
    :param low: :class:`.obstacles.Selection`, obstacles' points that lie on the ground, or None.
    :returns: :class:`.costmap.Observation`.
    """
    ids, confidences = class_mask.reshape(-1), confidence.reshape(-1)
    ground = roles.ground[class_mask]
    pixels = strided_pixels(ground & np.isfinite(geometry.depth), limits)
    xy = _on_grid(geometry.points(pixels), grid_pose)
    if not geometry.measured:
        far_pixels, far_xy = _look_up(grid.unhit_centers(xy), geometry, grid_pose, limits)
        seen = ground.reshape(-1)[far_pixels]
        pixels = np.concatenate([pixels, far_pixels[seen]])
        xy = np.concatenate([xy, far_xy[seen]])
    cost = roles.cost[ids[pixels]]
    if low is not None:
        pixels = np.concatenate([pixels, low.pixels])
        xy = np.concatenate([xy, _on_grid(low.xyz, grid_pose)])
        cost = np.concatenate([cost, np.full(len(low.pixels), MAX_COST, np.float32)])
    return Observation(
        ground_xy=xy, ground_cost=cost,
        ground_confidence=confidences[pixels] * _PROBABILITY,
        obstacle_xy=_on_grid(marked.xyz, grid_pose),
        obstacle_confidence=confidences[marked.pixels] * _PROBABILITY)


def _on_grid(xyz: Float32Array, pose: Pose) -> Float64Array:
    # float64 from here on: odometry may be kilometres from its origin
    return np.asarray(xyz @ pose.rotation[:2].T + pose.translation[:2])


def _look_up(centers: Float64Array, geometry: Geometry, grid_pose: Pose, limits: CloudLimits
             ) -> tuple[Int64Array, Float64Array]:
    """Return the pixels that see some cells, and those cells' centres: (int N, float N x 2)."""
    # The ground plane of the ground frame, as seen from the grid's frame: where r . p + t = 0.
    ground_from_grid = geometry.pose_of_camera @ grid_pose.inverse()
    r, t = ground_from_grid.rotation[2], ground_from_grid.translation[2]
    with np.errstate(divide='ignore', invalid='ignore'):
        z = -(centers @ r[:2] + t) / r[2]
        points = grid_pose.inverse().apply(np.column_stack([centers, z]))
        distance = np.linalg.norm(points, axis=1)
        near = (points[:, 2] > 0) & (distance >= limits.min_range) & (
            distance <= limits.max_range)
    points, centers = points[near], centers[near]
    camera = geometry.camera
    with np.errstate(invalid='ignore'):
        uv = np.rint(camera.project(points))
        inside = ((uv >= 0) & (uv < (camera.width, camera.height))).all(axis=1)
    uv = uv[inside].astype(np.int64)
    return uv[:, 1] * camera.width + uv[:, 0], centers[inside]
