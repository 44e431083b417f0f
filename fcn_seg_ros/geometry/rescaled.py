"""
A calibration on its way to another size: region of interest, binning, then scaling.

Scaling goes by pixel centres, u' = (u + 0.5) s - 0.5, since it resamples the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RescaledInfo:
    """The fields of a CameraInfo that scaling changes; D, R and the model stay as they are."""

    width: int
    height: int
    k: tuple[float, ...]
    p: tuple[float, ...]
    binning: tuple[int, int] = (0, 0)
    roi: tuple[int, int, int, int] = (0, 0, 0, 0)


def rescaled_info(*, width: int, height: int, k: Sequence[float], p: Sequence[float],
                  binning_x: int = 0, binning_y: int = 0, roi: Sequence[int] = (0, 0, 0, 0),
                  mask_height: int, mask_width: int, image_size: tuple[int, int] | None = None
                  ) -> RescaledInfo | None:
    """
    Return the calibration of the mask itself, for a CameraInfo beside it.

    K and P move as in :meth:`.CameraModel.for_mask`, the translation in P (focal length
    times baseline) scales with the focal length; ROI and binning are used up.  Nothing is
    checked, and an uncalibrated K or P stays zero: whoever reads it shall find out.

    :param width: as in :meth:`.CameraModel.from_calibration`, and so the six that follow.
    :param height: see there.
    :param k: see there.
    :param p: see there.
    :param binning_x: see there.
    :param binning_y: see there.
    :param roi: see there.
    :param mask_height: rows of the mask, pixels.
    :param mask_width: columns of the mask, pixels.
    :param image_size: as in :meth:`.CameraModel.for_mask`.
    :returns: :class:`RescaledInfo`, or None when images of this size do not belong to the
        calibration, as while a camera changes its size.
    """
    bx, by = max(1, binning_x), max(1, binning_y)
    x_offset, y_offset = roi[:2]
    roi_width, roi_height = roi[2] or width - x_offset, roi[3] or height - y_offset
    expected = max(1, roi_height // by), max(1, roi_width // bx)
    image_height, image_width = image_size or expected
    if (k[0] != 0.0 or p[0] != 0.0) and not is_size((image_height, image_width), expected):
        return None
    sx, sy = mask_width / image_width, mask_height / image_height
    new_k, new_p = list(map(float, k)), list(map(float, p))
    if k[0] != 0.0:
        new_k[0], new_k[2] = scale_axis(k[0], k[2], x_offset, bx, sx)
        new_k[4], new_k[5] = scale_axis(k[4], k[5], y_offset, by, sy)
    if p[0] != 0.0:
        new_p[0], new_p[2] = scale_axis(p[0], p[2], x_offset, bx, sx)
        new_p[5], new_p[6] = scale_axis(p[5], p[6], y_offset, by, sy)
        new_p[3], new_p[7] = p[3] * sx / bx, p[7] * sy / by
    return RescaledInfo(width=mask_width, height=mask_height, k=tuple(new_k), p=tuple(new_p))


def is_size(size: Sequence[int], expected: Sequence[int]) -> bool:
    """
    Tell whether a (height, width) is the expected one, or a pixel more by rounding.

    :param size: pixels.
    :param expected: pixels.
    """
    return all(0 <= got - wanted <= 1 for got, wanted in zip(size, expected))


def scale_axis(focal: float, centre: float, offset: int, binning: int, scale: float
               ) -> tuple[float, float]:
    """
    Return focal length and principal point after ROI, binning and resampling, one axis.

    :param focal: focal length, pixels of the sensor.
    :param centre: principal point there.
    :param offset: first column or row of the ROI, unbinned pixels.
    :param binning: sensor pixels in one of the image.
    :param scale: pixels of the mask in one of the image.
    """
    return focal / binning * scale, ((centre - offset) / binning + 0.5) * scale - 0.5
