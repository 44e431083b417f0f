"""Calibrations and rays, against hand-worked numbers and OpenCV's projection."""

import cv2
from fcn_seg_ros.errors import CalibrationError
from fcn_seg_ros.geometry import distortion
from fcn_seg_ros.geometry.camera import CameraModel, MaskCameraCache
from fcn_seg_ros.geometry.rescaled import rescaled_info
import numpy as np
import pytest

ZERO_P = (0.0,) * 12
PLUMB_BOB = (-0.3, 0.09, 0.001, -0.002, 0.01)
RATIONAL = (5.0, 2.0, 0.001, 0.002, 0.1, 5.3, 3.0, 0.4)
FISHEYE = (-0.01, 0.02, -0.003, 0.001)


def numbers(**changes):
    """Return the fields of a CameraInfo, 640 x 480 with f = 500."""
    fields = {
        'width': 640, 'height': 480, 'k': (500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0),
        'd': (0.0,) * 5, 'distortion_model': 'plumb_bob',
        'p': (400.0, 0.0, 310.0, 0.0, 0.0, 410.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0)}
    return {**fields, **changes}


def model(**changes):
    """Return the checked model of :func:`numbers`."""
    return CameraModel.from_calibration(**numbers(**changes))


def test_rays_of_a_pinhole():
    camera = model().for_mask(480, 640)
    assert camera.rays.shape == (480, 640, 2)
    assert camera.rays.dtype == np.float32
    np.testing.assert_allclose(camera.rays[240, 320], (0.0, 0.0), atol=1e-7)
    np.testing.assert_allclose(camera.rays[240 + 51, 320 + 50], (0.1, 0.1), rtol=1e-6)
    np.testing.assert_allclose(camera.rays[0, 0], (-0.64, -240 / 510), rtol=1e-6)


def test_half_the_size_moves_the_principal_point_by_pixel_centres():
    camera = model().for_mask(240, 320)
    # (320 + 0.5) / 2 - 0.5 = 159.75, not 160
    assert (camera.fx, camera.fy) == (250.0, 255.0)
    assert (camera.cx, camera.cy) == (159.75, 119.75)


def test_a_mask_of_another_aspect_scales_each_axis():
    camera = model().for_mask(256, 512)
    assert camera.fx == pytest.approx(500 * 0.8)
    assert camera.fy == pytest.approx(510 * 256 / 480)
    assert camera.cx == pytest.approx(320.5 * 0.8 - 0.5)


def test_roi_comes_off_in_unbinned_pixels_before_binning_and_scaling():
    # A 400 x 200 window at (100, 60), binned by 2 to 200 x 100, scaled to a 50 x 50 mask.
    binned = model(roi=(100, 60, 400, 200), binning_x=2, binning_y=2)
    assert binned.image_size == (100, 200)
    camera = binned.for_mask(50, 50)
    # x: ((320 - 100) / 2 + 0.5) / 4 - 0.5 = 27.125; f = 500 / 2 / 4
    assert (camera.fx, camera.cx) == (62.5, 27.125)
    # y: ((240 - 60) / 2 + 0.5) / 2 - 0.5 = 44.75; f = 510 / 2 / 2
    assert (camera.fy, camera.cy) == (127.5, 44.75)


def test_binning_alone_divides_as_image_geometry_does():
    camera = model(binning_x=2, binning_y=4).for_mask(120, 320)
    assert (camera.fx, camera.cx) == (250.0, 160.0)
    assert (camera.fy, camera.cy) == (127.5, 60.0)
    # A lens that is off its place in one direction is no calibration of binned images.
    aside = model(binning_x=2, binning_y=2,
                  k=(500.0, 0.0, 160.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0))
    assert aside.for_mask(240, 320).cx == 80.0


def test_a_rectified_image_uses_p_and_ignores_distortion():
    camera = model(rectified=True, d=PLUMB_BOB).for_mask(480, 640)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (400.0, 410.0, 310.0, 230.0)
    np.testing.assert_allclose(camera.rays[230, 350], (0.1, 0.0), atol=1e-7)


def test_an_odd_size_binned_up_is_scaled_by_its_real_size():
    binned = model(width=641, binning_x=2, binning_y=1)
    assert binned.image_size == (480, 320)
    binned.check_image_size(480, 321)
    assert binned.for_mask(480, 321, image_size=(480, 321)).fx == 250.0


@pytest.mark.parametrize(('name', 'd'), [
    ('plumb_bob', PLUMB_BOB), ('plumb_bob', PLUMB_BOB[:4]), ('rational_polynomial', RATIONAL),
    ('rational_polynomial', (*RATIONAL, 0.001, 0.002, -0.001, 0.001)),
    ('rational_polynomial', (*RATIONAL, 0.001, 0.002, -0.001, 0.001, 0.03, -0.02)),
    ('equidistant', FISHEYE)])
def test_rays_project_back_to_their_pixels_through_opencv(name, d):
    camera = model(distortion_model=name, d=d, roi=(20, 10, 600, 400), binning_x=2,
                   binning_y=2).for_mask(100, 150)
    rays = camera.rays.reshape(-1, 2).astype(np.float64)
    assert np.isfinite(rays).all()
    k = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    points = np.column_stack([rays, np.ones(len(rays))]).reshape(-1, 1, 3)
    project = cv2.fisheye.projectPoints if name == 'equidistant' else cv2.projectPoints
    pixels = project(points, np.zeros(3), np.zeros(3), k, np.array(d))[0].reshape(100, 150, 2)
    v, u = np.mgrid[:100, :150]
    np.testing.assert_allclose(pixels[..., 0], u, atol=0.01)
    np.testing.assert_allclose(pixels[..., 1], v, atol=0.01)


@pytest.mark.parametrize(('name', 'd'), [
    ('plumb_bob', PLUMB_BOB), ('rational_polynomial', RATIONAL), ('equidistant', FISHEYE),
    ('plumb_bob', (0.0,) * 5)])
def test_project_is_the_inverse_of_rays(name, d):
    camera = model(distortion_model=name, d=d).for_mask(120, 160)
    points = np.array([[0.3, -0.2, 1.0], [2.0, 1.0, 5.0], [0.0, 0.0, 3.0]])
    pixels = camera.project(points)
    np.testing.assert_allclose(camera.rays_at(pixels), points[:, :2] / points[:, 2:], atol=1e-5)


def test_project_has_nothing_behind_the_camera():
    pixels = model().for_mask(480, 640).project(np.array([[0.1, 0.1, -1.0], [0.1, 0.1, 0.0]]))
    assert np.isnan(pixels).all()


def test_a_barrel_lens_has_no_rays_outside_its_valid_field():
    # r (1 - 0.2 r^2) turns back at r = sqrt(1 / 0.6) = 1.291, at a distorted radius of 0.861
    camera = model(d=(-0.2, 0.0, 0.0, 0.0, 0.0), k=(300.0, 0.0, 320.0, 0.0, 300.0, 240.0,
                                                    0.0, 0.0, 1.0)).for_mask(480, 640)
    assert distortion.field_limit(camera.kind, camera.d) == pytest.approx(1.290994, rel=1e-6)
    v, u = np.mgrid[:480, :640]
    radius = np.hypot((u - 320) / 300, (v - 240) / 300)
    known = np.isfinite(camera.rays).all(axis=-1)
    assert known[radius < 0.85].all()
    assert not known[radius > 0.87].any()
    assert np.hypot(*np.moveaxis(camera.rays[known], -1, 0)).max() <= 1.2911


def test_a_point_beyond_the_valid_field_does_not_fold_into_the_picture():
    camera = model(d=(-0.2, 0.0, 0.0, 0.0, 0.0)).for_mask(480, 640)
    # r = 2 would land at 2 (1 - 0.8) = 0.4, inside
    assert np.isnan(camera.project(np.array([[2.0, 0.0, 1.0]]))).all()


def test_a_fisheye_with_zero_coefficients_is_still_a_fisheye():
    camera = model(distortion_model='equidistant', d=(0.0,) * 4).for_mask(480, 640)
    # radius = focal length x angle: 250 pixels are 0.5 rad
    np.testing.assert_allclose(camera.rays[240, 570], (np.tan(0.5), 0.0), rtol=1e-5, atol=1e-7)


def test_a_fisheye_padded_with_a_fifth_zero_is_accepted():
    assert model(distortion_model='equidistant', d=(*FISHEYE, 0.0)).d == FISHEYE


@pytest.mark.parametrize('changes', [{'d': (), 'distortion_model': ''},
                                     {'d': (0.0,) * 5, 'distortion_model': 'none'}])
def test_no_distortion_needs_no_model(changes):
    assert model(**changes).kind == distortion.NONE


@pytest.mark.parametrize(('changes', 'word'), [
    ({'k': (0.0,) * 9}, 'uncalibrated'),
    ({'k': (float('nan'), *numbers()['k'][1:])}, 'NaN'),
    ({'d': (float('inf'),)}, 'NaN or infinity in d'),
    ({'k': (-500.0, *numbers()['k'][1:])}, 'focal'),
    ({'k': (1e9, *numbers()['k'][1:])}, 'focal'),
    ({'k': (500.0, 0.0, 9999.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0)}, 'principal point'),
    ({'k': (500.0, 30.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0)}, 'skew'),
    ({'k': (500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 0.0)}, 'last row'),
    ({'k': (500.0,) * 8}, '9 and 12'),
    ({'d': PLUMB_BOB, 'distortion_model': 'ftheta'}, "'ftheta'"),
    ({'d': PLUMB_BOB, 'distortion_model': ''}, 'unknown distortion model'),
    ({'d': PLUMB_BOB[:3]}, '3 distortion coefficients'),
    ({'d': (*FISHEYE, 0.5), 'distortion_model': 'equidistant'}, 'equidistant takes 4'),
    ({'width': 0}, '0x480'),
    ({'height': 70000}, '640x70000'),
    ({'rectified': True, 'p': ZERO_P}, 'projection matrix'),
    ({'roi': (600, 0, 100, 100)}, 'region of interest'),
    ({'roi': (700, 0, 0, 0)}, 'region of interest'),
    ({'binning_x': 100}, 'binning'),
    # The sensor has 2560x1440 pixels, and the numbers are those of its images of 640x360.
    ({'width': 2560, 'height': 1440, 'binning_x': 4, 'binning_y': 4,
      'k': (300.0, 0.0, 310.0, 0.0, 300.0, 185.0, 0.0, 0.0, 1.0)}, 'of binned images already'),
    ({'width': 1280, 'height': 960, 'binning_x': 2, 'binning_y': 2}, 'of binned images already'),
])
def test_a_calibration_that_makes_no_sense_is_refused_in_one_line(changes, word):
    with pytest.raises(CalibrationError, match=word) as caught:
        model(**changes)
    assert '\n' not in str(caught.value)


def test_images_of_another_size_do_not_belong_to_the_calibration():
    model().check_image_size(480, 640)
    with pytest.raises(CalibrationError, match='640x480 images, these have 1280x960'):
        model().check_image_size(960, 1280)


def test_rays_are_kept_until_calibration_or_size_change():
    cache = MaskCameraCache()
    first = cache.get(model(), 48, 64).rays
    assert cache.get(model(), 48, 64).rays is first
    assert cache.get(model(), 24, 32).rays is not first
    assert cache.get(model(d=PLUMB_BOB), 48, 64).rays is not first
    assert not first.flags.writeable


def test_rescaled_info_of_roi_binning_and_scale_at_once():
    fields = numbers(p=(500.0, 0.0, 320.0, -50.0, 0.0, 510.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    del fields['d'], fields['distortion_model']
    info = rescaled_info(**fields, roi=(100, 60, 400, 200), binning_x=2, binning_y=2,
                         mask_height=50, mask_width=50)
    assert (info.width, info.height) == (50, 50)
    assert info.k == (62.5, 0.0, 27.125, 0.0, 127.5, 44.75, 0.0, 0.0, 1.0)
    # the baseline, -p[3] / p[0] = 0.1 m, stays what it is
    assert info.p == (62.5, 0.0, 27.125, -6.25, 0.0, 127.5, 44.75, 0.0, 0.0, 0.0, 1.0, 0.0)
    assert (info.binning, info.roi) == ((0, 0), (0, 0, 0, 0))


def test_rescaled_info_gives_the_rays_of_the_mask():
    fields = numbers(d=PLUMB_BOB)
    mask = model(d=PLUMB_BOB, roi=(100, 60, 400, 200), binning_x=2).for_mask(60, 90)
    info = rescaled_info(width=640, height=480, k=fields['k'], p=fields['p'], binning_x=2,
                         roi=(100, 60, 400, 200), mask_height=60, mask_width=90)
    again = CameraModel.from_calibration(
        width=info.width, height=info.height, k=info.k, p=info.p, d=PLUMB_BOB,
        distortion_model='plumb_bob').for_mask(60, 90)
    np.testing.assert_allclose(again.rays, mask.rays, atol=1e-6)


def test_rescaled_info_of_images_of_another_size_is_none():
    fields = numbers()
    del fields['d'], fields['distortion_model']
    for size, fits in (((480, 640), True), ((481, 641), True), ((720, 1280), False),
                       ((240, 320), False)):
        info = rescaled_info(**fields, mask_height=60, mask_width=80, image_size=size)
        assert (info is not None) == fits


def test_rescaled_info_leaves_an_uncalibrated_camera_uncalibrated():
    info = rescaled_info(width=640, height=480, k=(0.0,) * 9, p=ZERO_P, mask_height=240,
                         mask_width=320)
    assert info.k == (0.0,) * 9
    assert info.p == ZERO_P


@pytest.mark.parametrize(('name', 'd'), [('plumb_bob', PLUMB_BOB), ('equidistant', FISHEYE)])
def test_no_points_are_no_error(name, d):
    camera = model(distortion_model=name, d=d).for_mask(48, 64)
    assert camera.rays_at(np.empty((0, 2))).shape == (0, 2)
    assert camera.project(np.empty((0, 3))).shape == (0, 2)


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('absurd', [1e-320, -1e-320, 1e300, -1e300])
def test_absurd_coefficients_bound_the_field_without_a_warning(absurd):
    limit = distortion.field_limit(distortion.RADIAL, (absurd, 0.0, 0.0, 0.0, 0.0))
    assert 0 < limit <= np.tan(distortion.MAX_ANGLE)
