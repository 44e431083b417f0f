"""Calibration files and guesses, and what resampling does to them."""

import math

from fcn_seg_ros.errors import CalibrationError
from fcn_seg_ros.geometry.calibration import Calibration
import pytest

FILE = """\
image_width: 640
image_height: 480
camera_name: narrow
camera_matrix:
  rows: 3
  cols: 3
  data: [500.0, 0.0, 319.5, 0.0, 510, 239.5, 0.0, 0.0, 1.0]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [0.1, -0.2, 0.0, 0.0, 0.0]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
projection_matrix:
  rows: 3
  cols: 4
  data: [480.0, 0.0, 319.5, 0.0, 0.0, 490.0, 239.5, 0.0, 0.0, 0.0, 1.0, 0.0]
"""


def load(tmp_path, text):
    path = tmp_path / 'camera.yaml'
    path.write_text(text)
    return Calibration.from_yaml(path)


def test_file(tmp_path):
    camera = load(tmp_path, FILE)
    assert (camera.width, camera.height, camera.distortion_model) == (640, 480, 'plumb_bob')
    assert camera.k == (500, 0, 319.5, 0, 510, 239.5, 0, 0, 1)
    assert camera.p == (480, 0, 319.5, 0, 0, 490, 239.5, 0, 0, 0, 1, 0)
    assert camera.d == (0.1, -0.2, 0, 0, 0)


def test_file_of_a_camera_that_was_never_rectified(tmp_path):
    camera = load(tmp_path, FILE[:FILE.index('rectification_matrix')])
    assert camera.r == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert camera.p == (500, 0, 319.5, 0, 0, 510, 239.5, 0, 0, 0, 1, 0)


@pytest.mark.parametrize(('old', 'new', 'message'), [
    ('image_width: 640', 'image_width: wide', "'image_width' must be a whole number"),
    ('image_height: 480\n', '', "'image_height' must be a whole number"),
    ('data: [500.0, ', 'data: [', "'camera_matrix' must have 'data' with 9 numbers"),
    ('data: [500.0, ', 'data: [.nan, ', 'NaN'),
    ('data: [500.0, ', 'data: [-500.0, ', 'focal lengths'),
    ('data: [0.1, ', 'data: [x, ', "'distortion_coefficients' must have 'data'"),
    ('plumb_bob', '[1]', "'distortion_model' must be a name"),
    ('camera_matrix', 'matrix', "'camera_matrix' must have 'data'"),
    (FILE, 'just text', 'no calibration'),
    (FILE, '{', 'camera.yaml'),
])
def test_malformed_files(tmp_path, old, new, message):
    assert old in FILE
    with pytest.raises(CalibrationError, match=message) as caught:
        load(tmp_path, FILE.replace(old, new, 1))
    assert 'camera.yaml' in str(caught.value) and '\n' not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(CalibrationError, match='cannot read'):
        Calibration.from_yaml(tmp_path / 'none.yaml')


@pytest.mark.parametrize('degrees', [10, 60, 90, 150])
def test_field_of_view_is_what_the_outer_edges_span(degrees):
    camera = Calibration.from_field_of_view(640, 480, degrees)
    focal, cx = camera.k[0], camera.k[2]
    left, right = (math.degrees(math.atan((u - cx) / focal)) for u in (-0.5, 639.5))
    assert right - left == pytest.approx(degrees) and right == pytest.approx(-left)
    assert camera.k[4] == focal and camera.k[5] == 239.5
    assert camera.p[:3] == camera.k[:3] and camera.p[4:7] == camera.k[3:6]


@pytest.mark.parametrize('degrees', [0, -60, 180, float('nan')])
def test_impossible_field_of_view(degrees):
    with pytest.raises(CalibrationError, match='field of view'):
        Calibration.from_field_of_view(640, 480, degrees)


def test_resampled_pictures_see_the_same_rays(tmp_path):
    camera = load(tmp_path, FILE)
    small = camera.resized(320, 240)
    assert (small.width, small.height) == (320, 240)
    # Pixel 10 of the small picture covers pixels 20 and 21 of the large one.
    assert (10 - small.k[2]) / small.k[0] == pytest.approx((20.5 - camera.k[2]) / camera.k[0])
    assert (10 - small.p[6]) / small.p[5] == pytest.approx((20.5 - camera.p[6]) / camera.p[5])
    assert small.d == camera.d


def test_cut_pictures_are_refused(tmp_path):
    with pytest.raises(CalibrationError, match='another shape'):
        load(tmp_path, FILE).resized(640, 360)


def test_uncalibrated():
    camera = Calibration(640, 480)
    assert camera.k == (0,) * 9 and camera.resized(64, 48).k == (0,) * 9
