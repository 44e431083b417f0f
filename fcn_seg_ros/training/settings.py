"""
Sections of a YAML file as dataclasses: a field says its key, its default and what it may be.

A section is a dataclass whose fields are annotated with a rule::

    @dataclass(frozen=True, kw_only=True)
    class Run:
        epochs: Annotated[int, Whole(1, 100_000)]        # no default: must be given
        seed: Annotated[int, Whole(0, 2**31 - 1)] = 0

:func:`read_section` reads it.  Every fault is one line that names file, section and key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, MISSING
from typing import Any, get_type_hints, Protocol

from ..support.arrays import Size
from ..support.safe_yaml import Fields, is_integer, is_number


class Rule(Protocol):
    """What may be written as the value of one key."""

    def take(self, source: Fields, key: str, *default: Any) -> Any:
        """
        Return the checked value of a key.

        :param source: the mapping that holds it.
        :param key: the key.
        :param default: one value, taken where the key is missing; without it that is an error.
        :raises RegistryError: when it is missing or not what it may be.
        """


@dataclass(frozen=True)
class Key:
    """The key in the file, where it is not the field's name."""

    name: str


@dataclass(frozen=True)
class Number:
    """A number from ``low`` to ``high``, read as float."""

    low: float
    high: float

    def take(self, source: Fields, key: str, *default: Any) -> Any:
        return source.number(key, self.low, self.high, *default)


@dataclass(frozen=True)
class Whole:
    """A whole number from ``low`` to ``high``."""

    low: int
    high: int

    def take(self, source: Fields, key: str, *default: Any) -> Any:
        return source.integer(key, self.low, self.high, *default)


@dataclass(frozen=True)
class Text:
    """A text that matches ``pattern`` from end to end; ``what`` says it in words."""

    pattern: str = '.+'
    what: str = 'text'

    def take(self, source: Fields, key: str, *default: Any) -> Any:
        return source.text(key, self.pattern, self.what, *default)


@dataclass(frozen=True)
class Texts:
    """A list of texts, read as tuple."""

    def take(self, source: Fields, key: str, *default: Any) -> Any:
        return source.texts(key)


@dataclass(frozen=True)
class Flag:
    """Either true or false."""

    def take(self, source: Fields, key: str, *default: Any) -> Any:
        value = source.raw(key, *default)
        if not isinstance(value, bool):
            source.fail(key, 'must be true or false')
        return value


@dataclass(frozen=True)
class Choice:
    """One of some texts."""

    known: Sequence[str]

    def take(self, source: Fields, key: str, *default: Any) -> Any:
        value = source.raw(key, *default)
        if value not in self.known:
            source.fail(key, f"must be one of {', '.join(self.known)}, not '{value}'")
        return value


@dataclass(frozen=True)
class Range:
    """``[low, high]``, both within the bounds, read as tuple."""

    low: float
    high: float
    whole: bool = False

    def take(self, source: Fields, key: str, *default: Any) -> Any:
        value = source.raw(key, *default)
        is_kind, noun = (is_integer, 'whole numbers') if self.whole else (is_number, 'numbers')
        if not (isinstance(value, (list, tuple)) and len(value) == 2
                and all(is_kind(v) and self.low <= v <= self.high for v in value)):
            source.fail(key, f'must be two {noun} from {self.low} to {self.high}')
        if value[0] > value[1]:
            bound = '0 < ' if self.low > 0 else ''
            source.fail(key, f'must be [low, high] with {bound}low <= high')
        return tuple(value)


@dataclass(frozen=True)
class Sides:
    """``[width, height]`` in pixels, each from ``low`` to ``high``, read as ``Size``."""

    low: int
    high: int

    def take(self, source: Fields, key: str, *default: Any) -> Any:
        value = source.raw(key, *default)
        if not (isinstance(value, list) and len(value) == 2
                and all(is_integer(v) and self.low <= v <= self.high for v in value)):
            source.fail(key, f'must be two whole numbers from {self.low} to {self.high}')
        width, height = value
        return Size(height, width)


@dataclass(frozen=True)
class Section:
    """A section within the section; ``defaults`` replace those of its fields."""

    kind: type
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def take(self, source: Fields, key: str, *default: Any) -> Any:
        where = f'{source.where}: {key}'
        return self.kind(**read_section(self.kind, source.raw(key, *default), where,
                                        self.defaults))


def read_section(kind: type, data: object, where: str, defaults: Mapping[str, Any] | None = None
                 ) -> dict[str, Any]:
    """
    Check one section.

    :param kind: dataclass whose fields are annotated with rules.
    :param data: what the file holds at this place.
    :param where: file and section, the beginning of every message.
    :param defaults: defaults that replace those of the fields, by the fields' names.
    :returns: {name of a field: value}, complete.
    :raises RegistryError: when a key is unknown or missing, or a value is not what it may be.
    """
    hints = get_type_hints(kind, include_extras=True)
    found = {}
    for one in fields(kind):
        rule, *key = hints[one.name].__metadata__
        default = (defaults or {}).get(one.name, one.default)
        found[one.name] = (key[0].name if key else one.name, rule,
                           () if default is MISSING else (default,))
    source = Fields(data, where, tuple(key for key, _, _ in found.values()))
    return {name: rule.take(source, key, *default)
            for name, (key, rule, default) in found.items()}
