"""The node's parameters: their declaration, their checks, and their values in one object."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
import math
import re
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from .parameter_specs import MOUNT, Spec, SPECS
from .settings import Costmap, Limits, Mount, Points, Settings
from ..fractions import Box, pixel_roi
from ..networks.classes import ClassSet
from ..support.arrays import MAX_SIDE, parse_size, Size

_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*')
_REGION = 'regions.'
_MOUNT = 'mount.'
_GROUPS = {spec.group for spec in SPECS} - {''}
_BY_NAME = {spec.name: spec for spec in SPECS}
_TYPES = {bool: Parameter.Type.BOOL, int: Parameter.Type.INTEGER, float: Parameter.Type.DOUBLE,
          str: Parameter.Type.STRING, list: Parameter.Type.STRING_ARRAY}


def declare(node: Node) -> None:
    """
    Declare every parameter on ``node``, with its description, range and type.

    :raises rclpy.exceptions.ParameterException: when a value given at the start has the
        wrong type or is out of range.
    """
    for spec in SPECS:
        _declare(node, spec)


def _declare(node: Node, spec: Spec) -> None:
    """Declare a parameter in its type, however the value given at the start is written."""
    given = _given(node, spec.name, spec.default)
    try:
        value = spec.fitted(given)
    except ValueError as error:
        raise InvalidParameterValueException(spec.name, given, str(error)) from None
    if not isinstance(value, list):
        node.declare_parameter(spec.name, value, _descriptor(spec), ignore_override=True)
        return
    # An empty list has no type of its own: declared by type, then set.
    node.declare_parameter(spec.name, Parameter.Type.STRING_ARRAY, _descriptor(spec),
                           ignore_override=True)
    node.set_parameters([Parameter(spec.name, Parameter.Type.STRING_ARRAY, value)])


def _given(node: Node, name: str, default: Any) -> Any:
    """Return what the command line or a file gives, of whatever type, or a default."""
    value = node.declare_parameter(
        name, default, ParameterDescriptor(dynamic_typing=True)).value
    node.undeclare_parameter(name)
    return value


def in_types(requested: list[Parameter]) -> list[Parameter]:
    """
    Return requested parameters in the types that they are declared with, where they can be.

    :param requested: as a client has written them, see :meth:`.Spec.fitted`.
    """
    return [_in_type(parameter) for parameter in requested]


def _in_type(parameter: Parameter) -> Parameter:
    if parameter.name.startswith(_REGION):
        return Parameter(parameter.name, value=_box(parameter.value))
    spec = _spec(parameter.name)
    if spec is None or parameter.value is None:
        return parameter
    try:
        value = spec.fitted(parameter.value)
    except ValueError:
        return parameter  # which rclpy refuses, and says of which type it should be
    return Parameter(parameter.name, _TYPES[type(value)], value)


def _box(value: Any) -> Any:
    """Return a region's rectangle as numbers, whole ones among them, or what else it is."""
    try:
        whole = value is not None and all(type(side) in (int, float) for side in value)
    except TypeError:
        return value
    return [float(side) for side in value] if whole else value


def _descriptor(spec: Spec) -> ParameterDescriptor:
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


def check(name: str, value: Any) -> None:
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


def _spec(name: str) -> Spec | None:
    """Return the spec of a parameter, that of ``mount.pitch`` for ``mount.CAMERA.pitch``."""
    if name.startswith(_MOUNT):
        name = _MOUNT + name.rpartition('.')[2]
    return _BY_NAME.get(name)


def _check_names(name: str, values: Sequence[str]) -> None:
    for value in values:
        if not _NAME.fullmatch(value) or (name == 'regions' and '/' in value):
            raise ValueError(f"{name}: '{value[:40]}' is not a name (letters, digits and _)")
    if len(set(values)) != len(values):
        raise ValueError(f'{name}: a name is given twice')


def _check_box(name: str, box: Sequence[float] | None) -> Box:
    if box is None:
        raise ValueError(f"region '{name.removeprefix(_REGION)}' has no rectangle: set {name} to "
                         '[x0, y0, x1, y1] in shares of the image')
    if len(box) != 4:
        raise ValueError(f'{name} must be [x0, y0, x1, y1] in shares of the image')
    x0, y0, x1, y1 = box
    pixel_roi((x0, y0, x1, y1), MAX_SIDE, MAX_SIDE)  # raises for a box that is none
    return x0, y0, x1, y1


def parse_mask_size(text: str) -> Size | str | None:
    """
    Return ``mask_size`` as the segmenter takes it.

    :returns: None for 'input', 'network', or a :class:`.Size`.
    :raises ValueError: for anything else.
    """
    if text == 'input':
        return None
    if text == 'network':
        return text
    try:
        return parse_size(text)
    except ValueError as error:
        raise ValueError(f"mask_size must be 'input', 'network' or WIDTHxHEIGHT: {error}") \
            from None


def read(node: Node, overrides: Mapping[str, Any] | None = None) -> Settings:
    """
    Return all values, checked.

    :param overrides: {name: value} that a parameter request is about to set.
    :raises ValueError: when a value cannot be used.
    """
    overrides = dict(overrides or {})
    values = {spec.name: node.get_parameter(spec.name).value for spec in SPECS} | overrides
    for name, value in values.items():
        check(name, value)
    groups: dict[str, dict[str, Any]] = {'': {}, **{group: {} for group in _GROUPS}}
    for spec in SPECS:
        value = values[spec.name]
        groups[spec.group][spec.name.removeprefix(f'{spec.group}.')] = (
            tuple(value) if isinstance(value, list) else value)
    own = groups['']
    regions = {name: _region(node, _REGION + name, overrides) for name in own.pop('regions')}
    mount = Mount(**groups['mount'])
    mounts = {camera: _mount(node, camera, mount, overrides) for camera in own['cameras'] or ('',)}
    return Settings(**own | {
        'mask_size': parse_mask_size(own['mask_size']), 'regions': regions, 'mounts': mounts,
        'points': Points(**groups['points']), 'costmap': Costmap(**groups['costmap']),
        'diagnostics': Limits(**groups['diagnostics'])})


def _mount(node: Node, camera: str, default: Mount, overrides: Mapping[str, Any]) -> Mount:
    """Return one camera's mount, declaring its parameters when it is new."""
    if not camera:
        return default
    values = {}
    for spec in MOUNT:
        field = spec.name.removeprefix(_MOUNT)
        key = f'{_MOUNT}{camera}.{field}'
        if not node.has_parameter(key):
            _declare(node, replace(spec, name=key, default=getattr(default, field)))
        values[field] = overrides.get(key, node.get_parameter(key).value)
    return Mount(**values)


def _region(node: Node, key: str, overrides: Mapping[str, Any]) -> Box:
    """Return one region's box, declaring its parameter when it is new."""
    if not node.has_parameter(key):
        given = _box(_given(node, key, None))
        node.declare_parameter(key, Parameter.Type.DOUBLE_ARRAY, ParameterDescriptor(
            name=key, description='Region as [x0, y0, x1, y1] in shares of the image.'),
            ignore_override=True)
        if given is not None:
            result, = node.set_parameters([Parameter(key, value=given)])
            if not result.successful:
                raise ValueError(result.reason)
    box = overrides[key] if key in overrides else node.get_parameter_or(key).value
    return _check_box(key, box)


def check_ignored(settings: Settings, classes: ClassSet) -> None:
    """
    Check that ``ignore_classes`` leaves something to predict.

    :param classes: the network's :class:`.ClassSet`.
    :raises ValueError: when it does not.
    """
    if set(classes.labels) <= set(settings.ignore_classes):
        raise ValueError('ignore_classes leaves no class of the network')


def concerned(changes: Mapping[str, Any]) -> bool:
    """Tell whether some changes are of the node's own parameters."""
    return any(name in _BY_NAME or name.startswith((_REGION, _MOUNT)) for name in changes)


def fixed_while_configured(node: Node, changes: Mapping[str, Any]) -> list[str]:
    """
    Return the names of what only takes effect when the node is configured anew.

    :param changes: {name: value}; values that are the present ones are no changes.
    """
    return [name for name, value in changes.items()
            if name in _BY_NAME and not _BY_NAME[name].live
            and _comparable(value) != _comparable(node.get_parameter(name).value)]


def _comparable(value: Any) -> Any:
    return value if isinstance(value, (str, bool, int, float)) else list(value or ())
