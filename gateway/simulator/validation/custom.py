"""Objects of custom kinds: their schema, the replicas that their scale speaks of, and their rules in CEL."""

from typing import Any

from gateway.simulator.errors import Cause
from gateway.simulator.kinds import Kind
from gateway.simulator.schemas import NOT_CHECKED, checked, has_rules, rules_broken

__all__ = ["causes", "inside"]

Obj = dict[str, Any]
_GO = {str: "string", float: "float64", bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}


def causes(kind: Kind, new: Obj, old: Obj | None, *, valid: bool) -> list[Cause]:
    """Rules are looked at only where all else is right."""
    found = checked(new, kind.schema)
    if kind.scale:
        found += _replicas(new, kind.scale[0])
    not_by_size = [cause for cause in found if cause[0] in ("FieldValueRequired", "FieldValueTypeInvalid")]
    if not_by_size or not valid:
        return [*found, NOT_CHECKED] if has_rules(kind.schema) else found
    return found if found or old is None else rules_broken(new, old, kind.schema)


def inside(cause: Cause, subresource: str) -> Cause:
    """A subresource is looked at alone: in the words about it its own name is missing."""
    reason, field, message = cause
    return reason, field, message.replace(f": {subresource}.", ": ", 1) if field.startswith(subresource) else message


def _replicas(obj: Obj, path: str) -> list[Cause]:
    """The path of the replicas leads to a number, if it leads anywhere."""
    value: Any = obj
    for key in path.strip(".").split("."):
        if value is None:
            return []
        if not isinstance(value, dict):
            return [_unreached(path, value, "map[string]interface{}")]
        value = value.get(key)
    if value is None:
        return []
    if isinstance(value, bool) or not isinstance(value, int):
        return [_unreached(path, value, "int64")]
    if value < 0:
        return [("FieldValueInvalid", path, f"Invalid value: {value}: should be a non-negative integer")]
    return []


def _unreached(path: str, value: Any, wanted: str) -> Cause:
    shown = value if not isinstance(value, list) else "[" + " ".join(str(item) for item in value) + "]"
    text = f"{path} accessor error: {shown} is of the type {_GO[type(value)]}, expected {wanted}"
    return ("FieldValueInvalid", path, f"Invalid value: 0: {text}")
