"""
A camera's calibration, and the rays of a mask's pixels that follow from it.

The numbers are those of sensor_msgs/CameraInfo: K, D (or P, when the image is rectified)
belong to the full sensor.  A mask pixel follows CameraInfo's own order: the ROI's offset
(in unbinned pixels) is taken off, the result divided by the binning, as image_geometry
does, and then scaled to the mask (rescaled.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
import math

import numpy as np
import numpy.typing as npt

from . import distortion
from .rescaled import is_size, scale_axis
from ..errors import CalibrationError
from ..support.arrays import BoolArray, Float32Array, Float64Array, Size

MAX_SIDE = 65535
"""Largest width and height of a sensor or mask, pixels."""
MAX_BINNING = 64
_NEAR_THE_MIDDLE = 0.1
"""Share of a picture's side that a principal point may be away from its middle."""


@dataclass(frozen=True)
class CameraModel:
    """
    A checked calibration; build it with :meth:`from_calibration`.  Equal if the numbers are.

    ``k`` (9), ``p`` (12) and ``d`` are tuples of floats, row-major; ``kind`` says how ``d``
    distorts.  ``roi`` is (x_offset, y_offset, width, height) in unbinned pixels, resolved.
    """

    width: int
    height: int
    k: tuple[float, ...]
    d: tuple[float, ...]
    p: tuple[float, ...]
    kind: str
    binning: tuple[int, int]
    roi: tuple[int, int, int, int]
    rectified: bool

    @classmethod
    def from_calibration(cls, *, width: int, height: int, k: Sequence[float], d: Sequence[float],
                         p: Sequence[float], distortion_model: str, binning_x: int = 0,
                         binning_y: int = 0, roi: Sequence[int] = (0, 0, 0, 0),
                         rectified: bool = False, r: Sequence[float] | None = None
                         ) -> 'CameraModel':
        """
        Check the fields of a CameraInfo.

        :param width: columns of the full sensor, pixels.
        :param height: rows of the full sensor, pixels.
        :param k: the camera matrix, 9 numbers, row-major.
        :param d: the coefficients of the distortion.
        :param p: the projection matrix of rectified images, 12 numbers, row-major.
        :param distortion_model: name of the model that ``d`` belongs to.
        :param binning_x: sensor columns in a pixel, 0 means 1.
        :param binning_y: sensor rows in a pixel, 0 means 1.
        :param roi: (x_offset, y_offset, width, height); a zero size means the rest.
        :param rectified: the image is rectified: ``p`` counts, ``k`` and ``d`` do not.
        :param r: accepted for completeness, 9 numbers: the rays belong to the frame that the
            image's header names, rectified or not.
        :raises CalibrationError: when the camera is uncalibrated or a number makes no sense.
        """
        k, d, p = (tuple(float(v) for v in numbers) for numbers in (k, d, p))
        if len(k) != 9 or len(p) != 12:
            raise CalibrationError(f'camera_info has {len(k)} numbers in k and {len(p)} in p, '
                                   'it takes 9 and 12: mend its publisher')
        if k[0] == 0.0:
            raise CalibrationError('camera_info says that the camera is uncalibrated '
                                   '(k[0] is 0): calibrate it, for points and grids')
        for name, numbers in (('k', k), ('d', d), ('p', p)):
            if not all(map(math.isfinite, numbers)):
                raise CalibrationError(f'camera_info has NaN or infinity in {name}: '
                                       'calibrate the camera again')
        width, height = int(width), int(height)
        if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
            raise CalibrationError(f'camera_info gives a size of {width}x{height}: '
                                   'set the size that the camera was calibrated at')
        if rectified and p[0] == 0.0:
            raise CalibrationError('camera_info has no projection matrix p: rectify the '
                                   'images with it, or set rectified to false')
        matrix = (p[0:3], p[4:7], p[8:11]) if rectified else (k[0:3], k[3:6], k[6:9])
        _check_matrix('p' if rectified else 'k', matrix, width, height)
        kind, d = (distortion.NONE, d) if rectified else distortion.check(distortion_model, d)
        binning = _check_binning(binning_x, binning_y)
        if _is_of_binned_images(matrix, (width, height), binning):
            raise CalibrationError(
                f'camera_info has a binning of {binning[0]}x{binning[1]}, but its numbers are '
                'those of binned images already: publish the binned width and height without '
                'binning, or the numbers of the full sensor')
        return cls(width=width, height=height, k=k, d=d, p=p, kind=kind, binning=binning,
                   roi=_check_roi(tuple(map(int, roi)), width, height), rectified=rectified)

    @property
    def image_size(self) -> Size:
        """Return the size of the delivered images: the ROI after binning."""
        _, _, width, height = self.roi
        return Size(max(1, height // self.binning[1]), max(1, width // self.binning[0]))

    def check_image_size(self, height: int, width: int) -> None:
        """
        Make sure that images of this size belong to the calibration.

        A pixel more than binning gives is accepted, since drivers round either way.

        :param height: rows of the image, pixels.
        :param width: columns of the image, pixels.
        :raises CalibrationError: when they do not.
        """
        expected = self.image_size
        if not is_size((height, width), expected):
            raise CalibrationError(
                f'camera_info is for {expected[1]}x{expected[0]} images, these have '
                f'{width}x{height}: publish the camera_info that goes with them')

    def for_mask(self, height: int, width: int, image_size: tuple[int, int] | None = None
                 ) -> 'MaskCamera':
        """
        Return the :class:`MaskCamera` for a mask of this size over the whole image.

        :param height: rows of the mask, pixels.
        :param width: columns of the mask, pixels.
        :param image_size: (height, width) of the delivered image where it is known, since
            odd sizes are binned up or down; default :attr:`image_size`.
        :raises CalibrationError: when the mask has no or too many pixels.
        """
        image_height, image_width = image_size or self.image_size
        if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
            raise CalibrationError(f'there is no mask of {width}x{height} pixels')
        m = self.p if self.rectified else self.k
        row = 4 if self.rectified else 3
        (fx, cx), (fy, cy) = (
            scale_axis(m[0], m[2], self.roi[0], self.binning[0], width / image_width),
            scale_axis(m[row + 1], m[row + 2], self.roi[1], self.binning[1],
                       height / image_height))
        return MaskCamera(height=height, width=width, fx=fx, fy=fy, cx=cx, cy=cy,
                          kind=self.kind, d=self.d)


@dataclass(frozen=True)
class MaskCamera:
    """The intrinsics of a mask: focal lengths and principal point in its pixels."""

    height: int
    width: int
    fx: float
    fy: float
    cx: float
    cy: float
    kind: str = distortion.NONE
    d: tuple[float, ...] = ()

    @cached_property
    def rays(self) -> Float32Array:
        """
        Return the ray (x / z, y / z) of each pixel's centre, computed once.

        :returns: float32 array H x W x 2 in the optical frame, NaN where the lens model
            has no ray; each of the two planes is contiguous.  Do not write to it.
        """
        planes = np.empty((2, self.height, self.width), np.float32)
        u, v = np.arange(self.width), np.arange(self.height)
        if self.kind == distortion.NONE:
            planes[0] = (u - self.cx) / self.fx
            planes[1] = ((v - self.cy) / self.fy)[:, None]
        else:
            grid = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
            planes[:] = self.rays_at(grid).T.reshape(planes.shape)
        planes.flags.writeable = False
        return np.moveaxis(planes, 0, -1)

    @cached_property
    def ray_lengths(self) -> Float32Array:
        """Return the length of each ray, float32 H x W: distance from the lens per depth."""
        lengths: Float32Array = np.sqrt((self.rays ** 2).sum(axis=-1) + 1)
        lengths.flags.writeable = False
        return lengths

    @cached_property
    def field(self) -> BoolArray:
        """Return the pixels that have a ray, bool array H x W."""
        return np.isfinite(self.rays[..., 0])

    def rays_at(self, pixels: npt.ArrayLike) -> Float64Array:
        """
        Return the rays through pixel positions, float64 array N x 2, x / z and y / z.

        :param pixels: N x 2 positions (u, v), pixels.
        """
        points = (np.asarray(pixels, np.float64) - (self.cx, self.cy)) / (self.fx, self.fy)
        return distortion.undistort(self.kind, self.d, points, max(self.fx, self.fy))

    def project(self, points: npt.ArrayLike) -> Float64Array:
        """
        Return the pixel positions of points in the optical frame.

        :param points: N x 3, m.
        :returns: float64 array N x 2 (u, v), pixels; NaN behind the camera and outside the lens's
            valid field, and not bounded to the mask.
        """
        xyz = np.asarray(points, np.float64)
        with np.errstate(divide='ignore', invalid='ignore'):
            rays = xyz[:, :2] / np.where(xyz[:, 2:] > 0.0, xyz[:, 2:], np.nan)
            seen = (rays ** 2).sum(axis=1) < distortion.field_limit(self.kind, self.d) ** 2
        pixels = np.full(rays.shape, np.nan)
        pixels[seen] = (distortion.distort(self.kind, self.d, rays[seen])
                        * (self.fx, self.fy) + (self.cx, self.cy))
        return pixels


class MaskCameraCache:
    """Keeps the last :class:`MaskCamera`, and so its rays, until calibration or size change."""

    def __init__(self) -> None:
        self._kept: tuple[object, MaskCamera] | None = None

    def get(self, model: CameraModel, height: int, width: int,
            image_size: tuple[int, int] | None = None) -> MaskCamera:
        """
        Return ``model.for_mask(...)``, the same object while the arguments stay equal.

        :param model: the calibration.
        :param height: rows of the mask, pixels.
        :param width: columns of the mask, pixels.
        :param image_size: as in :meth:`CameraModel.for_mask`.
        """
        key = model, height, width, image_size
        if self._kept is None or key != self._kept[0]:
            self._kept = key, model.for_mask(height, width, image_size)
        return self._kept[1]


def _check_matrix(name: str, rows: Sequence[Sequence[float]], width: int, height: int) -> None:
    (fx, skew, cx), (zero, fy, cy), last = rows
    if fx <= 0.0 or fy <= 0.0 or max(fx, fy) > 1000 * max(width, height):
        raise CalibrationError(f'camera_info has focal lengths of {fx:g} and {fy:g} pixels in '
                               f'{name}: calibrate the camera again')
    if not (-width <= cx <= 2 * width and -height <= cy <= 2 * height):
        raise CalibrationError(f'camera_info has its principal point at ({cx:g}, {cy:g}) of '
                               f'{width}x{height} pixels in {name}: calibrate the camera again')
    if abs(skew) > 1e-3 * fx or zero or tuple(last) != (0.0, 0.0, 1.0):
        raise CalibrationError(f'camera_info has skew or a wrong last row in {name}: '
                               'calibrate the camera again')


def _check_binning(x: int, y: int) -> tuple[int, int]:
    if not (0 <= x <= MAX_BINNING and 0 <= y <= MAX_BINNING):
        raise CalibrationError(f'camera_info has a binning of {x}x{y}: 0 to {MAX_BINNING} '
                               'make sense')
    return max(1, int(x)), max(1, int(y))


def _is_of_binned_images(rows: Sequence[Sequence[float]], size: tuple[int, int],
                         binning: tuple[int, int]) -> bool:
    """
    Tell whether a calibration was made with binned images and then given the sensor's size.

    Its principal point is the middle of the binned image then, which is a quarter of the sensor's
    side or less; no lens is that far off in both directions.
    """
    return min(binning) > 1 and all(
        abs(centre * factor / side - 0.5) < _NEAR_THE_MIDDLE
        for centre, side, factor in zip((rows[0][2], rows[1][2]), size, binning))


def _check_roi(roi: Sequence[int], width: int, height: int) -> tuple[int, int, int, int]:
    x, y, roi_width, roi_height = roi
    roi_width, roi_height = roi_width or width - x, roi_height or height - y
    if min(x, y) < 0 or min(roi_width, roi_height) <= 0 or (
            x + roi_width > width or y + roi_height > height):
        raise CalibrationError(f'camera_info has a region of interest of {roi_width}x'
                               f'{roi_height} at ({x}, {y}) on a {width}x{height} sensor: '
                               'it has to lie inside')
    return x, y, roi_width, roi_height
