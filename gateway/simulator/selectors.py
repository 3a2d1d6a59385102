"""Label and field selectors as they stand in a query."""

import re
from collections.abc import Callable
from typing import Any

from gateway.simulator.errors import bad_request
from gateway.simulator.kinds import Kind

__all__ = ["field_selector", "label_selector", "reach"]

Obj = dict[str, Any]
Matcher = Callable[[Obj], bool]
Test = Callable[[dict[str, str]], bool]

_KEY = r"[A-Za-z0-9][-\w./]*"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s+\(([^)]*)\)")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")
_EQUALS = re.compile(rf"({_KEY})\s*(==|=|!=)\s*([-\w.]*)")


def label_selector(text: str) -> Matcher:
    """`a=b,c!=d,e,!f,g in (x,y),h notin (z)`. Raises ApiError (400)."""
    if text.lstrip().startswith("("):
        raise bad_request("found '(', expected: !, identifier, or 'end of string'")
    tests = [_label_test(part.strip()) for part in _parts(text) if part.strip()]
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def _parts(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def _label_test(part: str) -> Test:
    if found := _SET.fullmatch(part):
        key, operator, listed = found.groups()
        values = {value.strip() for value in listed.split(",")}
        return lambda labels: (labels.get(key) in values) == (operator == "in")
    if found := _EQUALS.fullmatch(part):
        key, operator, value = found.groups()
        return lambda labels: (labels.get(key) == value) != (operator == "!=")
    if found := _EXISTS.fullmatch(part):
        negative, key = found.groups()
        return lambda labels: (key in labels) != bool(negative)
    if found := re.fullmatch(rf"({_KEY})\s*([<>])\s*([-\w.]*)", part):
        key, operator, value = found.groups()
        if not re.fullmatch(r"-?\d+", value):
            why = f"Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
            raise bad_request(f"unable to parse requirement: values[0]: {why}")
        limit = int(value)
        return lambda labels: _beyond(labels.get(key), limit, operator)
    if re.fullmatch(rf"{_KEY}\s*(==|=|!=)\s*[-\w.]*\s*[=!].*", part):
        raise bad_request("found '=', expected: ',' or 'end of string'")
    raise bad_request(f"unable to parse requirement: {_why(part)}")


def _beyond(value: str | None, limit: int, operator: str) -> bool:
    if value is None or not re.fullmatch(r"-?\d+", value):
        return False
    return int(value) > limit if operator == ">" else int(value) < limit


def _why(part: str) -> str:
    words = part.split()
    if len(words) >= 3 and words[1] in ("in", "notin"):
        return f"found '{words[2]}' expected: '('"
    if len(words) >= 2:
        return f"found '{words[1]}', expected: in, notin, =, ==, !=, gt, lt"
    return f"found '{part}', expected: identifier"


def field_selector(text: str, kind: Kind) -> Matcher:
    """`metadata.name=x,status.phase!=Running`. Raises ApiError (400) for a field that the kind does not offer."""
    tests = [_field_test(part.strip(), kind) for part in text.split(",") if part.strip()]
    return lambda obj: all(test(obj) for test in tests)


def _field_test(part: str, kind: Kind) -> Matcher:
    found = re.fullmatch(r"([^=!]+?)\s*(==|=|!=)\s*(.*)", part)
    if not found:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    path, operator, wanted = found.groups()
    names = ("metadata.name", "metadata.namespace") if kind.namespaced else ("metadata.name",)
    if path not in (*names, *kind.fields):
        if kind.custom or kind.fields:
            raise bad_request(f"field label not supported: {path}")
        known = ", ".join(f'"{name}"' for name in ("metadata.name", "metadata.namespace"))
        raise bad_request(f'"{path}" is not a known field selector: only {known}')
    return lambda obj: (_shown(reach(obj, path)) == wanted) != (operator == "!=")


def reach(obj: Any, path: str) -> Any:
    """What stands at a dotted path; None if nothing does."""
    for key in path.strip(".").split("."):
        obj = obj.get(key) if isinstance(obj, dict) else None
    return obj


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
