"""The node's parameters: their declaration, their checks, and their values in one object."""

from dataclasses import dataclass
import math
import re
from types import SimpleNamespace

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.parameter import Parameter

from ..engines import ENGINES, PRECISIONS
from ..navigation.regions import pixel_roi
from ..segmenter import DEFAULT_NETWORK

_STRINGS, _DOUBLES = Parameter.Type.STRING_ARRAY, Parameter.Type.DOUBLE_ARRAY
MAX_MASK_SIDE = 8192
_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*')


@dataclass(frozen=True)
class Spec:
    """
    A parameter.

    :param live: it can change while the node is configured.
    :param choices: the values a string may have, or None.
    :param limits: (least, most) of a number, or None.
    """

    name: str
    default: object
    description: str
    live: bool = False
    choices: tuple | None = None
    limits: tuple | None = None
    type: Parameter.Type | None = None  # for arrays: rclpy takes an empty list for bytes


SPECS = (
    Spec('network', DEFAULT_NETWORK,
         "Network: a name or alias that 'fcn-seg networks' lists, or the path of a network.yaml.",
         live=True),
    Spec('weights', '',
         "File that overrides the network's own weights: .safetensors, .onnx or .pth.", live=True),
    Spec('models_dir', '',
         "Folder where weights are looked for first; '' is $XDG_CACHE_HOME/fcn_seg_ros."),
    Spec('download', False, 'Fetch missing weights when configuring.'),
    Spec('device', 'auto', 'Where the network runs: auto, cpu, cuda or cuda:N.'),
    Spec('engine', 'auto', 'What runs the network.', choices=ENGINES),
    Spec('precision', 'auto', 'Number format of the network.', choices=PRECISIONS),
    Spec('threads', 0, 'CPU threads the engine may use, 0 = its own choice.', limits=(0, 256)),
    Spec('deterministic', False,
         'No autotuning: the same frame gives the same mask bit for bit.'),
    Spec('image_transport', 'raw', 'How the camera image comes in.',
         choices=('raw', 'compressed')),
    Spec('mask_size', 'input',
         "Size of the outputs: 'input' (the camera's), 'network' (the network's), or WxH.",
         live=True),
    Spec('rectified', False, 'The image is rectified: use P of camera_info, not K and D.'),
    Spec('overlay_alpha', 0.5, 'Weight of the class colours in the overlay.',
         live=True, limits=(0.0, 1.0)),
    Spec('min_confidence', 0.0, 'Pixels less probable than this become unknown (255).',
         live=True, limits=(0.0, 1.0)),
    Spec('ignore_classes', ['void'], 'Labels that are never predicted.', live=True,
         type=_STRINGS),
    Spec('max_rate', 0.0, 'Frames a second and camera that are segmented, 0 = every frame.',
         live=True, limits=(0.0, 1000.0)),
    Spec('regions', [], "Names of image regions with fractions of their own; each needs "
         "'regions.NAME': [x0, y0, x1, y1] in shares of the image.", type=_STRINGS),
    Spec('cameras', [], 'Names of several cameras served by one network; none = one camera '
         "on the topic 'image'.", type=_STRINGS),
    Spec('autostart', True, 'Configure and activate at start-up.'),
)
_BY_NAME = {spec.name: spec for spec in SPECS}


def declare(node):
    """Declare every parameter on ``node``, with its description, range and type."""
    for spec in SPECS:
        descriptor = ParameterDescriptor(name=spec.name, description=spec.description)
        if spec.choices:
            descriptor.additional_constraints = f"One of: {', '.join(spec.choices)}."
        elif not spec.live:
            descriptor.additional_constraints = 'Takes effect when the node is configured.'
        if spec.limits and isinstance(spec.default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=spec.limits[0], to_value=spec.limits[1])]
        elif spec.limits:
            descriptor.integer_range = [
                IntegerRange(from_value=spec.limits[0], to_value=spec.limits[1])]
        value = Parameter(spec.name, spec.type, spec.default).value if spec.type \
            else spec.default
        if spec.type and not value:
            # An empty array has no type of its own: declare by type, then set.
            node.declare_parameter(spec.name, spec.type, descriptor)
            if node.get_parameter_or(spec.name).type_ == Parameter.Type.NOT_SET:
                node.set_parameters([Parameter(spec.name, spec.type, [])])
        else:
            node.declare_parameter(spec.name, value, descriptor)


def check(name, value):
    """
    Check one value beyond its type and range.

    :raises ValueError: with a line that says what would be right.
    """
    spec = _BY_NAME.get(name)
    if spec is None:
        return
    if spec.choices and value not in spec.choices:
        raise ValueError(f"{name} '{value}' is not one of {', '.join(spec.choices)}")
    if name == 'mask_size':
        parse_mask_size(value)
    elif name in ('cameras', 'regions'):
        for item in value:
            if not _NAME.fullmatch(item) or (name == 'regions' and '/' in item):
                raise ValueError(f"{name}: '{item}' is not a name (letters, digits and _)")
        if len(set(value)) != len(value):
            raise ValueError(f'{name}: a name is given twice')
    elif name == 'network' and not value.strip():
        raise ValueError("network is empty: name one of those that 'fcn-seg networks' lists")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f'{name} must be a finite number')


def parse_mask_size(text):
    """
    Return ``mask_size`` as the segmenter takes it.

    :returns: None for 'input', 'network', or (height, width).
    :raises ValueError: for anything else.
    """
    if text == 'input':
        return None
    if text == 'network':
        return text
    match = re.fullmatch(r'(\d{1,5})x(\d{1,5})', text)
    if not match or not all(1 <= int(side) <= MAX_MASK_SIDE for side in match.groups()):
        raise ValueError(f"mask_size '{text[:40]}' is not 'input', 'network' or WIDTHxHEIGHT "
                         f'up to {MAX_MASK_SIDE}')
    width, height = map(int, match.groups())
    return height, width


def read(node, overrides=None):
    """
    Return all values as attributes, checked.

    :param overrides: {name: value} that a parameter request is about to set.
    :raises ValueError: when a value cannot be used.
    """
    values = {spec.name: node.get_parameter(spec.name).value for spec in SPECS}
    values.update(overrides or {})
    for name, value in values.items():
        check(name, value)
    values['regions'] = {name: _region(node, name, overrides) for name in values['regions']}
    values['mask_size'] = parse_mask_size(values['mask_size'])
    return SimpleNamespace(**{name: value for name, value in values.items() if '.' not in name})


def _region(node, name, overrides):
    """Return one region's box, declaring its parameter when it is new."""
    key = f'regions.{name}'
    if not node.has_parameter(key):
        node.declare_parameter(key, _DOUBLES, ParameterDescriptor(
            name=key, description='Region as [x0, y0, x1, y1] in shares of the image.'))
    box = (overrides or {}).get(key) or node.get_parameter_or(key).value
    if box is None:
        raise ValueError(f"region '{name}' has no rectangle: set {key} to [x0, y0, x1, y1]")
    if len(box) != 4:
        raise ValueError(f'{key} must be [x0, y0, x1, y1] in shares of the image')
    pixel_roi(box, MAX_MASK_SIDE, MAX_MASK_SIDE)  # raises for a box that is none
    return tuple(box)


def fixed_while_configured(names):
    """Return those of ``names`` that only take effect when the node is configured anew."""
    return [name for name in names if name in _BY_NAME and not _BY_NAME[name].live]
