"""The clouds' point layout, byte by byte."""

import struct

from fcn_seg_ros.geometry.camera import MaskCamera
from fcn_seg_ros.navigation.points import organized_cloud, POINT, rgb_table, sparse_cloud
import numpy as np
import pytest

CAMERA = MaskCamera(height=2, width=2, fx=2.0, fy=2.0, cx=0.0, cy=0.0)
DEPTH = np.array([[1.0, 2.0], [np.nan, 4.0]], np.float32)
MASK = np.array([[0, 1], [1, 255]], np.uint8)
CONFIDENCE = np.array([[255, 51], [0, 128]], np.uint8)
RGB = rgb_table(np.array([[1, 2, 3], [255, 128, 0]], np.uint8))


def test_a_point_is_24_bytes_in_the_documented_order():
    data = organized_cloud(CAMERA.rays, DEPTH, MASK, CONFIDENCE, RGB).tobytes()
    assert len(data) == 4 * 24
    x, y, z, confidence, rgb, class_id = struct.unpack_from('<4fIB', data, 24)
    assert (x, y, z) == (1.0, 0.0, 2.0)
    assert confidence == pytest.approx(0.2)
    assert (rgb, class_id) == (0xFF8000, 1)


def test_rows_of_the_cloud_are_rows_of_the_mask():
    cloud = organized_cloud(CAMERA.rays, DEPTH, MASK, CONFIDENCE, RGB)
    assert cloud['class_id'].tolist() == [0, 1, 1, 255]
    assert cloud['confidence'].tolist()[0] == 1.0
    np.testing.assert_array_equal(cloud['x'], [0.0, 1.0, np.nan, 2.0])
    np.testing.assert_array_equal(cloud['y'], [0.0, 0.0, np.nan, 2.0])
    np.testing.assert_array_equal(cloud['z'], [1.0, 2.0, np.nan, 4.0])
    assert cloud['rgb'].view('<u4').tolist()[3] == 0


def test_a_pixel_without_a_ray_has_no_z_either():
    rays = CAMERA.rays.copy()
    rays[1, 1] = np.nan
    cloud = organized_cloud(rays, DEPTH, MASK, CONFIDENCE, RGB)
    assert np.isnan(cloud['z'][3])


def test_points_are_written_into_the_callers_buffer():
    buffer = bytearray(b'\xaa' * 96)
    out = np.frombuffer(buffer, POINT)
    assert organized_cloud(CAMERA.rays, DEPTH, MASK, CONFIDENCE, RGB, out) is out
    assert bytes(buffer[20:21]) == b'\x00'
    assert struct.unpack_from('<f', buffer, 8) == (1.0,)


def test_some_pixels_keep_what_they_are():
    xyz = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    cloud = sparse_cloud(xyz, np.array([3, 1]), MASK, CONFIDENCE, RGB)
    assert cloud['class_id'].tolist() == [255, 1]
    assert cloud['y'].tolist() == [2.0, 5.0]
    assert cloud['confidence'][1] == pytest.approx(0.2)


def test_no_pixels_make_no_points():
    cloud = sparse_cloud(np.empty((0, 3), np.float32), np.empty(0, int), MASK, CONFIDENCE, RGB)
    assert len(cloud) == 0
