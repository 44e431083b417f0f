"""Drives through a garden whose every pixel is known: recordings, and exports of its labels."""

import json

import cv2
import numpy as np
from PIL import Image

WIDTH, HEIGHT = 128, 96
LABELS = ('path', 'hedge', 'post')
RATE = 5
"""Pictures a second of a recording."""

_COLORS = np.array([(150, 140, 130), (60, 110, 50), (90, 70, 60)])
_STRETCH = 6  # pictures from one place to the next
_BEGIN = 1_700_000_000


def scene(drive, step):
    """
    Return a picture of a drive, its outlines back to front, and its truth.

    :param drive: number of the drive, another garden for each.
    :param step: number of the picture; each is a little further.
    :returns: uint8 H x W x 3, [(label, [(x, y), ...])], uint8 H x W of places in LABELS.
    """
    place, part = divmod(step, _STRETCH)
    part /= _STRETCH
    (horizon, left, right, light, posts), following = (_place(drive, place + i) for i in (0, 1))
    horizon, left, right, light = (
        a + (b - a) * part for a, b in zip((horizon, left, right, light), following))
    noise = np.random.default_rng((drive, step, 1)).normal(0, 6, (HEIGHT, WIDTH, 3))
    return painted(horizon, left, right, [(x - 30 * part, y) for x, y in posts], light, noise)


def painted(horizon, left, right, posts, light, noise):
    """
    Return a picture of a garden, its outlines and its truth, as :func:`scene` does.

    :param horizon: row where the path ends.
    :param left: column where its left edge begins, at the lower edge of the picture.
    :param right: column where its right edge does.
    :param posts: (x, y) of their upper left corners.
    :param light: factor of all colours.
    :param noise: array H x W x 3, which is added.
    """
    outlines = [
        ('hedge', [(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)]),
        ('path', [(0.4 * WIDTH, horizon), (0.6 * WIDTH, horizon), (right, HEIGHT),
                  (left, HEIGHT)])]
    outlines += [('post', [(x, y), (x + 10, y), (x + 10, y + 45), (x, y + 45)])
                 for x, y in posts]
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    for label, points in outlines:
        cv2.fillPoly(truth, [np.round(points).astype(np.int32)], LABELS.index(label))
    picture = _COLORS[truth] * light + noise
    return np.clip(picture, 0, 255).astype(np.uint8), outlines, truth


def _place(drive, place):
    """Return where path and posts are at a place, and how light it is."""
    rng = np.random.default_rng((drive, place))
    horizon = rng.uniform(30, 50)
    left, right = sorted(rng.integers(0, WIDTH, 2) * 0.4 + np.array([0, 0.6 * WIDTH]))
    light = rng.uniform(0.5, 1.4)
    posts = [(rng.uniform(5, WIDTH - 20), rng.uniform(10, 40))
             for _ in range(rng.integers(0, 4))]
    return horizon, left, right, light, posts


def name_of(drive, number):
    """Return the name that ``fcn-seg frames`` gives a picture of a bag ``drive<N>``."""
    return f'drive{drive}_{_BEGIN * 10**9 + number * 10**9 // RATE:019d}'


def write_bag(path, drive, steps):
    """
    Record a drive as a rosbag2 folder.

    :param path: of the folder to make.
    :param drive: see :func:`scene`.
    :param steps: of each picture in turn; equal ones where the robot stands.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import get_typestore, Stores
    store = get_typestore(Stores.LATEST)
    kind = 'sensor_msgs/msg/Image'
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/camera/image_raw', kind, typestore=store)
        for number, step in enumerate(steps):
            time = _BEGIN * 10**9 + number * 10**9 // RATE
            stamp = store.types['builtin_interfaces/msg/Time'](
                sec=time // 10**9, nanosec=time % 10**9)
            message = store.types[kind](
                header=store.types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera'),
                height=HEIGHT, width=WIDTH, encoding='rgb8', is_bigendian=0, step=3 * WIDTH,
                data=scene(drive, step)[0].reshape(-1))
            writer.write(connection, time, store.serialize_cdr(message, kind))
    return path


def write_labelme(folder, scenes, draw=scene):
    """
    Write pictures and their labels as LabelMe does.

    :param folder: to make.
    :param scenes: {name: what ``draw`` is called with}.
    :param draw: as :func:`scene`.
    """
    folder.mkdir()
    for name, place in scenes.items():
        picture, outlines, _ = draw(*place)
        Image.fromarray(picture).save(folder / f'{name}.png')
        (folder / f'{name}.json').write_text(json.dumps({
            'imagePath': f'{name}.png', 'imageHeight': HEIGHT, 'imageWidth': WIDTH, 'shapes': [
                {'label': label, 'shape_type': 'polygon', 'points': np.round(points).tolist()}
                for label, points in outlines]}))


def between_pixels(points):
    """
    Return the outline around whole pixels, as CVAT has it: (0, 0) is the first one's corner.

    :param points: [(x, y)] of the pixels at the rim: (0, 0) is the first.
    """
    points = np.round(points)
    return (points + (points > points.mean(axis=0))).tolist()


def write_cvat(folder, scenes, draw=scene, suffix='.jpg'):
    """
    Write labels as CVAT's "CVAT for images 1.1" has them, beside ``folder/images``.

    :param folder: with the pictures, as ``fcn-seg frames`` writes them.
    :param scenes: {name: what ``draw`` is called with} of all of them.
    :param draw: as :func:`scene`.
    :param suffix: of the pictures' files.
    """
    images = []
    for number, (name, place) in enumerate(sorted(scenes.items())):
        shapes = ''.join(
            f'<polygon label="{label}" z_order="{order}" '
            f'points="{";".join(f"{x:.2f},{y:.2f}" for x, y in between_pixels(points))}"/>'
            for order, (label, points) in enumerate(draw(*place)[1]))
        images.append(f'<image id="{number}" name="{name}{suffix}" width="{WIDTH}" '
                      f'height="{HEIGHT}">{shapes}</image>')
    (folder / 'annotations.xml').write_text(f'<annotations>{"".join(images)}</annotations>')
