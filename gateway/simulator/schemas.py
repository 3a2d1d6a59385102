"""Structural schemas of CRDs: unknown members pruned, defaults set, types and bounds checked."""

import re
from typing import Any

__all__ = ["checked", "pruned"]

Schema = dict[str, Any]
Cause = tuple[str, str, str]
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "object": (dict,), "array": (list,),
}  # fmt: skip
_ENVELOPE = ("apiVersion", "kind", "metadata")


def pruned(value: Any, schema: Schema, *, root: bool = True) -> Any:
    """The value without members that the schema does not know and with its defaults."""
    if isinstance(value, dict):
        return _object(value, schema, root=root)
    if isinstance(value, list) and "items" in schema:
        return [pruned(item, schema["items"], root=False) for item in value]
    return value


def _object(value: dict[str, Any], schema: Schema, *, root: bool) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    keep_all = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    out: dict[str, Any] = {}
    for key, inner in value.items():
        if root and key in _ENVELOPE:
            out[key] = inner
        elif key in properties:
            if inner is None and not properties[key].get("nullable"):
                continue
            out[key] = pruned(inner, properties[key], root=False)
        elif isinstance(extra, dict):
            out[key] = pruned(inner, extra, root=False)
        elif keep_all or extra is True:
            out[key] = inner
    for key, inner in properties.items():
        if key not in out and "default" in inner:
            out[key] = pruned(inner["default"], inner, root=False)
    return out


def checked(value: Any, schema: Schema, path: str = "", *, root: bool = True) -> list[Cause]:
    """What is wrong, as (reason, field, message)."""
    if value is None and schema.get("nullable"):
        return []
    wanted = schema.get("type")
    either = schema.get("x-kubernetes-int-or-string")
    if wanted and not either and not _is(value, wanted):
        message = f'Invalid value: "{_type_of(value)}": {path} in body must be of type {wanted}: "{_type_of(value)}"'
        return [("FieldValueTypeInvalid", path, message)]
    causes = _bounds(value, schema, path)
    if isinstance(value, dict):
        causes += _members(value, schema, path, root=root)
    elif isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            causes += checked(item, schema["items"], f"{path}[{i}]", root=False)
    return causes


def _members(value: dict[str, Any], schema: Schema, path: str, *, root: bool) -> list[Cause]:
    prefix = f"{path}." if path else ""
    causes: list[Cause] = [
        ("FieldValueRequired", prefix + key, "Required value")
        for key in schema.get("required") or ()
        if key not in value
    ]
    for key, inner in value.items():
        if root and key in _ENVELOPE:
            continue
        known = (schema.get("properties") or {}).get(key) or schema.get("additionalProperties")
        if isinstance(known, dict):
            causes += checked(inner, known, prefix + key, root=False)
    return causes


def _bounds(value: Any, schema: Schema, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(f'"{v}"' for v in schema["enum"])
        causes.append(("FieldValueNotSupported", path, f'Unsupported value: "{value}": supported values: {allowed}'))
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            causes.append(_wrong(path, value, f"should match '{schema['pattern']}'"))
        if "minLength" in schema and len(value) < schema["minLength"]:
            causes.append(_wrong(path, value, f"should be at least {schema['minLength']} chars long"))
        if "maxLength" in schema and len(value) > schema["maxLength"]:
            causes.append(("FieldValueTooLong", path, f"Too long: may not be more than {schema['maxLength']} bytes"))
    if isinstance(value, int | float) and not isinstance(value, bool):
        if "minimum" in schema and value < schema["minimum"]:
            causes.append(_wrong(path, value, f"should be greater than or equal to {schema['minimum']}"))
        if "maximum" in schema and value > schema["maximum"]:
            causes.append(_wrong(path, value, f"should be less than or equal to {schema['maximum']}"))
    return causes


def _wrong(path: str, value: Any, text: str) -> Cause:
    shown = f'"{value}"' if isinstance(value, str) else value
    return ("FieldValueInvalid", path, f"Invalid value: {shown}: {path} in body {text}")


def _is(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    return isinstance(value, _TYPES[wanted])


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    return next(
        (name for name in ("boolean", "string", "integer", "number", "object", "array") if _is(value, name)), "null"
    )
