"""
A camera's calibration, and the rays of a mask's pixels that follow from it.

The numbers are those of sensor_msgs/CameraInfo: K, D (or P, when the image is rectified)
belong to the full sensor.  A mask pixel follows CameraInfo's own order: the ROI's offset
(in unbinned pixels) is taken off, the result divided by the binning, as image_geometry
does, and then scaled to the mask.  Scaling goes by pixel centres, u' = (u + 0.5) s - 0.5,
since it resamples the picture.
"""

from dataclasses import dataclass
from functools import cached_property
import math

import numpy as np

from . import distortion
from ..errors import CalibrationError

MAX_SIDE = 65535
"""Largest width and height of a sensor or mask, pixels."""
MAX_BINNING = 64


@dataclass(frozen=True)
class CameraModel:
    """
    A checked calibration; build it with :meth:`from_calibration`.  Equal if the numbers are.

    ``k`` (9), ``p`` (12) and ``d`` are tuples of floats, row-major; ``kind`` says how ``d``
    distorts.  ``roi`` is (x_offset, y_offset, width, height) in unbinned pixels, resolved.
    """

    width: int
    height: int
    k: tuple
    d: tuple
    p: tuple
    kind: str
    binning: tuple
    roi: tuple
    rectified: bool

    @classmethod
    def from_calibration(cls, *, width, height, k, d, p, distortion_model, binning_x=0,
                         binning_y=0, roi=(0, 0, 0, 0), rectified=False, r=None):
        """
        Check the fields of a CameraInfo.

        :param width, height: the full sensor's size, pixels.
        :param k, d, p, r: the matrices as sequences of 9, any number, 12 and 9 numbers.
            ``r`` is accepted for completeness: the rays belong to the frame that the
            image's header names, rectified or not.
        :param binning_x, binning_y: 0 means 1.
        :param roi: (x_offset, y_offset, width, height); a zero size means the rest.
        :param rectified: the image is rectified: ``p`` counts, ``k`` and ``d`` do not.
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
        return cls(width=width, height=height, k=k, d=d, p=p, kind=kind, binning=binning,
                   roi=_check_roi(tuple(map(int, roi)), width, height), rectified=rectified)

    @property
    def image_size(self):
        """Return (height, width) of the delivered images: the ROI after binning."""
        _, _, width, height = self.roi
        return max(1, height // self.binning[1]), max(1, width // self.binning[0])

    def check_image_size(self, height, width):
        """
        Make sure that images of this size belong to the calibration.

        A pixel more than binning gives is accepted, since drivers round either way.

        :raises CalibrationError: when they do not.
        """
        expected = self.image_size
        if not _is_size((height, width), expected):
            raise CalibrationError(
                f'camera_info is for {expected[1]}x{expected[0]} images, these have '
                f'{width}x{height}: publish the camera_info that goes with them')

    def for_mask(self, height, width, image_size=None):
        """
        Return the :class:`MaskCamera` for a mask of this size over the whole image.

        :param image_size: (height, width) of the delivered image where it is known, since
            odd sizes are binned up or down; default :attr:`image_size`.
        """
        image_height, image_width = image_size or self.image_size
        if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
            raise CalibrationError(f'there is no mask of {width}x{height} pixels')
        m = self.p if self.rectified else self.k
        row = 4 if self.rectified else 3
        (fx, cx), (fy, cy) = (
            _scale(m[0], m[2], self.roi[0], self.binning[0], width / image_width),
            _scale(m[row + 1], m[row + 2], self.roi[1], self.binning[1],
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
    d: tuple = ()

    @cached_property
    def rays(self):
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
    def ray_lengths(self):
        """Return the length of each ray, float32 H x W: distance from the lens per depth."""
        lengths = np.sqrt((self.rays ** 2).sum(axis=-1) + 1)
        lengths.flags.writeable = False
        return lengths

    @cached_property
    def field(self):
        """Return the pixels that have a ray, bool array H x W."""
        return np.isfinite(self.rays[..., 0])

    def rays_at(self, pixels):
        """Return the rays, float64 N x 2, through pixel positions N x 2 (u, v)."""
        points = (np.asarray(pixels, np.float64) - (self.cx, self.cy)) / (self.fx, self.fy)
        return distortion.undistort(self.kind, self.d, points, max(self.fx, self.fy))

    def project(self, points):
        """
        Return the pixel positions of points in the optical frame.

        :param points: float array N x 3.
        :returns: float64 array N x 2 (u, v); NaN behind the camera and outside the lens's
            valid field, and not bounded to the mask.
        """
        points = np.asarray(points, np.float64)
        with np.errstate(divide='ignore', invalid='ignore'):
            rays = points[:, :2] / np.where(points[:, 2:] > 0.0, points[:, 2:], np.nan)
            seen = (rays ** 2).sum(axis=1) < distortion.field_limit(self.kind, self.d) ** 2
        pixels = np.full(rays.shape, np.nan)
        pixels[seen] = (distortion.distort(self.kind, self.d, rays[seen])
                        * (self.fx, self.fy) + (self.cx, self.cy))
        return pixels


class MaskCameraCache:
    """Keeps the last :class:`MaskCamera`, and so its rays, until calibration or size change."""

    def __init__(self):
        self._key, self._camera = None, None

    def get(self, model, height, width, image_size=None):
        """Return ``model.for_mask(...)``, the same object while the arguments stay equal."""
        key = model, height, width, image_size
        if key != self._key:
            self._camera = model.for_mask(height, width, image_size)
            self._key = key
        return self._camera


@dataclass(frozen=True)
class RescaledInfo:
    """The fields of a CameraInfo that scaling changes; D, R and the model stay as they are."""

    width: int
    height: int
    k: tuple
    p: tuple
    binning: tuple = (0, 0)
    roi: tuple = (0, 0, 0, 0)


def rescaled_info(*, width, height, k, p, binning_x=0, binning_y=0, roi=(0, 0, 0, 0),
                  mask_height, mask_width, image_size=None):
    """
    Return the calibration of the mask itself, for a CameraInfo beside it.

    K and P move as in :meth:`CameraModel.for_mask`, the translation in P (focal length
    times baseline) scales with the focal length; ROI and binning are used up.  Nothing is
    checked, and an uncalibrated K or P stays zero: whoever reads it shall find out.

    :param width, height, k, p, binning_x, binning_y, roi: as in
        :meth:`CameraModel.from_calibration`.
    :param mask_height, mask_width: the mask's size, pixels.
    :param image_size: as in :meth:`CameraModel.for_mask`.
    :returns: :class:`RescaledInfo`, or None when images of this size do not belong to the
        calibration, as while a camera changes its size.
    """
    bx, by = max(1, binning_x), max(1, binning_y)
    x_offset, y_offset = roi[:2]
    roi_width, roi_height = roi[2] or width - x_offset, roi[3] or height - y_offset
    expected = max(1, roi_height // by), max(1, roi_width // bx)
    image_height, image_width = image_size or expected
    if (k[0] != 0.0 or p[0] != 0.0) and not _is_size((image_height, image_width), expected):
        return None
    sx, sy = mask_width / image_width, mask_height / image_height
    k, p = list(map(float, k)), list(map(float, p))
    if k[0] != 0.0:
        k[0], k[2] = _scale(k[0], k[2], x_offset, bx, sx)
        k[4], k[5] = _scale(k[4], k[5], y_offset, by, sy)
    if p[0] != 0.0:
        p[0], p[2] = _scale(p[0], p[2], x_offset, bx, sx)
        p[5], p[6] = _scale(p[5], p[6], y_offset, by, sy)
        p[3], p[7] = p[3] * sx / bx, p[7] * sy / by
    return RescaledInfo(width=mask_width, height=mask_height, k=tuple(k), p=tuple(p))


def _is_size(size, expected):
    """Tell whether a (height, width) is the expected one, or a pixel more by rounding."""
    return all(0 <= got - wanted <= 1 for got, wanted in zip(size, expected))


def _scale(focal, centre, offset, binning, scale):
    """Return focal length and principal point after ROI, binning and resampling, one axis."""
    return focal / binning * scale, ((centre - offset) / binning + 0.5) * scale - 0.5


def _check_matrix(name, rows, width, height):
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


def _check_binning(x, y):
    if not (0 <= x <= MAX_BINNING and 0 <= y <= MAX_BINNING):
        raise CalibrationError(f'camera_info has a binning of {x}x{y}: 0 to {MAX_BINNING} '
                               'make sense')
    return max(1, int(x)), max(1, int(y))


def _check_roi(roi, width, height):
    x, y, roi_width, roi_height = roi
    roi_width, roi_height = roi_width or width - x, roi_height or height - y
    if min(x, y) < 0 or min(roi_width, roi_height) <= 0 or (
            x + roi_width > width or y + roi_height > height):
        raise CalibrationError(f'camera_info has a region of interest of {roi_width}x'
                               f'{roi_height} at ({x}, {y}) on a {width}x{height} sensor: '
                               'it has to lie inside')
    return x, y, roi_width, roi_height
