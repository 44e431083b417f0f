"""Calibration files and guesses, and what resampling does to them."""

import math

import cv2
from fcn_seg_ros.errors import CalibrationError
from fcn_seg_ros.geometry.calibration import Calibration
import numpy as np
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
    ('[0.1, -0.2, 0.0, 0.0, 0.0]', '[0.1 x]', "'distortion_coefficients' must have 'data'"),
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


def test_numbers_without_commas(tmp_path):
    text = FILE.replace('[0.1, -0.2, 0.0, 0.0, 0.0]', '[0.1 -0.2 0.0 0.0 0.0]')
    assert load(tmp_path, text) == load(tmp_path, FILE)


def test_a_model_by_its_other_name(tmp_path):
    text = FILE.replace('distortion_model: plumb_bob', 'camera_model: equidistant')
    text = text.replace('[0.1, -0.2, 0.0, 0.0, 0.0]', '[0.1, -0.2, 0.0, 0.0]')
    assert load(tmp_path, text).distortion_model == 'equidistant'


INI = """\
# oST version 5.0 parameters

[image]

width
640

height
480

[narrow]

camera matrix
500.0 0.0 319.5
0.0 510.0 239.5
0.0 0.0 1.0

distortion
0.1 -0.2 0.0 0.0 0.0
"""
CAMCHAIN = """\
cam0:
  camera_model: pinhole
  distortion_model: radtan
  distortion_coeffs: [0.1, -0.2, 0.0, 0.0]
  intrinsics: [500.0, 510.0, 319.5, 239.5]
  resolution: [640, 480]
"""


@pytest.mark.parametrize(('text', 'words'), [
    (INI, 'INI format of camera_calibration: take the ost.yaml'),
    (CAMCHAIN, 'a camchain of Kalibr: write its numbers')])
def test_calibrations_of_other_formats_are_named(tmp_path, text, words):
    with pytest.raises(CalibrationError, match=words):
        load(tmp_path, text)


ECHO = """\
header:
  stamp:
    sec: 1
    nanosec: 2
  frame_id: camera
height: 480
width: 640
distortion_model: plumb_bob
d:
- 0.1
- -0.2
- 0.0
- 0.0
- 0.0
k: [500.0, 0.0, 319.5, 0.0, 510.0, 239.5, 0.0, 0.0, 1.0]
r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
p: [480.0, 0.0, 319.5, 0.0, 0.0, 490.0, 239.5, 0.0, 0.0, 0.0, 1.0, 0.0]
binning_x: 0
binning_y: 0
roi: {x_offset: 0, y_offset: 0, height: 0, width: 0, do_rectify: false}
"""


@pytest.mark.parametrize('end', ['', '---\n', '---\nheight: 1\n---\n'])
def test_what_ros2_topic_echo_prints(tmp_path, end):
    assert load(tmp_path, ECHO + end) == load(tmp_path, FILE)


@pytest.mark.parametrize(('old', 'new', 'message'), [
    ('binning_x: 0', 'binning_x: 2', 'binned pixels: take one of whole pictures'),
    ('width: 0, do', 'width: 320, do', 'a part of the sensor'),
    ('k: [500.0, ', 'k: [', "'camera_matrix' must have 'data' with 9 numbers"),
    ('width: 640', 'width: wide', "'image_width' must be a whole number")])
def test_a_printed_message_that_is_no_calibration(tmp_path, old, new, message):
    assert old in ECHO
    with pytest.raises(CalibrationError, match=message):
        load(tmp_path, ECHO.replace(old, new))


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


def write_opencv(path, coefficients, **fields):
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for key, value in {'image_width': 640, 'image_height': 480, **fields}.items():
        storage.write(key, value)
    storage.write('camera_matrix', np.array([[500., 0, 320], [0, 510, 240], [0, 0, 1]]))
    storage.write('distortion_coefficients', np.array([coefficients]))
    storage.release()
    return path


@pytest.mark.parametrize(('coefficients', 'fields', 'model'), [
    ([0.1, -0.2, 0, 0, 0.01], {}, 'plumb_bob'),
    ([0.1, -0.2, 0, 0, 0.01, 0.3, 0, 0], {}, 'rational_polynomial'),
    ([0.1, -0.02, 0, 0], {'fisheye_model': 1}, 'equidistant'),
    ([0.1, -0.02, 0, 0], {'fisheye_model': 0}, 'plumb_bob')])
def test_opencvs_own_file(tmp_path, coefficients, fields, model):
    read = Calibration.from_yaml(write_opencv(tmp_path / 'c.yaml', coefficients, **fields))
    assert (read.width, read.height, read.distortion_model) == (640, 480, model)
    assert read.k == (500, 0, 320, 0, 510, 240, 0, 0, 1) and read.d == tuple(coefficients)


@pytest.mark.parametrize('text', ['%YAML:1.0\n---\nimage_width: [', '%YAML:1.0\n---\nx: 1\n',
                                  '%YAML:1.0', '%YAML:1.0\n---\nimage_width: 640\n'
                                  'image_height: 480\ncamera_matrix: 3\n'])
def test_opencvs_file_without_a_calibration(tmp_path, text):
    (tmp_path / 'c.yaml').write_text(text)
    with pytest.raises(CalibrationError, match=r'c\.yaml'):
        Calibration.from_yaml(tmp_path / 'c.yaml')
