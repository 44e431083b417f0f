"""The lower outline of obstacles: directions by hand, and things that stand upright."""

import math

from fcn_seg_ros.geometry.camera import MaskCamera
from fcn_seg_ros.geometry.pose import Pose
from fcn_seg_ros.navigation.feet import Directions, find_feet, in_front
import numpy as np
import pytest
import synthetic_world as synthetic

FOCAL = 300.0


def camera_of(view):
    """Return the mask camera of a synthetic camera."""
    return MaskCamera(height=view.height, width=view.width, fx=view.focal, fy=view.focal,
                      cx=(view.width - 1) / 2, cy=(view.height - 1) / 2)


def feet_of(view, obstacle):
    """Return the feet and where they stand in the world, N x 2."""
    pose = Pose.from_mount(height=view.z, roll=view.roll, pitch=view.pitch, yaw=view.yaw)
    directions = Directions(pose.rotation, view.focal)
    feet = find_feet(camera_of(view), obstacle, directions)
    rays = np.column_stack([feet.rays, np.ones(len(feet.rays))]) @ pose.rotation.T
    return feet, -view.z * rays[:, :2] / rays[:, 2:]


def test_directions_of_a_level_camera_are_image_columns():
    directions = Directions(None, FOCAL)
    rays = np.array([[0.2, y] for y in (-0.5, 0.0, 0.7)] + [[-0.2, 0.1]])
    bins, depression = directions.of(rays)
    assert len(set(bins[:3].tolist())) == 1
    # right is a negative azimuth, one bin is 0.8 / 300 rad
    assert bins[0] - directions.count // 2 == round(-math.atan(0.2) * FOCAL / 0.8)
    assert bins[3] + bins[0] == 2 * (directions.count // 2)
    np.testing.assert_allclose(depression[:3], np.array([-0.5, 0.0, 0.7]) / math.hypot(1, 0.2))


@pytest.mark.parametrize('angles', [{}, {'pitch': 0.6}, {'roll': 0.3}, {'roll': math.pi / 2},
                                    {'pitch': 0.4, 'roll': -0.2, 'yaw': 2.5},
                                    {'pitch': math.pi / 2}])
def test_the_points_of_an_upright_line_share_a_direction(angles):
    pose = Pose.from_mount(height=1.0, **angles)
    directions = Directions(pose.rotation, FOCAL)
    ahead = pose.rotation[:2, 2]
    ahead = ahead / np.hypot(*ahead) if np.hypot(*ahead) > 1e-6 else np.array([1.0, 0.0])
    left = np.array([-ahead[1], ahead[0]])
    foot = 3.0 * ahead + 0.5 * left
    line = np.array([[*foot, z] for z in (0.0, 0.3, 0.9, 1.5)]) - (0, 0, 1.0)
    optical = line @ pose.rotation
    bins, depression = directions.of(optical[:, :2] / optical[:, 2:])
    visible = optical[:, 2] > 0
    assert visible.sum() >= 2
    assert set(bins[visible].tolist()) == {
        round(math.atan2(0.5, 3.0) * FOCAL / 0.8) + directions.count // 2}
    expected = np.array([1.0, 0.7, 0.1, -0.5]) / math.hypot(3.0, 0.5)
    np.testing.assert_allclose(depression[visible], expected[visible], atol=1e-9)


@pytest.mark.parametrize('view', [
    synthetic.Camera(400, 300, FOCAL, z=0.9, pitch=0.0),
    synthetic.Camera(400, 300, FOCAL, z=1.2, pitch=0.4),
    synthetic.Camera(400, 300, FOCAL, z=1.2, pitch=0.3, roll=0.3),
    synthetic.Camera(300, 400, FOCAL, z=1.2, pitch=0.3, roll=math.pi / 2),
    synthetic.Camera(400, 300, FOCAL, z=1.2, pitch=0.6, yaw=0.4)],
    ids=['level', 'pitched', 'rolled', 'portrait', 'steep'])
def test_a_tall_thing_beside_the_axis_leaves_no_smear_behind_it(view):
    # Looking down, its upright edges lean in the image: columns beside its base see only
    # its upper part, metres behind it on the ground.
    world = synthetic.World(boxes=((2.0, -0.9, 0.0, 2.3, -0.4, 1.1, synthetic.BOX),
                                   (2.1, 0.5, 0.0, 2.5, 0.9, 0.8, synthetic.BOX)))
    seen = synthetic.render(world, view, samples=1)
    feet, places = feet_of(view, seen.class_mask == synthetic.BOX)
    assert len(places) > 40
    for x0, y0, _, x1, y1, _, _ in world.boxes:
        near = (np.abs(places - ((x0 + x1) / 2, (y0 + y1) / 2)) < 0.4).all(axis=1)
        assert near.sum() > 15
    outside = [np.maximum(np.maximum([x0, y0] - places, places - [x1, y1]), 0).max(axis=1)
               for x0, y0, _, x1, y1, _, _ in world.boxes]
    assert np.minimum(*outside).max() < 0.03


def test_a_wall_along_the_way_is_followed_to_its_far_end():
    view = synthetic.Camera(400, 300, FOCAL, z=1.0, pitch=0.2)
    world = synthetic.World(boxes=((-5.0, 0.4, 0.0, 8.0, 0.6, 2.0, synthetic.WALL),))
    seen = synthetic.render(world, view, samples=1)
    feet, places = feet_of(view, seen.class_mask == synthetic.WALL)
    # where the image's border cuts the wall, its foot is out of view
    near = places[(places[:, 0] < 5.0) & (feet.pixels // 400 < 299)]
    np.testing.assert_allclose(near[:, 1], 0.4, atol=0.04)
    assert near[:, 0].min() < 1.6
    assert np.diff(np.sort(near[:, 0])).max() < 0.3


def test_only_what_is_in_front_counts_as_in_front():
    outline = np.full(20, -np.inf)
    outline[10] = 0.5
    bins = np.array([8, 9, 10, 11, 12, 10])
    depression = np.array([0.1, 0.4, 0.5, 0.4, 0.1, 0.6])
    assert in_front(bins, depression, outline).tolist() == [
        True, False, False, False, True, True]


def test_no_obstacles_have_no_feet():
    camera = camera_of(synthetic.Camera())
    feet = find_feet(camera, np.zeros((240, 320), bool), Directions(None, 240.0))
    assert len(feet.pixels) == 0
    assert feet.rays.shape == (0, 2)
    assert np.isneginf(feet.outline).all()


def test_an_image_full_of_obstacle_has_its_feet_at_the_border_below():
    camera = camera_of(synthetic.Camera())
    feet = find_feet(camera, np.ones((240, 320), bool), Directions(None, 240.0))
    assert set((feet.pixels // 320).tolist()) == {239}
    # the lower side of the last row
    np.testing.assert_allclose(feet.rays[:, 1], 120 / 240)


def test_pixels_without_a_ray_are_no_feet():
    camera = MaskCamera(height=60, width=80, fx=40.0, fy=40.0, cx=39.5, cy=29.5,
                        kind='radial', d=(-0.4, 0.0, 0.0, 0.0))
    assert np.isnan(camera.rays).any()
    feet = find_feet(camera, np.ones((60, 80), bool), Directions(None, 40.0))
    assert np.isfinite(feet.rays).all()
    assert len(feet.pixels) > 20
