"""Label and field selectors as they stand in a query."""

import re
from collections.abc import Callable
from typing import Any

from gateway.simulator.errors import bad_request

__all__ = ["field_selector", "label_selector"]

Obj = dict[str, Any]
Matcher = Callable[[Obj], bool]

_SET = re.compile(r"([^\s,!=]+)\s+(in|notin)\s+\(([^)]*)\)")


def label_selector(text: str) -> Matcher:
    """`a=b,c!=d,e,!f,g in (x,y),h notin (z)`."""
    tests = [_label_test(part.strip()) for part in _parts(text) if part.strip()]
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def field_selector(text: str) -> Matcher:
    """`metadata.name=x,status.phase!=Running,spec.nodeName=n`."""
    tests = [_field_test(part.strip()) for part in text.split(",") if part.strip()]
    return lambda obj: all(test(obj) for test in tests)


def _parts(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def _label_test(part: str) -> Callable[[dict[str, str]], bool]:
    found = _SET.fullmatch(part)
    if found:
        key, operator, listed = found.groups()
        values = {value.strip() for value in listed.split(",")}
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if "!=" in part:
        key, _, value = part.partition("!=")
        return lambda labels: labels.get(key.strip()) != value.strip()
    if "=" in part:
        key, _, value = part.partition("=")
        wanted = value.lstrip("=").strip()
        return lambda labels: labels.get(key.strip()) == wanted
    if part.startswith("!"):
        return lambda labels: part[1:].strip() not in labels
    if not re.fullmatch(r"[\w./-]+", part):
        raise bad_request(f"unable to parse requirement: {part!r} is no label selector")
    return lambda labels: part in labels


def _field_test(part: str) -> Matcher:
    operator = "!=" if "!=" in part else "="
    path, _, value = part.partition(operator)
    wanted, negative, keys = value.lstrip("="), operator == "!=", path.strip().split(".")
    if not value and operator not in part:
        raise bad_request(f"invalid field selector: {part!r}")
    return lambda obj: (_field(obj, keys) == wanted) != negative


def _field(obj: Any, keys: list[str]) -> str:
    for key in keys:
        obj = obj.get(key) if isinstance(obj, dict) else None
    if isinstance(obj, bool):
        return str(obj).lower()
    return "" if obj is None else str(obj)
