"""The node's parameters: their declaration, their checks, and their values in one object."""

from dataclasses import replace
import math
import re
from types import SimpleNamespace

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.parameter import Parameter

from .parameter_specs import MOUNT, SPECS
from ..fractions import pixel_roi

MAX_MASK_SIDE = 8192
_MAX_MASK_PIXELS = 64_000_000
_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*')
_REGION = 'regions.'
_MOUNT = 'mount.'
_GROUPS = {spec.group for spec in SPECS} - {''}
_BY_NAME = {spec.name: spec for spec in SPECS}


def declare(node):
    """
    Declare every parameter on ``node``, with its description, range and type.

    :raises rclpy.exceptions.ParameterException: when a value given at the start has the
        wrong type or is out of range.
    """
    for spec in SPECS:
        descriptor = _descriptor(spec)
        if spec.array is None:
            node.declare_parameter(spec.name, spec.default, descriptor)
            continue
        # An empty array has no type of its own: declared by type, then set.
        node.declare_parameter(spec.name, spec.array, descriptor)
        if node.get_parameter_or(spec.name).type_ == Parameter.Type.NOT_SET:
            node.set_parameters([Parameter(spec.name, spec.array, spec.default)])


def _descriptor(spec):
    descriptor = ParameterDescriptor(name=spec.name, description=spec.description)
    if spec.choices:
        descriptor.additional_constraints = f"One of: {', '.join(spec.choices)}."
    elif not spec.live:
        descriptor.additional_constraints = 'Takes effect when the node is configured.'
    if spec.limits:
        kind, field = ((FloatingPointRange, 'floating_point_range')
                       if isinstance(spec.default, float) else (IntegerRange, 'integer_range'))
        setattr(descriptor, field,
                [kind(from_value=spec.limits[0], to_value=spec.limits[1])])
    return descriptor


def check(name, value):
    """
    Check one value beyond its type and range.

    :raises ValueError: with a line that says what would be right.
    """
    spec = _spec(name)
    if name.startswith(_REGION) and value is not None:  # none yet, while it is declared
        _check_box(name, value)
    if spec is None:
        return
    if value is None:
        raise ValueError(f'{name} cannot be deleted')
    if spec.choices and value not in spec.choices:
        raise ValueError(f"{name} '{value[:40]}' is not one of {', '.join(spec.choices)}")
    if name == 'mask_size':
        parse_mask_size(value)
    elif name in ('cameras', 'regions'):
        _check_names(name, value)
    elif name == 'network' and not value.strip():
        raise ValueError("network is empty: name one of those that 'fcn-seg networks' lists")
    elif name in ('ground_frame', 'costmap.frame') and not value.strip():
        raise ValueError(f'{name} is empty: name a frame')
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f'{name} must be a finite number')


def _spec(name):
    """Return the spec of a parameter, that of ``mount.pitch`` for ``mount.CAMERA.pitch``."""
    if name.startswith(_MOUNT):
        name = _MOUNT + name.rpartition('.')[2]
    return _BY_NAME.get(name)


def _check_names(name, values):
    for value in values:
        if not _NAME.fullmatch(value) or (name == 'regions' and '/' in value):
            raise ValueError(f"{name}: '{value[:40]}' is not a name (letters, digits and _)")
    if len(set(values)) != len(values):
        raise ValueError(f'{name}: a name is given twice')


def _check_box(name, box):
    if box is None:
        raise ValueError(f"region '{name.removeprefix(_REGION)}' has no rectangle: set {name} to "
                         '[x0, y0, x1, y1] in shares of the image')
    if len(box) != 4:
        raise ValueError(f'{name} must be [x0, y0, x1, y1] in shares of the image')
    pixel_roi(box, MAX_MASK_SIDE, MAX_MASK_SIDE)  # raises for a box that is none


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
    match = re.fullmatch(r'(\d{1,5})x(\d{1,5})', text, re.ASCII)
    width, height = map(int, match.groups()) if match else (0, 0)
    if not (1 <= width <= MAX_MASK_SIDE and 1 <= height <= MAX_MASK_SIDE
            and width * height <= _MAX_MASK_PIXELS):
        raise ValueError(f"mask_size '{text[:40]}' is not 'input', 'network' or WIDTHxHEIGHT "
                         f'up to {MAX_MASK_SIDE} a side and {_MAX_MASK_PIXELS} pixels')
    return height, width


def read(node, overrides=None):
    """
    Return all values as attributes, checked; ``group.*`` as attributes of ``group``.

    :param overrides: {name: value} that a parameter request is about to set.
    :returns: a namespace; ``regions`` is {name: (x0, y0, x1, y1)}, ``mask_size`` as of
        :func:`parse_mask_size`, ``mounts`` {camera: {name: value}}.
    :raises ValueError: when a value cannot be used.
    """
    overrides = overrides or {}
    values = {spec.name: node.get_parameter(spec.name).value for spec in SPECS} | overrides
    for name, value in values.items():
        check(name, value)
    settings = SimpleNamespace(**{group: SimpleNamespace() for group in _GROUPS})
    for spec in SPECS:
        owner = getattr(settings, spec.group) if spec.group else settings
        setattr(owner, spec.name.removeprefix(f'{spec.group}.'), values[spec.name])
    settings.regions = {name: _region(node, _REGION + name, overrides)
                        for name in settings.regions}
    settings.mask_size = parse_mask_size(settings.mask_size)
    settings.mounts = {camera: _mount(node, camera, settings.mount, overrides)
                       for camera in settings.cameras or ['']}
    return settings


def _mount(node, camera, default, overrides):
    """Return one camera's mount as {name: value}, declaring its parameters when it is new."""
    if not camera:
        return dict(vars(default))
    mount = {}
    for spec in MOUNT:
        field = spec.name.removeprefix(_MOUNT)
        key = f'{_MOUNT}{camera}.{field}'
        if not node.has_parameter(key):
            node.declare_parameter(key, getattr(default, field),
                                   _descriptor(replace(spec, name=key)))
        mount[field] = overrides.get(key, node.get_parameter(key).value)
    return mount


def _region(node, key, overrides):
    """Return one region's box, declaring its parameter when it is new."""
    if not node.has_parameter(key):
        node.declare_parameter(key, Parameter.Type.DOUBLE_ARRAY, ParameterDescriptor(
            name=key, description='Region as [x0, y0, x1, y1] in shares of the image.'))
    box = overrides[key] if key in overrides else node.get_parameter_or(key).value
    _check_box(key, box)
    return tuple(box)


def check_ignored(settings, classes):
    """
    Check that ``ignore_classes`` leaves something to predict.

    :param classes: the network's :class:`.ClassSet`.
    :raises ValueError: when it does not.
    """
    if set(classes.labels) <= set(settings.ignore_classes):
        raise ValueError('ignore_classes leaves no class of the network')


def concerned(changes):
    """Tell whether some changes are of the node's own parameters."""
    return any(name in _BY_NAME or name.startswith((_REGION, _MOUNT)) for name in changes)


def fixed_while_configured(node, changes):
    """
    Return the names of what only takes effect when the node is configured anew.

    :param changes: {name: value}; values that are the present ones are no changes.
    """
    return [name for name, value in changes.items()
            if name in _BY_NAME and not _BY_NAME[name].live
            and _plain(value) != _plain(node.get_parameter(name).value)]


def _plain(value):
    return value if isinstance(value, (str, bool, int, float)) else list(value or ())
