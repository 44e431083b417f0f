"""Where a camera is: rigid poses, fixed mounts, and what an error of pitch costs."""

from collections.abc import Iterable
from dataclasses import dataclass
import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import CalibrationError
from ..support.arrays import Float32Array, Float64Array

AnyFloats = TypeVar('AnyFloats', Float32Array, Float64Array)

BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""REP-103: the optical frame's z, -x, -y are the body frame's x, y, z."""

FARTHEST = 1e9
"""Largest coordinate of a place, m: beyond, cells could not be counted."""


@dataclass(frozen=True, eq=False)
class Pose:
    """
    A frame in its parent: a point p of the frame is ``rotation @ p + translation`` there.

    :param rotation: float64 array 3 x 3, orthonormal.
    :param translation: float64 array 3, metres.
    """

    rotation: Float64Array
    translation: Float64Array

    @classmethod
    def from_quaternion(cls, translation: npt.ArrayLike, quaternion: npt.ArrayLike) -> 'Pose':
        """
        Return the pose of a translation and a quaternion.

        :param translation: (x, y, z), m.
        :param quaternion: (x, y, z, w).
        :raises CalibrationError: when a number is not finite, a place further away than
            :data:`FARTHEST`, or the quaternion further than 1 % from unit length.
        """
        place = np.asarray(translation, np.float64)
        q = np.asarray(quaternion, np.float64)
        norm = np.linalg.norm(q)
        if not ((np.abs(place) <= FARTHEST).all() and abs(norm - 1.0) <= 0.01):
            raise CalibrationError(
                f'the transform ({_list(place)}; {_list(q)}) is not one: its numbers '
                f'have to be finite, at most {FARTHEST:g} m, and the quaternion of length 1')
        x, y, z, w = q / norm
        return cls(np.array([
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]]), place)

    @classmethod
    def from_mount(cls, *, height: float, x: float = 0.0, y: float = 0.0, roll: float = 0.0,
                   pitch: float = 0.0, yaw: float = 0.0) -> 'Pose':
        """
        Return the optical frame of a camera fixed to the robot, in the ground frame.

        The angles turn the camera's body frame as in URDF, roll about x first, then pitch
        about y, then yaw about z of the ground frame: positive pitch looks down, positive
        yaw to the left, positive roll leans to the right.

        :param height: of the lens above the ground, m.
        :param x: of the lens ahead of the ground frame's origin, m.
        :param y: of the lens to the left of it, m.
        :param roll: rad.
        :param pitch: rad.
        :param yaw: rad.
        :raises CalibrationError: when a number is not finite or the lens not above ground.
        """
        if not all(map(math.isfinite, (height, x, y, roll, pitch, yaw))) or height <= 0.0:
            raise CalibrationError(f'a camera {height:g} m above the ground (roll {roll:g}, '
                                   f'pitch {pitch:g}, yaw {yaw:g} rad) sees none: '
                                   'set the mount')
        (cr, sr), (cp, sp), (cy, sy) = (
            (math.cos(a), math.sin(a)) for a in (roll, pitch, yaw))
        body = np.array([
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr]])
        return cls(body @ BODY_FROM_OPTICAL, np.array([x, y, height], np.float64))

    def __matmul__(self, child: 'Pose') -> 'Pose':
        """
        Return the pose, in this one's parent, of a frame given in this frame.

        :param child: the frame's pose in this frame.
        """
        return Pose(self.rotation @ child.rotation, self.apply(child.translation))

    @property
    def quaternion(self) -> Float64Array:
        """Return the rotation as a unit quaternion, float64 array (x, y, z, w), w >= 0."""
        m = self.rotation
        # Bar-Itzhack, "New method for extracting the quaternion from a rotation matrix" (2000):
        # the eigenvector of the largest eigenvalue, which no orientation makes ill-defined.
        k = np.array([
            [m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], np.trace(m)]])
        q = np.linalg.eigh(k)[1][:, -1]
        return np.asarray(q if q[3] >= 0.0 else -q)

    def inverse(self) -> 'Pose':
        """Return the pose of the parent in this frame."""
        return Pose(self.rotation.T, -self.rotation.T @ self.translation)

    def over_ground(self, ground_z: float) -> 'Pose':
        """
        Return the pose in a parent that is lowered to the ground.

        :param ground_z: where the ground lies in the parent, m.
        """
        return Pose(self.rotation, self.translation - (0.0, 0.0, ground_z))

    def apply(self, points: AnyFloats) -> AnyFloats:
        """
        Return points of this frame in its parent; float32 stays float32.

        :param points: array ... x 3, m.
        """
        given = np.asarray(points)
        dtype = np.float32 if given.dtype == np.float32 else np.float64
        moved: AnyFloats = given @ self.rotation.T.astype(dtype) + self.translation.astype(dtype)
        return moved

    def same_as(self, other: 'Pose | None', tolerance: float = 1e-9) -> bool:
        """
        Tell whether no number differs by more than a tolerance.

        :param other: the pose to compare with; None is never the same.
        :param tolerance: m, and differences of the rotation's entries.
        """
        return other is not None and bool(
            np.abs(self.rotation - other.rotation).max() <= tolerance
            and np.abs(self.translation - other.translation).max() <= tolerance)

    def difference(self, other: 'Pose') -> tuple[float, float]:
        """
        Return how far two poses of one frame are apart: (metres, degrees of the turn between).

        :param other: the other one, in the same parent.
        """
        turn = self.rotation.T @ other.rotation
        # Both parts of it: the cosine alone tells nothing of small angles.
        sine = np.linalg.norm(turn - turn.T) / math.sqrt(8.0)
        return (float(np.linalg.norm(self.translation - other.translation)),
                math.degrees(math.atan2(sine, (np.trace(turn) - 1.0) / 2.0)))


def range_error(distance: float, height: float, pitch_error: float) -> float:
    """
    Return by how much flat-ground projection misjudges a distance, m.

    A lens ``height`` above the ground sees a point at the angle a = atan(height / distance)
    below the horizon.  When the camera really looks ``pitch_error`` further down than it is
    told, the point is placed at height / tan(a - pitch_error): too far, beyond all bounds
    once the error reaches a.  To first order the error is
    (distance^2 + height^2) / height per radian.

    :param distance: on the ground, m.
    :param height: of the lens, m.
    :param pitch_error: true minus assumed pitch, rad.
    :returns: placed minus true distance, m; infinity when the point seems above the horizon.
    """
    angle = math.atan2(height, distance) - pitch_error
    return math.inf if angle <= 0.0 else height / math.tan(angle) - distance


def _list(numbers: Iterable[float]) -> str:
    return ', '.join(f'{v:g}' for v in numbers)
