"""
The node's parameters, as data: the one place that names them.

The node declares them from here, the launch file takes its arguments from here, and
``tools/generate.py`` writes ``config/segmentation.yaml`` and the README's table.  Neither ROS nor
PyTorch is needed to read it.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

from ..inference.engines import ENGINES, PRECISIONS
from ..navigation.costmap import GridSettings
from ..navigation.obstacles import CloudLimits
from ..segmenter import DEFAULT_NETWORK

Value: TypeAlias = bool | int | float | str | list[str]
_KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'a text',
          list: 'a list of texts'}


@dataclass(frozen=True)
class Spec:
    """
    A parameter.

    :param name: what it is called; what is before a dot is its group.
    :param default: its value unless somebody sets it; an empty list is one of texts.
    :param description: a sentence.
    :param live: it can change while the node is configured.
    :param choices: the values a text may have, or None.
    :param limits: (least, most) of a number, or None.
    :param launch: it is also an argument of the launch file.
    :param example: lines of a parameter file that show its use, where the default shows none.
    """

    name: str
    default: Value
    description: str
    live: bool = False
    choices: tuple[str, ...] | None = None
    limits: tuple[float, float] | None = None
    launch: bool = False
    example: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """Return what is before the name's dot, or ''."""
        return self.name.rpartition('.')[0]

    def fitted(self, value: Any) -> Value:
        """
        Return a value in the parameter's type, however it may be written.

        Whole numbers do for numbers (``max_rate:=10``) and numbers for texts (``device:=0``), one
        text for a list of one (``cameras:=front``), and an empty list has no type of its own.

        :param value: as YAML, a command line or a message gives it.
        :raises ValueError: when it cannot be one.
        """
        if isinstance(self.default, list):
            values = [value] if isinstance(value, str) else value
            if isinstance(values, bytes) or not hasattr(values, '__iter__') or not all(
                    isinstance(each, str) for each in values):
                raise self._misfit(value)
            return list(values)
        if isinstance(self.default, float) and type(value) is int:
            return float(value)
        if isinstance(self.default, str) and type(value) in (int, float):
            return str(value)
        if type(value) is not type(self.default):
            raise self._misfit(value)
        fitted: Value = value
        return fitted

    def _misfit(self, value: Any) -> ValueError:
        return ValueError(f"{self.name}: '{str(value)[:40]}' is of the wrong type: it must be "
                          f'{_KINDS[type(self.default)]}')


def _limit(name: str, default: float, description: str, most: float = 1e6) -> Spec:
    return Spec(f'diagnostics.{name}', default, description, live=True, limits=(0.0, most))


def _points(name: str, description: str, limits: tuple[float, float],
            launch: bool = False) -> Spec:
    return Spec(f'points.{name}', getattr(CloudLimits, name), description, live=True,
                limits=limits, launch=launch)


def _costmap(name: str, description: str, limits: tuple[float, float],
             launch: bool = False) -> Spec:
    return Spec(f'costmap.{name}', getattr(GridSettings, name), description, live=True,
                limits=limits, launch=launch)


def _angle(name: str, description: str) -> Spec:
    return Spec(f'mount.{name}', 0.0, description, live=True, limits=(-3.15, 3.15), launch=True)


def _length(name: str, description: str, least: float = -100.0) -> Spec:
    return Spec(f'mount.{name}', 0.0, description, live=True, limits=(least, 100.0), launch=True)


MOUNT = (
    _length('height', 'Height of the lens above the ground, m; 0 = not fixed: TF tells.', 0.0),
    _length('x', "Place of the lens ahead of ground_frame's origin, m."),
    _length('y', "Place of the lens to the left of ground_frame's origin, m."),
    _angle('roll', 'Turn of the camera about its axis, rad; positive leans right.'),
    _angle('pitch', 'Turn of the camera, rad; positive looks down.'),
    _angle('yaw', 'Turn of the camera, rad; positive looks left.'),
    Spec('mount.publish_tf', True, "Publish a mount's transform on /tf_static, unless TF has a "
         "parent of the images' frame.", live=True, launch=True),
)
"""A fixed camera; with several cameras also as ``mount.CAMERA.height`` and so on."""

SPECS = (
    Spec('network', DEFAULT_NETWORK,
         "Network: a name or alias that 'fcn-seg networks' lists, or the path of a network.yaml.",
         live=True, launch=True),
    Spec('weights', '',
         "File that overrides the network's own weights: .safetensors, .onnx or .pth.", live=True,
         launch=True),
    Spec('models_dir', '',
         "Folder where weights are looked for first; '' is $XDG_CACHE_HOME/fcn_seg_ros.",
         launch=True),
    Spec('download', False, 'Fetch missing weights when configuring.'),
    Spec('device', 'auto', 'Where the network runs: auto, cpu, cuda, cuda:N or N.', launch=True),
    Spec('engine', 'auto', "What runs the network; auto takes what 'fcn-seg tune' has found to be "
         'the fastest on this machine.', choices=ENGINES, launch=True),
    Spec('precision', 'auto', 'Number format of the network; auto is fp16 on a GPU, on a '
         'CPU int8 or bf16 where network and CPU have it, else fp32.',
         choices=PRECISIONS, launch=True),
    Spec('threads', 0, 'CPU threads the engine may use, 0 = its own choice.', limits=(0, 256),
         launch=True),
    Spec('deterministic', False,
         'No autotuning: the same frame gives the same mask bit for bit.'),
    Spec('image_transport', 'raw', 'How the camera image comes in.',
         choices=('raw', 'compressed'), launch=True),
    Spec('mask_size', 'input',
         "Size of the outputs: 'input' (the camera's), 'network' (the network's) or WxH.",
         live=True, launch=True),
    Spec('rectified', False, 'The image is rectified: use P of camera_info, not K and D.',
         launch=True),
    Spec('overlay_alpha', 0.5, 'Weight of the class colours in the overlay, 0 to 1.',
         live=True, limits=(0.0, 1.0), launch=True),
    Spec('min_confidence', 0.0, 'Pixels less probable than this become unknown (255).',
         live=True, limits=(0.0, 1.0), launch=True),
    Spec('ignore_classes', ['void'], 'Labels that are never predicted.', live=True),
    Spec('max_rate', 0.0, 'Frames a second and camera that are segmented, 0 = every frame.',
         live=True, limits=(0.0, 1000.0), launch=True),
    Spec('regions', [], 'Names of image regions with fractions of their own; each needs '
         "'regions.NAME': [x0, y0, x1, y1] in shares of the image.",
         example=('regions: [ahead]', 'regions.ahead: [0.33, 0.5, 0.67, 1.0]')),
    Spec('cameras', [], 'Names of several cameras served by one network; none = one camera '
         "on the topic 'image'.", launch=True, example=('cameras: [front, rear]',)),
    Spec('autostart', True, 'Configure and activate at start-up; false leaves that to a '
         'lifecycle manager.', launch=True),
    Spec('roles', '', 'YAML file of what classes mean to this robot, where it differs from the '
         "class set: 'grass: {role: ground, cost: 30}'.", live=True, launch=True),
    Spec('ground_frame', 'base_footprint',
         'Frame over whose origin the robot stands, z up, as clouds and grid take the ground.',
         live=True, launch=True),
    Spec('ground_z', 0.0, 'Height of the ground in ground_frame, m; below a base_link it is '
         'negative.', live=True, limits=(-100.0, 100.0), launch=True),
    *MOUNT,
    _points('min_range', 'Least distance of points from the lens, m.', (0.0, 1000.0)),
    _points('max_range', 'Largest distance of points from the lens, m.', (0.01, 1000.0),
            launch=True),
    _points('min_height', 'Least height of measured points of obstacles and ground, m.',
            (-100.0, 100.0)),
    _points('max_height', 'Largest height of measured points of obstacles and ground, m.',
            (-100.0, 100.0)),
    _points('min_obstacle_height', 'Least height above the ground of measured points of '
            'obstacles, m; feet on the ground plane are not measured.', (-100.0, 100.0)),
    _points('depth_noise', 'Standard deviation of measured depth as a share of it: least height '
            'of obstacles grows with it.', (0.0, 0.5)),
    _points('stride', 'Every how many rows and columns of the mask are used, 0 = by its size.',
            (0, 64)),
    _points('voxel', 'Edge of the cubes of which obstacles and ground keep a point each, m; '
            '0 keeps all.', (0.0, 10.0)),
    _points('min_pixels', 'Height in mask pixels that obstacles must have.', (1, 1000)),
    Spec('points.depth_slop', 0.02, 'Largest difference between the stamps of an image and of '
         'its depth image, s.', live=True, limits=(0.0, 1.0)),
    Spec('points.patience', 0.1, 'Seconds that the depth image and the transforms of a frame '
         'are waited for after its masks are out, unless another frame comes.', live=True,
         limits=(0.0, 1.0)),
    Spec('costmap.frame', 'odom', "The grid's frame: its axes stay put while the robot drives.",
         live=True, launch=True),
    _costmap('width', 'Extent of the grid along x, m.', (0.01, 1000.0), launch=True),
    _costmap('height', 'Extent of the grid along y, m.', (0.01, 1000.0), launch=True),
    _costmap('resolution', 'Edge of a cell, m.', (0.001, 10.0), launch=True),
    _costmap('half_life', 'Seconds after which what was seen counts half.', (0.001, 1e6)),
    _costmap('min_evidence', 'Votes below which a cell is unobserved.', (0.001, 1e6)),
    _costmap('max_evidence', 'Votes that a cell has at most.', (0.001, 1e6)),
    _costmap('obstacle_share', 'Share of the votes that makes a cell an obstacle.',
             (0.001, 1.0)),
    _costmap('unobserved', 'Value of unobserved cells: -1 unknown, 0 free.', (-1, 0), launch=True),
    _costmap('time_jump', 'Seconds by which stamps go back when time was set back.',
             (0.001, 1e6)),
    _limit('window', 10.0, 'Seconds that errors, drops and odd headers are judged over.', 600.0),
    _limit('rate_warn', 0.0, 'Camera frames a second below which to warn, 0 = never.'),
    _limit('rate_error', 0.0, 'Camera frames a second below which it is an error, 0 = never.'),
    _limit('age_warn', 1.0, 'Seconds without a camera frame after which to warn.'),
    _limit('age_stale', 5.0, 'Seconds without a camera frame after which it counts as stale.'),
    _limit('latency_warn', 1.0, 'Latency (p95, seconds from arrival to outputs) to warn from.'),
    _limit('latency_error', 5.0, 'Latency (p95, seconds) from which it is an error.'),
    _limit('drops_warn', 1.0, 'Share of the frames dropped because the machine is too slow, '
           'above which to warn; 1 = never: the newest frame wins by design.', 1.0),
    _limit('errors_warn', 0.0, 'Share of failing frames above which to warn.', 1.0),
    _limit('errors_error', 0.5, 'Share of failing frames above which it is an error.', 1.0),
    _limit('hang_timeout', 30.0, 'Seconds that one step of the work on a frame may take before '
           'the node gives up, 0 = any time.'),
)
