"""
Clouds and grid over DDS, in a world whose truth is known.

A network that is made here sees rendered pictures; what the node publishes is compared
with where things really are.  Pixels within 3 of a class border are left out.
"""

import math

import cv2
from graph import image_message, new_header
from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from robot import calibration, depth_message, grid_values, places, read_cloud, Robot
from sensor_msgs.msg import Image, PointCloud2
import synthetic_network
import synthetic_world as synthetic

CELL, NEAR = 0.1, 4.5
"""Edge of a cell, and how far away rows are so near to each other that it matters, m."""
BORDER = 3
"""Pixels along class borders that are left out."""
WORLD = synthetic.World(
    patches=((-50, 1.5, 50, 50, synthetic.SIDEWALK), (-50, -50, 50, -1.5, synthetic.SIDEWALK)),
    boxes=((7.0, -20, 0.0, 7.5, 20, 1.5, synthetic.WALL),
           (3.0, -0.5, 0.0, 4.0, 0.3, 0.6, synthetic.BOX),
           (2.5, -1.9, 0.0, 3.0, -1.2, 1.0, synthetic.BOX),
           (2.3, 0.7, 0.0, 2.6, 1.2, 0.25, synthetic.BOX),
           (-3.5, 0.2, 0.0, -3.0, 1.0, 0.8, synthetic.BOX)))
CAMERA = synthetic.Camera(synthetic_network.WIDTH, synthetic_network.HEIGHT, 240.0,
                          z=1.2, pitch=0.35)
REAR = synthetic.Camera(synthetic_network.WIDTH, synthetic_network.HEIGHT, 240.0,
                        z=1.2, pitch=0.35, yaw=math.pi)
MOUNT = {'mount__height': CAMERA.z, 'mount__pitch': CAMERA.pitch}
PARAMETERS = {
    'costmap__frame': 'base_footprint', 'costmap__resolution': CELL, 'costmap__width': 16.0,
    'points__voxel': 0.0, 'points__stride': 1, 'points__max_range': 9.0}
GROUND = np.isin(np.arange(256), (synthetic.ROAD, synthetic.SIDEWALK))


@pytest.fixture(scope='module')
def view():
    return synthetic.render(WORLD, CAMERA, samples=1)


@pytest.fixture(scope='session')
def trained(models_dir):
    """Make the network that knows the world; return its parameters for a node."""
    synthetic_network.write_synthetic_network(models_dir)
    return {'network': synthetic_network.NAME}


@pytest.fixture(scope='module')
def robot(shared_nodes, trained):
    robot = Robot(shared_nodes, **trained, **MOUNT, **PARAMETERS)
    robot.listen(Image, 'class_mask')
    robot.listen(PointCloud2, 'points', 'obstacles', 'ground')
    robot.listen(OccupancyGrid, 'costmap', latched=True)
    return robot


@pytest.fixture(scope='module')
def outputs(robot, view):
    """Return what comes of the world's view: the mask, the clouds and the grid."""
    return robot.film(view.rgb, calibration(CAMERA), 'class_mask', 'points', 'obstacles',
                      'ground', 'costmap')


def distance_to_boxes(xy):
    """Return the distance on the ground, m, from places ... x 2 to the nearest box."""
    result = np.full(xy.shape[:-1], np.inf)
    for x0, y0, _, x1, y1, _, _ in WORLD.boxes:
        outside = np.maximum(np.maximum([x0, y0] - xy, xy - [x1, y1]), 0.0)
        result = np.minimum(result, np.linalg.norm(outside, axis=-1))
    return result


def beside_edges(xy):
    """Tell which cells, centres ... x 2, look, from the camera, as if beside a box's edge."""
    corners = np.array([(x, y) for x0, y0, _, x1, y1, _, _ in WORLD.boxes
                        for x in (x0, x1) for y in (y0, y1)])
    turned = np.angle(np.exp(1j * (np.arctan2(xy[..., 1], xy[..., 0])[..., None]
                                   - np.arctan2(corners[:, 1], corners[:, 0]))))
    half_cell = CELL * math.sqrt(0.5) / np.linalg.norm(xy, axis=-1)
    return np.abs(turned).min(axis=-1) < BORDER / CAMERA.k[0] + half_cell


def in_world(cloud, camera=CAMERA):
    """Return the places, ... x 3 in the world, of a cloud in the optical frame."""
    return places(cloud) @ camera.rotation.T + (camera.x, camera.y, camera.z)


def assert_grid_is_right(message, seen):
    """
    Compare a grid with the world, where it is near and in plain view.

    :param seen: tells, by how far ahead cells are, which ones a camera sees.
    """
    values, centers = grid_values(message)
    x, y = centers[..., 0], centers[..., 1]
    away = distance_to_boxes(centers)
    near = np.hypot(x, y) < NEAR
    obstacle = near & (values == 100)
    assert obstacle.sum() > 10
    within = CELL * (1 + math.sqrt(0.5))
    # A border pixel that is taken for a box, above the box's foot, stands behind it.
    assert np.percentile(away[obstacle], 90) < within
    plain = obstacle & ~beside_edges(centers)
    assert plain.sum() > 5
    assert np.percentile(away[plain], 95) < within
    truth = np.array(synthetic.COSTS)[WORLD.ground_class(x, y)]
    # the road in front of all things, and the sidewalk beside them
    road = (seen(x) > 1.5) & (seen(x) < 2.3) & (np.abs(y) < 0.5 * seen(x))
    sidewalk = (seen(x) > 3.5) & (seen(x) < 4.5) & (y > 1.75) & (y < 2.15)
    for plain in (road & (away > 2 * CELL), sidewalk):
        assert plain.sum() >= 40
        assert (values[plain] == truth[plain]).mean() > 0.98


def test_the_network_knows_the_world(outputs, view):
    mask = np.frombuffer(outputs[0].data, np.uint8).reshape(view.class_mask.shape)
    inner = view.inner()
    assert (mask == view.class_mask)[inner].mean() > 0.99
    assert set(np.unique(view.class_mask[inner])) == set(range(len(synthetic.LABELS)))


def test_headers_and_layouts_are_those_of_the_mask(outputs):
    mask, points, obstacles, ground, costmap = outputs
    for cloud in (points, obstacles, ground):
        assert cloud.header == mask.header
    assert (points.height, points.width) == (mask.height, mask.width)
    assert not points.is_dense
    ids = read_cloud(points)['class_id']
    np.testing.assert_array_equal(ids.reshape(-1), np.frombuffer(mask.data, np.uint8))
    assert costmap.header.stamp == mask.header.stamp
    assert costmap.header.frame_id == 'base_footprint'


def test_ground_is_within_two_centimetres_at_five_metres(outputs, view):
    error = np.linalg.norm(in_world(read_cloud(outputs[1])) - view.places, axis=-1)
    away = np.hypot(view.places[..., 0], view.places[..., 1])
    there = GROUND[view.class_mask] & view.inner() & (away > 4.5) & (away < 5.5)
    assert there.sum() > 500
    # what was not taken for ground has no place, and counts as an error
    assert np.median(np.nan_to_num(error[there], nan=np.inf)) < 0.02


def test_obstacles_are_within_a_cell_of_what_stands_there(outputs):
    found = in_world(read_cloud(outputs[2]))[0]
    assert len(found) > 100
    away = distance_to_boxes(found[:, :2])
    near = np.hypot(found[:, 0], found[:, 1]) < NEAR
    assert near.sum() > 50
    assert np.percentile(away[near], 95) < CELL
    # in the organised cloud nothing is smeared outward, either
    cloud = read_cloud(outputs[1])
    standing = in_world(cloud)[~GROUND[cloud['class_id']] & np.isfinite(cloud['z'])]
    assert len(standing) > 100
    assert np.mean(distance_to_boxes(standing[:, :2]) < 5 * CELL) > 0.98
    # the near side of the box ahead is found in all its width
    front = found[np.abs(found[:, 0] - 3.0) < 2 * CELL]
    assert set(np.arange(-0.4, 0.25, CELL).round(1)) <= set(front[:, 1].round(1))


def test_the_clearing_cloud_is_ground_in_front_of_things(outputs, view):
    def hidden(xy):
        """Tell which places have a thing between them and the camera, seen from above."""
        return np.any([distance_to_boxes(share * xy) == 0.0
                       for share in np.linspace(0.2, 0.95, 31)], axis=0)

    found = in_world(read_cloud(outputs[3]))[0]
    assert len(found) > 1000
    np.testing.assert_allclose(found[:, 2], 0.0, atol=1e-3)
    assert hidden(found[:, :2]).mean() < 0.01
    # there is such ground in view, which only the lowest box does not cover up
    ground = view.places[GROUND[view.class_mask]]
    assert hidden(ground[np.hypot(ground[:, 0], ground[:, 1]) < 8.0, :2]).mean() > 0.03


def test_the_grid_holds_costs_and_obstacles_where_they_are(outputs):
    assert_grid_is_right(outputs[4], lambda x: x)


def test_the_grids_obstacles_are_the_clouds_cell_by_cell(outputs):
    """Not only near: a grid that lies a cell off its origin would pass as near."""
    values, _ = grid_values(outputs[4])
    info = outputs[4].info
    found = in_world(read_cloud(outputs[2]))[0][:, :2]
    cells = np.floor((found - (info.origin.position.x, info.origin.position.y)) / CELL).astype(int)
    cells = cells[((cells >= 0) & (cells < (info.width, info.height))).all(axis=1)]
    marked = np.zeros(values.shape, bool)
    marked[cells[:, 1], cells[:, 0]] = True
    both, either = (marked & (values == 100)).sum(), (marked | (values == 100)).sum()
    assert both > 50
    assert both > 0.85 * either


def test_sensor_msgs_py_reads_the_clouds(outputs):
    point_cloud2 = pytest.importorskip('sensor_msgs_py.point_cloud2')
    for message in outputs[1:4]:
        read = point_cloud2.read_points(message)
        ours = read_cloud(message).reshape(-1)
        for name in ('x', 'y', 'z', 'confidence', 'class_id'):
            np.testing.assert_array_equal(read[name].reshape(-1), ours[name])


def test_measured_depth_puts_every_pixel_in_place(robot, view):
    robot.offer_depth()
    header = new_header()
    depth = view.depth.copy()
    depth[:60, :100], depth[60:80, :100] = np.nan, 0.0
    robot.graph.wait_until(lambda: robot.values().get('depth images') == 'expected', 'depth')
    before = robot.problems('depth')
    points, _ = robot.film(
        view.rgb, calibration(CAMERA), 'points', 'class_mask', header=header,
        depth=depth_message(depth, header),
        until=lambda: robot.values()['places from'] == 'depth')
    cloud = read_cloud(points)
    near = np.linalg.norm(view.places - (0.0, 0.0, CAMERA.z), axis=-1) < 8.9
    known = np.ones_like(near)
    known[:80, :100] = False
    error = np.linalg.norm(in_world(cloud) - view.places, axis=-1)
    assert error[near & known].max() < 1e-3
    assert np.isnan(cloud['z'][~known]).all()
    assert robot.problems('depth') - before <= 1  # a first one may come before its depth


def is_made_of_depth(points, view):
    """Tell whether what stands up in a cloud has the places that depth gives it."""
    standing = ~GROUND[view.class_mask]
    return np.array_equal(read_cloud(points)['z'][standing], view.depth[standing],
                          equal_nan=True)


@pytest.mark.parametrize(('make', 'word'), [
    (lambda view, header: depth_message(np.ones((240, 424), np.float32), header), 'register'),
    (lambda view, header: depth_message(view.depth, new_header()), 'within 0.02 s'),
])
def test_depth_that_does_not_fit_gives_way_to_the_ground(robot, view, make, word):
    before = robot.problems('depth')
    header = new_header()
    robot.film(view.rgb, calibration(CAMERA), 'points', 'class_mask', header=header,
               depth=make(view, header), until=lambda: robot.reports('depth', word, before))
    assert robot.values()['places from'] == 'the ground plane'


def test_late_depth_is_waited_for_and_holds_no_mask_back(robot, view):
    assert robot.request(points__patience=1.0) == (True, '')
    try:
        def comes_in_time():
            """Send depth once the mask is there; tell whether the points are made of it."""
            header = new_header()
            robot.send(image_message(view.rgb, header=header), calibration(CAMERA))
            robot.graph.wait_until(lambda: header.stamp in robot.arrived('class_mask'), 'a mask')
            assert header.stamp not in robot.arrived('points')
            robot.depth.publish(depth_message(view.depth, header))
            return is_made_of_depth(robot.wait_for_stamp('points', header.stamp), view)

        robot.graph.wait_until(comes_in_time, 'points of late depth')
    finally:
        assert robot.request(points__patience=0.1) == (True, '')


def test_frames_that_a_rate_limit_drops_do_not_cut_the_wait_short(robot, view):
    assert robot.request(points__patience=1.0, max_rate=1.0) == (True, '')
    try:
        def comes_in_time():
            """Send depth after more images; tell whether the points are made of it."""
            header = new_header()

            def send():
                robot.send(image_message(view.rgb, header=header), calibration(CAMERA))

            robot.graph.wait_until(lambda: header.stamp in robot.arrived('class_mask')
                                   or send(), 'a mask')
            for _ in range(4):
                send()
                robot.graph.spin_for(0.05)
            robot.depth.publish(depth_message(view.depth, header))
            return is_made_of_depth(robot.wait_for_stamp('points', header.stamp), view)

        robot.graph.wait_until(comes_in_time, 'points of late depth')
    finally:
        assert robot.request(points__patience=0.1, max_rate=0.0) == (True, '')


def test_no_frame_waits_for_the_depth_of_another(nodes, trained, view):
    # Where time stands still, no patience ends: what a frame waits for in vain ends with the
    # next frame, or never.
    robot = Robot(nodes, **trained, **MOUNT, **PARAMETERS, points__patience=1.0, prelude="""
from types import SimpleNamespace
import time

from fcn_seg_ros.ros.outputs import navigation

assert navigation.time is time
navigation.time = SimpleNamespace(monotonic=lambda: 0.0, sleep=time.sleep)
""")
    robot.listen(Image, 'class_mask')
    robot.listen(PointCloud2, 'points')
    robot.offer_depth()
    robot.film(view.rgb, calibration(CAMERA), 'class_mask')
    for _ in range(12):
        header = new_header()
        robot.send(image_message(view.rgb, header=header), calibration(CAMERA))
        robot.wait_for_stamp('class_mask', header.stamp)
    # The last one is still waiting.
    robot.depth.publish(depth_message(view.depth, header))
    assert is_made_of_depth(robot.wait_for_stamp('points', header.stamp), view)


def test_what_is_wrong_with_a_calibration_harms_nothing_else(robot, view):
    wrong = calibration(CAMERA)
    wrong.k = [0.0] * 9
    other = calibration(synthetic.Camera(640, 480, 480.0))
    for info, word in ((wrong, 'uncalibrated'), (other, '640x480 images')):
        before = robot.problems('calibration')
        robot.film(view.rgb, info, 'class_mask', until=lambda before=before, word=word:
                   robot.reports('calibration', word, before))
        status = robot.status()
        assert status.level == status.WARN
        header = new_header()
        robot.film(view.rgb, info, 'class_mask', header=header)
        assert header.stamp not in robot.arrived('points')
    robot.film(view.rgb, calibration(CAMERA), 'points', 'costmap')


def test_a_smaller_mask_has_a_smaller_cloud_in_the_same_place(robot, view):
    assert robot.request(mask_size='160x120') == (True, '')
    try:
        points, = robot.film(view.rgb, calibration(CAMERA), 'points')
        assert (points.height, points.width) == (120, 160)
        # its pixels lie in the middle of four
        truth = cv2.resize(view.places, (160, 120), interpolation=cv2.INTER_AREA)
        kinds = view.class_mask[::2, ::2]
        inner = view.inner(5)[::2, ::2] & GROUND[kinds]
        away = np.hypot(truth[..., 0], truth[..., 1])
        error = np.linalg.norm(in_world(read_cloud(points)) - truth, axis=-1)
        assert np.nanmedian(error[inner & (away < 4)]) < 0.005  # a quarter of a pixel is more
    finally:
        assert robot.request(mask_size='input') == (True, '')


def test_a_new_mount_counts_from_the_next_picture_on(robot, view):
    assert robot.request(mount__height=2.0) == (True, '')
    try:
        points, costmap = robot.film(view.rgb, calibration(CAMERA), 'points', 'costmap')
        ground = read_cloud(points)
        ground = ground[GROUND[ground['class_id']] & np.isfinite(ground['z'])]
        height = places(ground) @ CAMERA.rotation[2]
        np.testing.assert_allclose(height, -2.0, atol=1e-3)
    finally:
        assert robot.request(mount__height=CAMERA.z) == (True, '')


def test_roles_are_this_robots_own_and_checked(robot, view, tmp_path):
    mine = tmp_path / 'roles.yaml'
    mine.write_text('sidewalk: {cost: 7}\nbox: {role: overhead}\n')
    other = tmp_path / 'other.yaml'
    other.write_text('grass: {cost: 7}\n')
    assert robot.request(roles=str(mine)) == (True, '')
    try:
        costmap, = robot.film(view.rgb, calibration(CAMERA), 'costmap')
        values, centers = grid_values(costmap)
        assert {7, 10} <= set(np.unique(values))
        assert 60 not in values
        # the boxes are none of its business, the wall is
        obstacle = centers[values == 100]
        assert len(obstacle) > 10
        assert (obstacle[:, 0] > 6).mean() > 0.9
        for path, word in ((other, 'grass'), (tmp_path / 'none.yaml', 'none.yaml')):
            successful, reason = robot.request(roles=str(path))
            assert not successful
            assert word in reason
        # They name classes that another network does not have.
        successful, reason = robot.request(network='tiny')
        assert not successful
        assert "'sidewalk'" in reason
    finally:
        assert robot.request(roles='') == (True, '')


def test_depth_is_only_listened_to_while_it_is_wanted(robot):
    for name in ('points', 'obstacles', 'ground', 'costmap'):
        robot.close(name)
    robot.graph.wait_for_subscribers(robot.depth, 0)
    assert robot.image.get_subscription_count() == 1
    robot.listen(PointCloud2, 'ground')
    robot.graph.wait_for_subscribers(robot.depth)


def test_the_grid_is_forgotten_while_no_frame_comes(nodes, trained, view):
    robot = Robot(nodes, **trained, **MOUNT, **PARAMETERS, costmap__half_life=0.3)
    robot.listen(OccupancyGrid, 'costmap', latched=True)
    fresh, = robot.film(view.rgb, calibration(CAMERA), 'costmap')
    assert (grid_values(fresh)[0] == 100).any()
    robot.graph.wait_until(
        lambda: (grid_values(robot.received('costmap')[-1])[0] == -1).all(), 'an empty grid')
    stamps = [message.header.stamp for message in robot.received('costmap')]
    times = [stamp.sec + stamp.nanosec * 1e-9 for stamp in stamps]
    # From the last one of the frame on: that is sent again and again until it is answered, and
    # an answer may come late.
    last = len(times) - 1 - stamps[::-1].index(fresh.header.stamp)
    assert times[last:] == sorted(times[last:])
    assert times[-1] >= fresh.header.stamp.sec + fresh.header.stamp.nanosec * 1e-9 + 0.5
    # A frame that comes after all is seen again.
    again, = robot.film(view.rgb, calibration(CAMERA), 'costmap')
    assert (grid_values(again)[0] == 100).any()


def test_two_cameras_see_one_grid(nodes, trained, view):
    front = Robot(
        nodes, 'front', **trained, **PARAMETERS, **MOUNT, cameras=['front', 'rear'],
        mount__rear__yaw=math.pi)
    rear = Robot(nodes, 'rear', node=front.node)
    front.listen(OccupancyGrid, 'costmap', latched=True)
    behind = synthetic.render(WORLD, REAR, samples=1)
    for robot in (front, rear):
        robot.graph.wait_for_subscribers(robot.image)

    def sees_both(grid):
        values, centers = grid_values(grid)
        ahead = centers[values == 100][:, 0]
        return (ahead > 0).any() and (ahead < 0).any()

    # One stamp for all: what was seen ages by the stamps, not by how long a frame takes here.
    header = new_header()

    def grid_of_both():
        for robot, camera, picture in ((front, CAMERA, view.rgb), (rear, REAR, behind.rgb)):
            robot.send(image_message(picture, header=header), calibration(camera))
        front.graph.spin_for(0.3)
        return any(map(sees_both, front.received('costmap')))

    front.graph.wait_until(grid_of_both, 'a grid of both')
    grid = next(filter(sees_both, front.received('costmap')))
    assert_grid_is_right(grid, np.abs)
    values, centers = grid_values(grid)
    for x in (3.0, -3.0):
        assert (np.abs(centers[values == 100] - (x, 0.0)).max(axis=-1) < 0.7).sum() > 3
