"""The whole way on a world whose truth is known: rendered masks to clouds and grid."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
from fcn_seg_ros.errors import CalibrationError, ImageError
from fcn_seg_ros.geometry.camera import CameraModel
from fcn_seg_ros.geometry.pose import Pose
from fcn_seg_ros.navigation.costmap import EvidenceGrid, GridSettings
from fcn_seg_ros.navigation.frame import CameraNavigation
from fcn_seg_ros.navigation.obstacles import CloudLimits
from fcn_seg_ros.navigation.points import rgb_table
from fcn_seg_ros.navigation.roles import RoleTable
import numpy as np
import pytest
import synthetic_world as synthetic

CELL = 0.05
LIMITS = CloudLimits(max_range=9.0, voxel=0.0, stride=1)
ROLES = RoleTable.from_classes(SimpleNamespace(
    labels=synthetic.LABELS, roles=synthetic.ROLES, costs=synthetic.COSTS))
WORLD = synthetic.World(
    patches=((-50, 1.5, 50, 50, synthetic.SIDEWALK), (-50, -50, 50, -1.5, synthetic.SIDEWALK)),
    boxes=((7.0, -20, 0, 7.5, 20, 3, synthetic.WALL), (4.0, -0.5, 0, 5.0, 0.3, 0.6, synthetic.BOX),
           (2.5, -1.9, 0, 3.0, -1.2, 1.0, synthetic.BOX)))
CAMERAS = {
    'level': synthetic.Camera(640, 480, 480.0, z=1.0, pitch=0.0),
    'down': synthetic.Camera(640, 480, 480.0, z=1.2, pitch=0.3),
    'turned': synthetic.Camera(640, 480, 480.0, x=-0.4, y=0.2, z=0.8, pitch=0.2, yaw=0.15,
                               roll=0.02),
    'distorted': synthetic.Camera(640, 480, 480.0, z=1.0, pitch=0.25,
                                  d=(-0.25, 0.07, 0.001, -0.001, 0.0)),
}


@pytest.fixture(scope='module', params=CAMERAS)
def scene(request):
    """Return a camera, its view of the world, and the pose a robot would know."""
    camera = CAMERAS[request.param]
    pose = Pose.from_mount(height=camera.z, x=camera.x, y=camera.y, roll=camera.roll,
                           pitch=camera.pitch, yaw=camera.yaw)
    return camera, synthetic.render(WORLD, camera, samples=1), pose


def model_of(camera):
    """Return the calibration of a synthetic camera."""
    return CameraModel.from_calibration(
        width=camera.width, height=camera.height, k=camera.k, d=camera.d or (0.0,) * 5,
        p=(0.0,) * 12, distortion_model='plumb_bob')


def frame_of(camera, view, pose, depth=None, limits=LIMITS, mask=None):
    """Return the frame of a view with its true classes."""
    mask = view.class_mask if mask is None else mask
    navigation = CameraNavigation(ROLES, rgb_table(synthetic.COLORS), limits)
    return navigation.frame(
        model_of(camera), mask, np.full(mask.shape, 230, np.uint8), view.class_mask.shape,
        depth=depth, pose=pose)


def distance_to_boxes(xyz):
    """Return the distance on the ground, m, from points in the world to the nearest box."""
    result = np.full(len(xyz), np.inf)
    for x0, y0, _, x1, y1, _, _ in WORLD.boxes:
        outside = np.maximum([x0, y0] - xyz[:, :2], xyz[:, :2] - [x1, y1])
        result = np.minimum(result, np.linalg.norm(np.maximum(outside, 0.0), axis=1))
    return result


def test_the_renderer_puts_pixels_where_they_are_seen(scene):
    camera, view, pose = scene
    rays = camera.rays()
    points = rays * view.depth[..., None].astype(np.float64)
    seen = np.isfinite(view.depth)
    np.testing.assert_allclose(pose.apply(points[seen]), view.places[seen], atol=1e-4)
    assert set(np.unique(view.class_mask)) >= {
        synthetic.ROAD, synthetic.SIDEWALK, synthetic.WALL, synthetic.BOX}


def test_ground_is_within_two_centimetres_at_five_metres(scene):
    camera, view, pose = scene
    cloud = frame_of(camera, view, pose).points().reshape(view.class_mask.shape)
    xyz = np.stack([cloud['x'], cloud['y'], cloud['z']], axis=-1).astype(np.float64)
    ground = ROLES.ground[view.class_mask]
    error = np.linalg.norm(pose.apply(xyz) - view.places, axis=-1)
    away = np.hypot(view.places[..., 0] - camera.x, view.places[..., 1] - camera.y)
    at_five = ground & (away > 4.5) & (away < 5.5)
    assert at_five.sum() > 500
    assert np.median(error[at_five]) < 0.02
    assert np.nanmax(error[ground & (away < 5.5)]) < 0.02


def test_the_cloud_of_flat_ground_has_no_smeared_obstacles(scene):
    camera, view, pose = scene
    frame = frame_of(camera, view, pose)
    cloud = frame.points()
    standing = ROLES.obstacle[cloud['class_id']] & np.isfinite(cloud['z'])
    assert np.array_equal(np.flatnonzero(standing), np.unique(frame.marked.pixels))
    xyz = np.stack([cloud[axis][standing] for axis in 'xyz'], axis=1)
    assert distance_to_boxes(pose.apply(xyz)).max() < 1.5 * CELL
    assert np.isnan(cloud['z'][cloud['class_id'] == synthetic.SKY]).all()
    ground = ROLES.ground[cloud['class_id']]
    assert np.array_equal(np.isfinite(cloud['z'][ground]),
                          np.isfinite(frame.geometry.depth.reshape(-1)[ground]))


def test_measured_depth_puts_every_pixel_in_place(scene):
    camera, view, pose = scene
    frame = frame_of(camera, view, pose, (view.depth, 1.0))
    cloud = frame.points().reshape(view.class_mask.shape)
    xyz = np.stack([cloud['x'], cloud['y'], cloud['z']], axis=-1).astype(np.float64)
    near = np.linalg.norm(view.places - pose.translation, axis=-1) < 8.9
    error = np.linalg.norm(pose.apply(xyz) - view.places, axis=-1)
    assert near.sum() > 50_000
    assert error[near].max() < 1e-3
    assert np.isnan(cloud['z'][~(np.linalg.norm(view.places - pose.translation, axis=-1)
                                 < 9.01)]).all()


def test_feet_are_within_a_cell_of_the_things_that_stand_there(scene):
    camera, view, pose = scene
    found = frame_of(camera, view, pose).marked
    places = pose.apply(found.xyz.astype(np.float64))
    assert len(places) > 500
    np.testing.assert_allclose(places[:, 2], 0.0, atol=1e-5)
    error = distance_to_boxes(places)
    assert error[found.xyz[:, 2] < 5.5].max() < CELL
    # at 7 m half a pixel is a cell already
    assert error.max() < 1.5 * CELL
    kinds = view.class_mask.reshape(-1)[found.pixels]
    assert {synthetic.WALL, synthetic.BOX} == set(kinds.tolist())


def test_measured_obstacles_lie_on_the_boxes(scene):
    camera, view, pose = scene
    found = frame_of(camera, view, pose, (view.depth, 1.0)).marked
    places = pose.apply(found.xyz.astype(np.float64))
    assert distance_to_boxes(places).max() < 0.01
    assert places[:, 2].max() <= LIMITS.max_height + 1e-3


@pytest.mark.parametrize('noise', [0.0, 0.01])
def test_a_mask_that_reaches_over_its_obstacle_draws_no_walls_on_the_ground(scene, noise):
    camera, view, pose = scene
    boxes = ROLES.obstacle[view.class_mask]
    wide = cv2.dilate(boxes.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    mask = np.where(wide & ~boxes, synthetic.BOX, view.class_mask).astype(np.uint8)
    depth = view.depth * (1 + noise * np.random.default_rng(3).standard_normal(
        view.depth.shape)).astype(np.float32)
    before = frame_of(camera, view, pose, (depth, 1.0), mask=mask, limits=replace(
        LIMITS, min_obstacle_height=LIMITS.min_height, depth_noise=0.0))
    after = frame_of(camera, view, pose, (depth, 1.0), mask=mask)
    walls, left = ((~boxes).reshape(-1)[frame.marked.pixels].sum() for frame in (before, after))
    assert walls > 1000
    assert left <= (walls / 1000 if noise else 0)
    assert len(after.marked.pixels) > 10_000


def test_an_obstacle_lower_than_the_margin_is_costly_ground_in_the_grid():
    kerb = synthetic.World(boxes=((2.0, -1.0, 0.0, 2.6, 1.0, 0.03, synthetic.BOX),))
    camera = CAMERAS['down']
    view = synthetic.render(kerb, camera, samples=1)
    pose = Pose.from_mount(height=camera.z, pitch=camera.pitch)
    grid = EvidenceGrid(GridSettings(width=12.0, height=12.0, resolution=CELL))
    grid.center_on(3.0, 0.0)
    frame = frame_of(camera, view, pose, (view.depth, 1.0))
    assert len(frame.marked.pixels) == 0
    grid.add(frame.observe(grid, pose), 1.0)
    row = round((0.0 - grid.origin[1]) / CELL)
    column = round((2.3 - grid.origin[0]) / CELL)
    assert grid.data()[row, column] == 98


def test_the_clearing_cloud_never_reaches_through_an_obstacle(scene):
    camera, view, pose = scene
    found = frame_of(camera, view, pose).cleared
    places = pose.apply(found.xyz[::10].astype(np.float64))
    assert len(places) > 1000
    lens = pose.translation[:2]
    for share in np.linspace(0.05, 0.99, 40):
        on_the_way = lens + share * (places[:, :2] - lens)
        assert distance_to_boxes(on_the_way).min() > 0


@pytest.mark.parametrize('measured', [False, True])
def test_the_grid_shows_the_ground_and_what_stands_on_it(scene, measured):
    camera, view, pose = scene
    grid = EvidenceGrid(GridSettings(width=12.0, height=12.0, resolution=CELL))
    grid.center_on(3.0, 0.0)
    frame = frame_of(camera, view, pose, (view.depth, 1.0) if measured else None)
    grid.add(frame.observe(grid, pose), 1.0)
    data = grid.data()
    rows, columns = np.nonzero(data >= 0)
    centers = (np.stack([columns, rows], axis=1) + 0.5) * CELL + grid.origin
    values = data[rows, columns]
    obstacles = values == 100
    # a cell's centre is at most half its diagonal from its contents
    assert distance_to_boxes(centers[obstacles]).max() < CELL + 0.71 * CELL
    truth = np.array(synthetic.COSTS)[WORLD.ground_class(centers[:, 0], centers[:, 1])]
    plain = ~obstacles & (np.abs(np.abs(centers[:, 1]) - 1.5) > 2 * CELL)
    assert plain.sum() > 5000
    assert (values[plain] == truth[plain]).mean() > 0.995
    assert obstacles.sum() > 100


def test_the_ground_has_no_gaps_between_far_image_rows():
    camera = synthetic.Camera(160, 120, 120.0, z=0.5, pitch=0.15)
    view = synthetic.render(synthetic.World(), camera, samples=1)
    pose = Pose.from_mount(height=camera.z, pitch=camera.pitch)
    grid = EvidenceGrid(GridSettings(width=12.0, height=12.0, resolution=CELL))
    grid.center_on(3.0, 0.0)
    grid.add(frame_of(camera, view, pose, limits=replace(LIMITS, max_range=6.0)).observe(
        grid, pose), 0.0)
    column = round((0.0 - grid.origin[1]) / CELL)
    ahead = grid.data()[column, round(2.0 / CELL) + 60:round(5.8 / CELL) + 60]
    # rows are up to 60 cm apart out there, cells 5 cm wide
    assert (ahead == 10).all()


def test_frames_of_a_moving_robot_land_on_the_same_cells():
    grid = EvidenceGrid(GridSettings(width=12.0, height=12.0, resolution=CELL))
    for step, x in enumerate((-0.5, 0.0, 0.5, 1.0)):
        camera = synthetic.Camera(320, 240, 240.0, x=x, z=1.0, pitch=0.25, yaw=0.05 * step)
        view = synthetic.render(WORLD, camera, samples=1)
        odom = Pose.from_quaternion((x, 0.0, 0.0), (0.0, 0.0, np.sin(0.025 * step),
                                                    np.cos(0.025 * step)))
        ground_pose = Pose.from_mount(height=1.0, pitch=0.25)
        grid.center_on(x + 3.0, 0.0)
        frame = frame_of(camera, view, ground_pose)
        grid.add(frame.observe(grid, odom @ ground_pose), step * 0.1)
    rows, columns = np.nonzero(grid.data() == 100)
    centers = (np.stack([columns, rows], axis=1) + 0.5) * CELL + grid.origin
    assert distance_to_boxes(centers).max() < 2 * CELL
    assert len(centers) > 100


def test_a_pitch_error_costs_what_the_table_says():
    from fcn_seg_ros.geometry.pose import range_error
    camera = CAMERAS['level']
    view = synthetic.render(synthetic.World(), camera, samples=1)
    wrong = Pose.from_mount(height=camera.z, pitch=camera.pitch - np.radians(1.0))
    cloud = frame_of(camera, view, wrong).points().reshape(view.class_mask.shape)
    placed = wrong.apply(np.stack([cloud['x'], cloud['y'], cloud['z']], axis=-1))[..., 320, 0]
    true = view.places[:, 320, 0]
    row = np.nanargmin(np.abs(true - 4.0))
    expected = range_error(true[row], camera.z, np.radians(1.0))
    assert placed[row] - true[row] == pytest.approx(expected, rel=0.01)


def test_the_mask_may_be_smaller_than_the_image(scene):
    camera, view, pose = scene
    frame = frame_of(camera, view, pose, mask=view.class_mask[2::5, 2::5].copy())
    cloud = frame.points().reshape(frame.class_mask.shape)
    places = pose.apply(np.stack([cloud['x'], cloud['y'], cloud['z']], axis=-1))
    truth = view.places[2::5, 2::5]
    away = np.hypot(truth[..., 0] - camera.x, truth[..., 1] - camera.y)
    near = ROLES.ground[frame.class_mask] & (away < 5.0)
    error = np.linalg.norm(places - truth, axis=-1)
    assert error[near].max() < 0.01


def test_depth_of_another_field_of_view_and_no_pose_are_errors(scene):
    camera, view, pose = scene
    with pytest.raises(ImageError, match='register'):
        frame_of(camera, view, pose, (np.ones((480, 848), np.float32), 1.0))
    with pytest.raises(CalibrationError, match='neither depth nor a pose'):
        frame_of(camera, view, None)


def test_a_calibration_of_another_size_is_an_error():
    camera, small = CAMERAS['level'], synthetic.Camera(320, 240, 240.0)
    view = synthetic.render(synthetic.World(), small, samples=1)
    with pytest.raises(CalibrationError, match='640x480 images, these have 320x240'):
        frame_of(camera, view, Pose.from_mount(height=1.0))
