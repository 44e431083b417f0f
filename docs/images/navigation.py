"""
Draw docs/images/navigation.png: a street, its cloud from above, its grid.

    python docs/images/navigation.py

Run it again when the bundled network changes; ``--network`` tries another one.

The camera is not known: field of view and mount are plausible for a telephone held by a
person who stands there.  The horizon says how it is tilted.
"""

import argparse
from pathlib import Path

import cv2
import drawn
from fcn_seg_ros import Segmenter
from fcn_seg_ros.geometry.calibration import Calibration
from fcn_seg_ros.geometry.camera import CameraModel
from fcn_seg_ros.geometry.pose import Pose
from fcn_seg_ros.images.drawing import draw_label, draw_legend, legend_entries, side_by_side
from fcn_seg_ros.navigation.costmap import EvidenceGrid, GridSettings, OBSTACLE
from fcn_seg_ros.navigation.frame import CameraNavigation
from fcn_seg_ros.navigation.obstacles import CloudLimits
from fcn_seg_ros.navigation.points import rgb_table
from fcn_seg_ros.navigation.roles import MAX_COST, RoleTable
import numpy as np

FIELD_OF_VIEW, HEIGHT, PITCH = 65.0, 1.6, -0.105
"""Degrees, m, rad."""
EXTENT, CELL, PIXELS = 16.0, 0.1, 480
"""The ground that is shown: m, m, pixels of the picture."""
RING = 4.0
"""m between circles around the camera."""
GAP = 8
FREE, DEAR, LETHAL, UNSEEN = (170, 220, 170), (250, 190, 60), (0, 0, 0), (205, 205, 205)
"""Colours of the grid: costs 0 and 98, with mixtures between them; obstacles; nothing known."""


def main():
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--network', default='fcn-resnet18-street')
    parser.add_argument('--output', type=Path, default=Path(__file__).with_suffix('.png'))
    args = parser.parse_args()
    image = drawn.street()
    result = Segmenter(args.network, device='cpu')(image)
    pose = Pose.from_mount(height=HEIGHT, pitch=PITCH)
    frame = place(result, image.shape[:2], pose)
    overlay = cv2.resize(result.overlay(0.5), None, fx=PIXELS / image.shape[0],
                         fy=PIXELS / image.shape[0], interpolation=cv2.INTER_AREA)
    pictures = side_by_side(
        [overlay, cloud_from_above(frame, pose), grid_from_above(frame, pose)],
        ['classes', '~/points from above', '~/costmap after this frame'], gap=GAP)
    histogram = np.bincount(result.class_mask.reshape(-1), minlength=256)
    entries = legend_entries(result.classes, histogram)
    classes = [(label, color, None) for label, color, share in entries if share > 1e-3]
    legends = [draw_legend(classes, pictures.shape[1] - PIXELS - GAP, text_height=13),
               draw_legend(grid_legend(result.classes, frame.roles), PIXELS, text_height=13)]
    # side_by_side() would stretch the one that has fewer rows.
    height = max(map(len, legends))
    legends = side_by_side([np.pad(legend, ((0, height - len(legend)), (0, 0), (0, 0)), 'edge')
                            for legend in legends], gap=GAP)
    drawn.save((pictures, legends), args.output)


def place(result, size, pose):
    """Return the :class:`NavigationFrame` of a segmented picture of size (height, width)."""
    calibration = Calibration.from_field_of_view(size[1], size[0], FIELD_OF_VIEW)
    model = CameraModel.from_calibration(**{
        name: getattr(calibration, name)
        for name in ('width', 'height', 'k', 'd', 'p', 'distortion_model')})
    navigation = CameraNavigation(RoleTable.from_classes(result.classes),
                                  rgb_table(result.classes.colors),
                                  CloudLimits(max_range=1.2 * EXTENT))
    return navigation.frame(model, result.class_mask, result.confidence, size, pose=pose)


def cloud_from_above(frame, pose):
    """Draw the organised cloud, obstacles as larger dots."""
    picture = np.full((PIXELS, PIXELS, 3), 255, np.uint8)
    cloud = frame.points()
    cloud = cloud[np.isfinite(cloud['z'])]
    obstacle = frame.roles.obstacle[cloud['class_id']]
    for some, radius in ((~obstacle, 1), (obstacle, 3)):
        points = cloud[some]
        places = pose.apply(np.stack([points[axis] for axis in 'xyz'], axis=1))
        colors = points['rgb'].view('<u4')
        for (column, row), color in zip(pixels_of(places), colors):
            cv2.circle(picture, (int(column), int(row)), radius,
                       (int(color >> 16 & 255), int(color >> 8 & 255), int(color & 255)), -1)
    return with_rings(picture)


def grid_from_above(frame, pose):
    """Draw the grid after this one frame."""
    grid = EvidenceGrid(GridSettings(width=EXTENT, height=EXTENT, resolution=CELL))
    grid.center_on(EXTENT / 2, 0.0)
    grid.add(frame.observe(grid, pose), 0.0)
    values = grid.data()[::-1, ::-1].T  # x is up, y to the left
    picture = cost_colors(np.clip(values, 0, MAX_COST))
    picture[values == OBSTACLE] = LETHAL
    picture[values < 0] = UNSEEN
    picture = cv2.resize(picture, (PIXELS, PIXELS), interpolation=cv2.INTER_NEAREST)
    return with_rings(picture)


def cost_colors(costs):
    """Return the colours, uint8 ... x 3, of costs."""
    share = np.asarray(costs, np.float32)[..., None] / MAX_COST
    return np.rint(np.array(FREE) * (1 - share) + np.array(DEAR) * share).astype(np.uint8)


def grid_legend(classes, roles):
    """Return the legend's entries of the grid: costs of the ground, obstacles, unseen cells."""
    ground = [(f'{label}: {roles.cost[index]:g}',
               tuple(cost_colors(roles.cost[index]).reshape(3).tolist()), None)
              for index, label in enumerate(classes.labels) if roles.ground[index]]
    return [*ground, ('obstacle: 100', LETHAL, None), ('not seen: -1', UNSEEN, None)]


def pixels_of(places):
    """Return the pixels, int N x 2, of places on the ground; ahead is up, the camera below."""
    scale = PIXELS / EXTENT
    return np.stack([PIXELS / 2 - places[:, 1] * scale, PIXELS - places[:, 0] * scale],
                    axis=1).round().astype(int)


def with_rings(picture):
    """Draw circles around the camera with their distances, and the edges of its view."""
    camera = PIXELS // 2, PIXELS
    for side in (-1, 1):
        angle = np.radians(side * FIELD_OF_VIEW / 2)
        end = camera + 2 * PIXELS * np.array([np.sin(angle), -np.cos(angle)])
        cv2.line(picture, camera, end.round().astype(int), (120, 120, 120), 1, cv2.LINE_AA)
    for distance in np.arange(RING, EXTENT, RING):
        radius = round(distance * PIXELS / EXTENT)
        cv2.circle(picture, camera, radius, (120, 120, 120), 1, cv2.LINE_AA)
        draw_label(picture, f'{distance:g} m', 9, PIXELS // 2 - 14, PIXELS - radius - 9)
    return picture


if __name__ == '__main__':
    main()
