"""
A small world whose every pixel is known: flat ground, walls and boxes, ray by ray.

The picture of a camera in it comes with the true class, depth and place of each pixel, so
that what is made of it can be compared with the truth.  Each class has a texture that a
network learns in minutes.  The geometry here is written on its own, from elementary
rotations, and shares no code with the package.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

LABELS = ('sky', 'road', 'sidewalk', 'wall', 'box')
SKY, ROAD, SIDEWALK, WALL, BOX = range(5)
COLORS = ((70, 130, 180), (128, 64, 128), (244, 35, 232), (70, 70, 70), (0, 0, 142))
ROLES = ('overhead', 'ground', 'ground', 'obstacle', 'obstacle')
COSTS = (0, 10, 60, 0, 0)


@dataclass(frozen=True)
class Camera:
    """
    A pinhole camera; ``d`` distorts it, k1 k2 p1 p2 k3 as in OpenCV's plumb_bob.

    ``x, y, z`` is the lens in the world (x ahead, y left, z up, ground at z = 0); the angles
    are rad: ``pitch`` looks down, ``yaw`` to the left, ``roll`` leans right.
    """

    width: int = 320
    height: int = 240
    focal: float = 240.0
    x: float = 0.0
    y: float = 0.0
    z: float = 1.0
    roll: float = 0.0
    pitch: float = 0.25
    yaw: float = 0.0
    d: tuple = ()

    @property
    def k(self):
        """Return the camera matrix, 9 numbers; the principal point is the centre."""
        return (self.focal, 0.0, (self.width - 1) / 2, 0.0, self.focal, (self.height - 1) / 2,
                0.0, 0.0, 1.0)

    @property
    def rotation(self):
        """Return the matrix from the optical frame to the world."""
        body = _turn(2, self.yaw) @ _turn(1, self.pitch) @ _turn(0, self.roll)
        right, down, ahead = -body[:, 1], -body[:, 2], body[:, 0]
        return np.stack([right, down, ahead], axis=1)

    def rays(self, samples=1):
        """Return unit-depth rays, float64 (H samples) x (W samples) x 3, optical frame."""
        v, u = ((np.arange(n * samples) + 0.5) / samples - 0.5 for n in (self.height, self.width))
        u, v = np.meshgrid(u, v)
        x, y = ((p - c) / self.focal for p, c in ((u, self.k[2]), (v, self.k[5])))
        x, y = _undistort(x, y, self.d) if any(self.d) else (x, y)
        return np.stack([x, y, np.ones_like(x)], axis=-1)


@dataclass(frozen=True)
class World:
    """
    Ground of class road, with patches and boxes on it.

    :param patches: (x0, y0, x1, y1, class) on the ground, later ones on top.
    :param boxes: (x0, y0, z0, x1, y1, z1, class), also for walls.
    """

    patches: tuple = ()
    boxes: tuple = ()
    ground: int = ROAD

    def ground_class(self, x, y):
        """Return the class of the ground, uint8, at places in the world."""
        result = np.full(np.shape(x), self.ground, np.uint8)
        for x0, y0, x1, y1, kind in self.patches:
            result[(x >= x0) & (x < x1) & (y >= y0) & (y < y1)] = kind
        return result


@dataclass(frozen=True)
class View:
    """
    What a camera sees.

    :param rgb: uint8 H x W x 3.
    :param class_mask: uint8 H x W, the class at each pixel's centre.
    :param depth: float32 H x W, m along the optical axis, NaN for the sky.
    :param places: float64 H x W x 3 in the world, NaN for the sky.
    """

    rgb: np.ndarray
    class_mask: np.ndarray
    depth: np.ndarray
    places: np.ndarray = field(repr=False)

    def inner(self, margin=3):
        """Return the pixels further than ``margin`` from any class border, bool H x W."""
        kernel = np.ones((2 * margin + 1,) * 2, np.uint8)
        return cv2.dilate(self.class_mask, kernel) == cv2.erode(self.class_mask, kernel)


def render(world, camera, samples=2):
    """
    Return the :class:`View` of a camera.

    :param samples: samples a pixel and axis for the picture; class and depth have one.
    """
    kind, depth, places, _ = _cast(world, camera, camera.rays())
    fine = _cast(world, camera, camera.rays(samples))
    rgb = cv2.resize(_texture(*fine), (camera.width, camera.height),
                     interpolation=cv2.INTER_AREA)
    return View(np.clip(np.rint(rgb), 0, 255).astype(np.uint8), kind,
                depth.astype(np.float32), places)


def random_world(rng):
    """Return a world of road, sidewalk, a wall and boxes, ahead of a camera at the origin."""
    side = rng.uniform(0.8, 3.0, 2)
    patches = ((-50.0, side[0], 50.0, 50.0, SIDEWALK), (-50.0, -50.0, 50.0, -side[1], SIDEWALK))
    boxes = []
    if rng.random() < 0.8:
        x = rng.uniform(5.0, 14.0)
        boxes.append((x, -20.0, 0.0, x + 0.5, 20.0, rng.uniform(1.0, 4.0), WALL))
    for _ in range(rng.integers(1, 5)):
        x, y = rng.uniform(1.5, 9.0), rng.uniform(-3.5, 3.5)
        w, d, h = rng.uniform(0.2, 1.2, 3)
        boxes.append((x, y - w / 2, 0.0, x + d, y + w / 2, h, BOX))
    return World(patches, tuple(boxes), ROAD)


def random_camera(rng, **fixed):
    """Return a camera at the origin with some height and direction; ``fixed`` stays."""
    values = {'z': rng.uniform(0.6, 1.6), 'pitch': rng.uniform(0.05, 0.45),
              'roll': rng.uniform(-0.05, 0.05), 'yaw': rng.uniform(-0.5, 0.5)}
    return Camera(**{**values, **fixed})


def _turn(axis, angle):
    """Return the rotation by an angle about an axis (0 x, 1 y, 2 z), right-handed."""
    c, s = np.cos(angle), np.sin(angle)
    a, b = [(1, 2), (2, 0), (0, 1)][axis]
    m = np.eye(3)
    m[a, a], m[a, b], m[b, a], m[b, b] = c, -s, s, c
    return m


def _undistort(xd, yd, d):
    """Invert plumb_bob by fixed-point iteration; far from its limits it converges quickly."""
    k1, k2, p1, p2, k3 = d
    x, y = xd, yd
    for _ in range(60):
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        x, y = ((xd - 2 * p1 * x * y - p2 * (r2 + 2 * x * x)) / radial,
                (yd - p1 * (r2 + 2 * y * y) - 2 * p2 * x * y) / radial)
    return x, y


def _cast(world, camera, rays):
    """Return class, depth, place and face of what each unit-depth ray hits first."""
    d = rays @ camera.rotation.T
    origin = np.array([camera.x, camera.y, camera.z])
    with np.errstate(divide='ignore', invalid='ignore'):
        inverse = 1.0 / d
        depth = np.where(d[..., 2] < 0, -camera.z * inverse[..., 2], np.inf)
        kind = np.full(depth.shape, SKY, np.uint8)
        hit = np.isfinite(depth)
        place = origin + d * np.where(hit, depth, 0.0)[..., None]
        kind[hit] = world.ground_class(place[..., 0], place[..., 1])[hit]
        face = np.full(depth.shape, 2, np.uint8)
        for *corners, box_kind in world.boxes:
            # slabs: the ray is inside between its last entry and its first exit
            near, far = ((np.array(c) - origin) * inverse for c in (corners[:3], corners[3:]))
            near, far = np.minimum(near, far), np.maximum(near, far)
            enter, leave = near.max(axis=-1), far.min(axis=-1)
            closer = (enter < leave) & (enter > 0) & (enter < depth)
            depth[closer], kind[closer] = enter[closer], box_kind
            face[closer] = near.argmax(axis=-1)[closer]
        depth[~np.isfinite(depth)] = np.nan
        places = origin + d * depth[..., None]
        # Where there is nothing, a place far out stands for the direction.
        places_or_sky = np.where(np.isnan(places), origin + d * 100.0, places)
    return kind, depth, places, (face, places_or_sky)


def _texture(kind, depth, places, surface):
    """Return the colours, float32 H x W x 3, of what rays hit."""
    face, p = surface
    across = np.where(face == 1, p[..., 0], p[..., 1])
    along = np.where(face == 2, p[..., 0], p[..., 2])
    grain = np.sin(across * 37.0) * np.sin(along * 41.0) * 12.0
    tiles = ((np.floor(across / 0.4) + np.floor(along / 0.4)) % 2) * 40.0
    bricks = ((along % 0.25) < 0.04) * -70.0
    stripes = (((across + along) % 0.3) < 0.15) * 110.0
    shade = np.choose(face, (1.0, 0.75, 0.9))
    rgb = np.zeros((*kind.shape, 3), np.float32)
    for this, base, pattern in (
            (SKY, (150, 190, 235), p[..., 2] * 0.2), (ROAD, (75, 75, 80), grain),
            (SIDEWALK, (165, 140, 125), tiles), (WALL, (165, 75, 55), bricks),
            (BOX, (40, 130, 60), stripes)):
        here = kind == this
        light = 1.0 if this == SKY else shade[here][:, None]
        rgb[here] = (np.array(base) + pattern[here][:, None]) * light
    return np.clip(rgb, 0, 255)
