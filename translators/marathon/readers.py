"""Reading JSON values against types, with the messages of Marathon's own reader.

A reader takes a value and its path, reports what is wrong to Errors and answers the value as Marathon prints it. All
errors of a body are collected. `null` for an optional member is the same as its absence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from translators.marathon.errors import Detail, InvalidJson
from translators.marathon.json import compact

__all__ = [
    "ABSENT",
    "Errors",
    "Field",
    "Reader",
    "array",
    "boolean",
    "enum",
    "integer",
    "long_integer",
    "mapping",
    "number",
    "record",
    "string",
]

ABSENT: Any = object()
_INT = (-(2**31), 2**31 - 1)
_LONG = (-(2**63), 2**63 - 1)


class Errors:
    """What is wrong, by path, in the order of discovery."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, path: str, message: str) -> None:
        messages = self._found.setdefault(path, [])
        if message not in messages:
            messages.append(message)

    def merge(self, other: "Errors") -> None:
        for path, messages in other._found.items():
            for message in messages:
                self.add(path, message)

    def details(self, prefix: str = "") -> list[Detail]:
        return [
            Detail(prefix + path if path != "/" or not prefix else prefix, tuple(m)) for path, m in self._found.items()
        ]

    def check(self, prefix: str = "") -> None:
        """Raises InvalidJson if anything was found."""
        if self._found:
            raise InvalidJson(self.details(prefix))


class Reader(Protocol):
    def __call__(self, value: Any, path: str, errors: Errors) -> Any: ...


class Pattern(Protocol):
    def fullmatch(self, text: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Field:
    """One member: `default` is printed when it is absent, unless it is ABSENT; `factory` makes a fresh default."""

    name: str
    read: Reader
    required: bool = False
    default: Any = ABSENT
    factory: Callable[[], Any] | None = None


def string(*, min_length: int = 0, max_length: int | None = None, pattern: Pattern | None = None) -> Reader:
    def read(value: Any, path: str, errors: Errors) -> Any:
        if not isinstance(value, str):
            errors.add(path, "error.expected.jsstring")
            return value
        if len(value) < min_length:
            errors.add(path, "error.minLength")
        elif max_length is not None and len(value) > max_length:
            errors.add(path, "error.maxLength")
        if pattern is not None and not pattern.fullmatch(value):
            errors.add(path, "error.pattern")
        return value

    return read


def integer(minimum: int | None = None, maximum: int | None = None) -> Reader:
    return _whole(_INT, "error.expected.int", minimum, maximum)


def long_integer(minimum: int | None = None) -> Reader:
    return _whole(_LONG, "error.expected.long", minimum, None)


def _whole(bounds: tuple[int, int], message: str, minimum: int | None, maximum: int | None) -> Reader:
    def read(value: Any, path: str, errors: Errors) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            errors.add(path, "error.expected.jsnumber")
            return value
        if (
            value != value
            or value in (float("inf"), float("-inf"))
            or int(value) != value
            or not bounds[0] <= value <= bounds[1]
        ):
            errors.add(path, message)
            return value
        _bounds(value, minimum, maximum, path, errors)
        return int(value)

    return read


def number(minimum: float | None = None, maximum: float | None = None) -> Reader:
    def read(value: Any, path: str, errors: Errors) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            errors.add(path, "error.expected.jsnumber")
            return value
        try:
            read = float(value)
        except OverflowError:
            errors.add(path, "error.max")
            return value
        _bounds(read, minimum, maximum, path, errors)
        return read

    return read


def _bounds(value: float, minimum: float | None, maximum: float | None, path: str, errors: Errors) -> None:
    if minimum is not None and value < minimum:
        errors.add(path, "error.min")
    elif maximum is not None and value > maximum:
        errors.add(path, "error.max")


def boolean(value: Any, path: str, errors: Errors) -> Any:
    if not isinstance(value, bool):
        errors.add(path, "error.expected.jsboolean")
    return value


def enum(*literals: str) -> Reader:
    """Spelling is compared without case and answered in the canonical one."""
    by_lower = {literal.lower(): literal for literal in literals}

    def read(value: Any, path: str, errors: Errors) -> Any:
        known = by_lower.get(value.lower()) if isinstance(value, str) else None
        if known is None:
            errors.add(path, "error.unknown.enum.literal")
        return known

    return read


def array(item: Reader, *, min_items: int = 0, max_items: int | None = None, unique: bool = False) -> Reader:
    def read(value: Any, path: str, errors: Errors) -> Any:
        if not isinstance(value, list):
            errors.add(path, "error.expected.jsarray")
            return value
        out = [item(element, f"{path}({i})", errors) for i, element in enumerate(value)]
        if len(value) < min_items:
            errors.add(path, "error.minLength")
        elif max_items is not None and len(value) > max_items:
            errors.add(path, "error.maxLength")
        return _distinct(out) if unique else out

    return read


def _distinct(items: list[Any]) -> list[Any]:
    seen: dict[str, Any] = {}
    for item in items:
        seen.setdefault(compact(item), item)
    return list(seen.values())


def mapping(item: Reader) -> Reader:
    def read(value: Any, path: str, errors: Errors) -> Any:
        if not isinstance(value, dict):
            errors.add(path, "error.expected.jsobject")
            return value
        return {key: item(inner, f"{path}/{key}", errors) for key, inner in value.items()}

    return read


def record(*fields: Field, plain: bool = False) -> Reader:
    """An object. Members that are not known are ignored, what is absent gets its default, the order is that of `fields`.

    A type that Marathon generates a hand-made reader for (not `plain`) takes any other JSON value as an empty object, and
    tells of a required member that is missing by quoting the object.
    """

    def read(value: Any, path: str, errors: Errors) -> Any:
        if not isinstance(value, dict):
            if plain:
                errors.add(path, "error.expected.jsobject")
                return value
            _scalar(fields, value, path, errors)
            value = {}
            if any(field.required for field in fields):
                return value
        return _members(fields, value, path, errors, plain=plain)

    return read


def _scalar(fields: tuple[Field, ...], value: Any, path: str, errors: Errors) -> None:
    for field in fields:
        if field.required:
            errors.add(f"{path}/{field.name}", f"{compact(value)} is not an object")


def _members(
    fields: tuple[Field, ...], value: Mapping[str, Any], path: str, errors: Errors, *, plain: bool
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field in fields:
        given = value.get(field.name, ABSENT)
        where = f"{path}/{field.name}"
        if field.required and given is ABSENT:
            errors.add(
                where, "error.path.missing" if plain else f"'{field.name}' is undefined on object: {compact(value)}"
            )
        elif given is ABSENT or (given is None and not field.required):
            if field.factory is not None:
                out[field.name] = field.factory()
            elif field.default is not ABSENT:
                out[field.name] = field.default
        else:
            out[field.name] = field.read(given, where, errors)
    return out
