"""YAML as data: bounded, without aliases or tags, and read field by field with clear errors."""

from collections.abc import Callable, Hashable, Sequence
import os
import re
from typing import Any, NoReturn, TYPE_CHECKING, TypeGuard, TypeVar

import yaml

from .text import one_line
from ..errors import RegistryError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16
_D = TypeVar('_D')
_T = TypeVar('_T')


class _Required:
    """The default of a key that must be there."""


_REQUIRED = _Required()

if TYPE_CHECKING:
    _SafeLoader = yaml.SafeLoader
else:
    _SafeLoader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class _Loader(_SafeLoader):
    """The safe loader, with a repeated key as an error instead of a silent overwrite."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False
                          ) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load_yaml(path: str | os.PathLike[str]) -> object:
    """
    Read a YAML file as plain data (dict, list, str, int, float, bool, None).

    Aliases are refused and depth and size are bounded, so that no file can blow up
    in memory or on the stack while it is read.

    :param path: the file.
    :raises RegistryError: when it cannot be read, is too large or is not such YAML.
    """
    try:
        with open(path, 'rb') as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RegistryError(f'cannot read {path}: {error.strerror}') from None
    return parse_yaml(data, path)


def parse_yaml(data: bytes, path: str | os.PathLike[str]) -> object:
    """
    Read YAML as :func:`load_yaml` does.

    :param data: what a file holds.
    :param path: its path, for messages.
    :raises RegistryError: when it is too large or not such YAML.
    """
    if len(data) > MAX_BYTES:
        raise RegistryError(f'{path} is larger than {MAX_BYTES // 1024} KiB')
    try:
        text = data.decode('utf-8')
        _check_events(text, path)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f' line {mark.line + 1}' if mark else ''
        raise RegistryError(
            f'{path}{place}: {one_line(error.problem or error.context)}') from None
    except (yaml.YAMLError, ValueError) as error:  # e.g. control characters, month 13
        raise RegistryError(f'{path} is not YAML: {one_line(error)}') from None


def _check_events(text: str, path: str | os.PathLike[str]) -> None:
    # On the flat event stream, before anything recursive sees the document.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise RegistryError(f'{path}{_place(event)}: aliases (*name) are not allowed')
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise RegistryError(f'{path}{_place(event)}: nested deeper than {MAX_DEPTH} levels')


def _place(event: yaml.Event) -> str:
    return f' line {event.start_mark.line + 1}' if event.start_mark else ''


class Fields:
    """
    The fields of one YAML mapping, checked as they are taken.

    :param data: what the YAML holds at this place.
    :param where: file and place, the beginning of every message.
    :param allowed: names of all the keys that may occur.
    :raises RegistryError: here and in every method, naming ``where`` and the key.
    """

    def __init__(self, data: object, where: str | os.PathLike[str],
                 allowed: Sequence[str]) -> None:
        self.where = where
        if not isinstance(data, dict):
            raise RegistryError(f'{where}: expected a mapping with the keys {", ".join(allowed)}')
        for key in data:
            if key not in allowed:
                raise RegistryError(
                    f"{where}: unknown key '{one_line(key)}', known are {', '.join(allowed)}")
        self._data = data

    def fail(self, key: str, problem: str) -> NoReturn:
        """
        Raise the error that says what is wrong with a key.

        :param key: the key.
        :param problem: the rest of the sentence that begins with the key.
        """
        raise RegistryError(f"{self.where}: '{key}' {problem}")

    def raw(self, key: str, default: object = _REQUIRED) -> Any:
        """
        Return the unchecked value of a key.

        :param key: the key.
        :param default: returned when the key is missing, which is an error otherwise.
        """
        value = self._data.get(key)
        if value is None:
            if default is _REQUIRED:
                self.fail(key, 'is missing')
            return default
        return value

    def text(self, key: str, pattern: str = '.+', what: str = 'text',
             default: _D | _Required = _REQUIRED) -> str | _D:
        """
        Return a string that matches a pattern completely.

        :param key: the key.
        :param pattern: a regular expression.
        :param what: the pattern in words, for the message.
        :param default: returned when the key is missing, which is an error otherwise.
        """
        return self._checked(key, default, lambda value: self._text(key, value, pattern, what))

    def _checked(self, key: str, default: _D | _Required, check: Callable[[object], _T]
                 ) -> _T | _D:
        """Return what a check makes of a key's value, or the default where the key is missing."""
        if self._data.get(key) is None and not isinstance(default, _Required):
            return default
        return check(self.raw(key))

    def _text(self, key: str, value: object, pattern: str, what: str) -> str:
        if not isinstance(value, str):
            self.fail(key, f'must be {what}, not {one_line(value)} (put it in quotes?)')
        if not re.fullmatch(pattern, value):
            self.fail(key, f"must be {what}, not '{one_line(value)}'")
        return value

    def texts(self, key: str, pattern: str = '.+', what: str = 'texts') -> tuple[str, ...]:
        """
        Return the strings of a list, each of which matches a pattern completely.

        :param key: the key; () is returned when it is missing.
        :param pattern: a regular expression.
        :param what: the texts in words, for the message.
        """
        value = self.raw(key, [])
        if not isinstance(value, list):
            self.fail(key, f'must be a list of {what}')
        return tuple(self._text(key, item, pattern, f'a list of {what}') for item in value)

    def integer(self, key: str, low: float, high: float, default: _D | _Required = _REQUIRED
                ) -> int | _D:
        """
        Return a whole number within bounds.

        :param key: the key.
        :param low: least value.
        :param high: greatest value.
        :param default: returned when the key is missing, which is an error otherwise.
        """
        def check(value: object) -> int:
            if not is_integer(value) or not low <= value <= high:
                self.fail(
                    key, f'must be a whole number from {low} to {high}, not {one_line(value)}')
            return value

        return self._checked(key, default, check)

    def number(self, key: str, low: float, high: float, default: _D | _Required = _REQUIRED
               ) -> float | _D:
        """
        Return a number within bounds.

        :param key: the key.
        :param low: least value.
        :param high: greatest value.
        :param default: returned when the key is missing, which is an error otherwise.
        """
        def check(value: object) -> float:
            if not is_number(value) or not low <= value <= high:
                self.fail(key, f'must be a number from {low} to {high}, not {one_line(value)}')
            return float(value)

        return self._checked(key, default, check)

    def triple(self, key: str, low: float, high: float, default: _D | _Required = _REQUIRED
               ) -> tuple[float, float, float] | _D:
        """
        Return three numbers within bounds.

        :param key: the key.
        :param low: least value.
        :param high: greatest value.
        :param default: returned when the key is missing, which is an error otherwise.
        """
        def check(value: object) -> tuple[float, float, float]:
            if not (isinstance(value, list) and len(value) == 3
                    and all(is_number(v) and low <= v <= high for v in value)):
                self.fail(key, f'must be three numbers from {low} to {high}')
            first, second, third = map(float, value)
            return first, second, third

        return self._checked(key, default, check)


def is_integer(value: object) -> TypeGuard[int]:
    """
    Tell whether a YAML value is a whole number, which YAML's true and false are not.

    :param value: what :func:`load_yaml` has read.
    """
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """
    Tell whether a YAML value is a number, which YAML's true and false are not.

    :param value: what :func:`load_yaml` has read.
    """
    return isinstance(value, (int, float)) and not isinstance(value, bool)
