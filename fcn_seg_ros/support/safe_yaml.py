"""YAML as data: bounded, without aliases or tags, and read field by field with clear errors."""

from numbers import Real
import re

import yaml

from ..errors import RegistryError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16
_REQUIRED = object()


class _Loader(getattr(yaml, 'CSafeLoader', yaml.SafeLoader)):
    """The safe loader, with a repeated key as an error instead of a silent overwrite."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load_yaml(path):
    """
    Read a YAML file as plain data (dict, list, str, int, float, bool, None).

    Aliases are refused and depth and size are bounded, so that no file can blow up
    in memory or on the stack while it is read.

    :param path: ``pathlib.Path`` of the file.
    :raises RegistryError: when it cannot be read, is too large or is not such YAML.
    """
    try:
        with open(path, 'rb') as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RegistryError(f'cannot read {path}: {error.strerror}') from None
    if len(data) > MAX_BYTES:
        raise RegistryError(f'{path} is larger than {MAX_BYTES // 1024} KiB')
    try:
        text = data.decode('utf-8')
        _check_events(text)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f' line {mark.line + 1}' if mark else ''
        raise RegistryError(
            f'{path}{place}: {_one_line(error.problem or error.context)}') from None
    except (yaml.YAMLError, ValueError) as error:  # e.g. control characters, month 13
        raise RegistryError(f'{path} is not YAML: {_one_line(error)}') from None


def _check_events(text):
    # On the flat event stream, before anything recursive sees the document.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem='aliases (*name) are not allowed', problem_mark=event.start_mark)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(
                problem=f'nested deeper than {MAX_DEPTH} levels', problem_mark=event.start_mark)


def _one_line(text):
    return ' '.join(str(text).split())[:200]


class Fields:
    """
    The fields of one YAML mapping, checked as they are taken.

    :param data: what the YAML holds at this place.
    :param where: file and place, the beginning of every message.
    :param allowed: names of all the keys that may occur.
    :raises RegistryError: here and in every method, naming ``where`` and the key.
    """

    def __init__(self, data, where, allowed):
        self.where = where
        if not isinstance(data, dict):
            raise RegistryError(f'{where}: expected a mapping with the keys {", ".join(allowed)}')
        for key in data:
            if key not in allowed:
                raise RegistryError(
                    f"{where}: unknown key '{_one_line(key)}', known are {', '.join(allowed)}")
        self._data = data

    def fail(self, key, problem):
        """Raise the error that says what is wrong with ``key``."""
        raise RegistryError(f"{self.where}: '{key}' {problem}")

    def raw(self, key, default=_REQUIRED):
        """Return the unchecked value; a missing key is an error unless it has a default."""
        value = self._data.get(key)
        if value is None:
            if default is _REQUIRED:
                self.fail(key, 'is missing')
            return default
        return value

    def text(self, key, pattern='.+', what='text', default=_REQUIRED):
        """Return a string that matches ``pattern`` completely."""
        value = self.raw(key, default)
        if value is default:
            return default
        return self._text(key, value, pattern, what)

    def _text(self, key, value, pattern, what):
        if not isinstance(value, str):
            self.fail(key, f'must be {what}, not {_one_line(value)} (put it in quotes?)')
        if not re.fullmatch(pattern, value):
            self.fail(key, f"must be {what}, not '{_one_line(value)}'")
        return value

    def texts(self, key, pattern='.+', what='texts'):
        """Return a tuple of strings that match ``pattern`` completely, () without the key."""
        value = self.raw(key, [])
        if not isinstance(value, list):
            self.fail(key, f'must be a list of {what}')
        return tuple(self._text(key, item, pattern, f'a list of {what}') for item in value)

    def integer(self, key, low, high, default=_REQUIRED):
        """Return an int in ``low``..``high``."""
        value = self.raw(key, default)
        if value is default:
            return default
        if not is_integer(value) or not low <= value <= high:
            self.fail(key, f'must be a whole number from {low} to {high}, not {_one_line(value)}')
        return value

    def number(self, key, low, high, default=_REQUIRED):
        """Return a float in ``low``..``high``."""
        value = self.raw(key, default)
        if value is default:
            return default
        if not is_number(value) or not low <= value <= high:
            self.fail(key, f'must be a number from {low} to {high}, not {_one_line(value)}')
        return float(value)

    def triple(self, key, low, high, default=_REQUIRED):
        """Return a tuple of three floats in ``low``..``high``."""
        value = self.raw(key, default)
        if value is default:
            return default
        if not (isinstance(value, list) and len(value) == 3
                and all(is_number(v) and low <= v <= high for v in value)):
            self.fail(key, f'must be three numbers from {low} to {high}')
        return tuple(float(v) for v in value)


def is_integer(value):
    """Tell whether a YAML value is a whole number (YAML's true and false are not)."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value):
    """Tell whether a YAML value is a number (YAML's true and false are not)."""
    return isinstance(value, Real) and not isinstance(value, bool)
