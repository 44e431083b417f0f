"""
Lens distortion between unit-depth rays and image points, by OpenCV.

The models are those of sensor_msgs/distortion_models.hpp.  An image point is normalised
here, ((u - cx) / fx, (v - cy) / fy); a ray is (x / z, y / z).  OpenCV inverts a model by
iteration, which outside the lens's valid field settles nowhere or on another point of the
picture; such rays come back as NaN instead of as wrong numbers.
"""

from collections.abc import Sequence
import math

import cv2
import numpy as np

from ..errors import CalibrationError
from ..support.arrays import Float64Array

NONE, RADIAL, EQUIDISTANT = 'none', 'radial', 'equidistant'
"""No distortion; plumb_bob and rational_polynomial (OpenCV's pinhole model); fisheye."""

MODELS = {'plumb_bob': RADIAL, 'rational_polynomial': RADIAL, 'equidistant': EQUIDISTANT}
"""Names in CameraInfo to the kinds above."""

RADIAL_LENGTHS = (4, 5, 8, 12, 14)
"""Numbers of coefficients that OpenCV's pinhole model knows."""

MAX_ANGLE = math.radians(89.0)
"""Widest angle off the optical axis, rad, that a unit-depth ray is used for."""

_TOLERANCE = 0.02
"""Largest error of a ray projected back, pixels."""
_CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-8)
_EYE = np.eye(3)


def check(model: str, d: Sequence[float]) -> tuple[str, tuple[float, ...]]:
    """
    Return the kind of distortion and its coefficients in the form OpenCV takes.

    :param model: ``distortion_model`` of a CameraInfo; it may be empty when ``d`` is zero.
    :param d: its coefficients, finite floats.
    :returns: (kind, tuple of floats), the tuple empty for :data:`NONE`.
    :raises CalibrationError: for an unknown model or a wrong number of coefficients.
    """
    if not any(d):
        # For the fisheye model zeros are not "none": its angle grows with the radius.
        return (EQUIDISTANT, (0.0,) * 4) if model == 'equidistant' else (NONE, ())
    if model not in MODELS:
        raise CalibrationError(
            f"camera_info has the unknown distortion model '{model}': use one of "
            f'{", ".join(MODELS)}, or rectify the images and set rectified')
    kind = MODELS[model]
    if kind == EQUIDISTANT:
        # Some drivers pad the four coefficients with zeros.
        if len(d) < 4 or any(d[4:]):
            raise CalibrationError(
                f'camera_info has {len(d)} distortion coefficients, equidistant takes 4: '
                'calibrate again')
        return kind, tuple(d[:4])
    if len(d) not in RADIAL_LENGTHS:
        raise CalibrationError(
            f'camera_info has {len(d)} distortion coefficients, {model} takes '
            f'{", ".join(map(str, RADIAL_LENGTHS))}: calibrate again')
    return kind, tuple(d)


def field_limit(kind: str, d: Sequence[float]) -> float:
    """
    Return the largest ray length (tangent of the angle off axis) the model is good for.

    Beyond it the distorted radius shrinks again, so that two rays share an image point:
    the first positive root of its derivative, or the pole of the rational model.
    Tangential and tilt terms are left out; they shift the limit little.

    :param kind: as of :func:`check`.
    :param d: as of :func:`check`.
    """
    widest = math.tan(MAX_ANGLE)
    if kind == NONE:
        return widest
    poly = np.polynomial.polynomial
    if kind == EQUIDISTANT:
        # theta (1 + k1 s + k2 s^2 + ...), s = theta^2
        slope = [1.0] + [(2 * i + 3) * k for i, k in enumerate(d)]
        return math.tan(min(MAX_ANGLE, _first_root_sqrt(slope)))
    k = np.zeros(8)
    k[:min(len(d), 8)] = d[:8]
    top, bottom = [1.0, k[0], k[1], k[4]], [1.0, k[5], k[6], k[7]]
    # d/dr of r T(s) / B(s), s = r^2: T B + 2 s (T' B - T B') over B^2
    slope = poly.polyadd(
        poly.polymul(top, bottom),
        poly.polymul([0.0, 2.0], poly.polysub(poly.polymul(poly.polyder(top), bottom),
                                              poly.polymul(top, poly.polyder(bottom)))))
    return min(widest, _first_root_sqrt(slope), _first_root_sqrt(bottom))


def undistort(kind: str, d: Sequence[float], points: Float64Array, pixels_per_unit: float
              ) -> Float64Array:
    """
    Return the rays through image points, NaN where the model has none.

    :param kind: as of :func:`check`.
    :param d: as of :func:`check`.
    :param points: float64 array N x 2, normalised image points.
    :param pixels_per_unit: the focal length, pixels; gives the check its scale.
    :returns: float64 array N x 2.
    """
    if kind == NONE or not len(points):  # OpenCV answers an empty array with None
        return points.copy()
    src = np.ascontiguousarray(points).reshape(-1, 1, 2)
    if kind == EQUIDISTANT:
        rays = cv2.fisheye.undistortPoints(src, _EYE, np.array(d))
    elif hasattr(cv2, 'undistortPointsIter'):  # OpenCV 4
        rays = cv2.undistortPointsIter(src, _EYE, np.array(d), _EYE, _EYE, _CRITERIA)
    else:
        rays = cv2.undistortPoints(src, _EYE, np.array(d), criteria=_CRITERIA)
    rays = np.asarray(rays, np.float64).reshape(-1, 2)
    with np.errstate(invalid='ignore', over='ignore'):
        error = np.abs(distort(kind, d, rays) - points).max(axis=1) * pixels_per_unit
        inside = (rays ** 2).sum(axis=1) < field_limit(kind, d) ** 2
    rays[~(inside & (error < _TOLERANCE))] = np.nan
    return rays


def distort(kind: str, d: Sequence[float], rays: Float64Array) -> Float64Array:
    """
    Return the normalised image points of rays, float64 array N x 2; no limit is checked.

    The formulas are those of OpenCV's projectPoints ("Camera Calibration and 3D
    Reconstruction"), which itself would compute derivatives for every point.

    :param kind: as of :func:`check`.
    :param d: as of :func:`check`.
    :param rays: float64 array N x 2.
    """
    if kind == NONE:
        return rays.copy()
    x, y = rays.T
    r2 = x * x + y * y
    if kind == EQUIDISTANT:
        r = np.sqrt(r2)
        theta = np.arctan(r)
        polynomial = np.polynomial.polynomial.polyval(theta ** 2, (1.0, *d))
        # theta / r goes to 1 on the axis
        stretch = polynomial * np.divide(theta, r, out=np.ones_like(r), where=r > 0)
        return np.asarray(rays * stretch[:, None])
    k = np.zeros(14)
    k[:len(d)] = d
    radial = ((1 + r2 * (k[0] + r2 * (k[1] + r2 * k[4])))
              / (1 + r2 * (k[5] + r2 * (k[6] + r2 * k[7]))))
    p1, p2, (s1, s2, s3, s4) = k[2], k[3], k[8:12]
    points = np.empty_like(rays)
    points[:, 0] = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + r2 * (s1 + r2 * s2)
    points[:, 1] = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + r2 * (s3 + r2 * s4)
    return _tilt(points, *k[12:]) if k[12:].any() else points


def _tilt(points: Float64Array, tau_x: float, tau_y: float) -> Float64Array:
    """Return the points as a sensor sees them that is tilted about its x and y axis."""
    (cx, sx), (cy, sy) = ((math.cos(t), math.sin(t)) for t in (tau_x, tau_y))
    turn = (np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
            @ np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]]))
    project = np.array([[turn[2, 2], 0, -turn[0, 2]], [0, turn[2, 2], -turn[1, 2]], [0, 0, 1]])
    tilted = np.column_stack([points, np.ones(len(points))]) @ (project @ turn).T
    return np.asarray(tilted[:, :2] / tilted[:, 2:])


def _first_root_sqrt(coefficients: Sequence[float] | Float64Array) -> float:
    """Return the square root of a polynomial's smallest positive root, inf if it has none."""
    with np.errstate(over='ignore'):  # of coefficients that hardly count
        roots = np.polynomial.polynomial.polyroots(
            np.trim_zeros(np.asarray(coefficients), 'b'))
    real = roots.real[(np.abs(roots.imag) < 1e-9 * np.maximum(1.0, np.abs(roots)))
                      & (roots.real > 0.0)]
    return math.sqrt(real.min()) if real.size else math.inf
