"""Structural schemas: what a value becomes when it is read, and what is wrong with it.

Reading drops unknown members and remembers their paths. For custom resources it also sets defaults, and `checked` finds what is
wrong; for built-in kinds a wrong type ends the reading, as decoding into Go's types does, and zero values vanish.
Of CEL rules only "this never changes" is understood (`self.a == oldSelf.a`); others are not enforced.
"""

import re
from typing import Any

import msgspec

from gateway.simulator.errors import Cause, decoding_error
from gateway.simulator.scheduling import quantities

__all__ = [
    "FREE_ITEM",
    "NOT_CHECKED",
    "canonical",
    "checked",
    "decoded",
    "has_rules",
    "item_of",
    "member_of",
    "rules_broken",
]

Schema = dict[str, Any]
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "object": (dict,), "array": (list,),
}  # fmt: skip
_GO_TYPES = {"string": "string", "integer": "number", "number": "number", "boolean": "bool", "object": "object", "array": "array"}  # fmt: skip
_MICRO_TIME = "2006-01-02T15:04:05.000000Z07:00"
_EXPONENT_FROM = 1e21
_NEVER_CHANGES = re.compile(r"self((?:\.\w+)*) == oldSelf\1")
FREE_ITEM: Schema = {}


def member_of(schema: Schema, key: str) -> Schema | None:
    """The schema of a member; None if it is unknown there."""
    found = (schema.get("properties") or {}).get(key)
    if isinstance(found, dict):
        return found
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        return extra
    if extra is True or schema.get("x-kubernetes-preserve-unknown-fields") or not schema:
        return FREE_ITEM
    return None


def item_of(schema: Schema) -> Schema:
    items = schema.get("items")
    return items if isinstance(items, dict) else FREE_ITEM


def decoded(value: Any, schema: Schema, *, kind: str, version: str, typed: bool) -> tuple[Any, list[str]]:
    """The value as it is stored, and the paths that were unknown. Raises ApiError (400) if `typed` and of a wrong type."""
    reader = _Reader(kind, version, typed)
    return reader.read(value, schema, (), ""), reader.unknown


class _Reader:
    def __init__(self, kind: str, version: str, typed: bool) -> None:
        self._kind = kind
        self._version = version
        self._typed = typed
        self.unknown: list[str] = []

    def read(self, value: Any, schema: Schema, path: tuple[str, ...], struct: str, *, checked: bool = False) -> Any:
        if path == ("metadata",) and not self._typed and "x-struct" in schema:  # every kind's own, of Go's type
            meta = _Reader(self._kind, self._version, True)
            out = meta.read(value, schema, (), "")
            self.unknown += [f"metadata.{field}" for field in meta.unknown]
            return out
        if self._typed and not checked:
            self._check(value, schema, path, struct)
        if isinstance(value, dict) and schema is not FREE_ITEM:
            return self._object(value, schema, path, struct)
        if isinstance(value, list) and "items" in schema:
            items = schema["items"]
            inner = items.get("x-struct", struct)
            return [self.read(item, items, (*path[:-1], f"{path[-1]}[{i}]"), inner) for i, item in enumerate(value)]
        if schema.get("format") == "quantity" and isinstance(value, str | int | float):
            return quantities.canonical(value)
        return value

    def _object(self, value: dict[str, Any], schema: Schema, path: tuple[str, ...], holder: str) -> dict[str, Any]:
        out: dict[str, Any] = {}
        struct = schema.get("x-struct", "")
        for key, inner in value.items():
            known = member_of(schema, key)
            if known is None:
                self.unknown.append(".".join((*path, key)))
                continue
            if inner is None and known is not FREE_ITEM and not known.get("nullable"):
                continue
            is_member = key in (schema.get("properties") or {})
            if self._typed and not is_member:  # Go names the map, not its key
                self._check(inner, known, path, holder)
            read = self.read(inner, known, (*path, key), struct, checked=not is_member)
            if not (self._typed and _vanishes(read, known)):
                out[key] = read
        if not self._typed:
            for key, known in (schema.get("properties") or {}).items():
                if key not in out and "default" in known:
                    out[key] = self.read(known["default"], known, (*path, key), struct)
        return out

    def _check(self, value: Any, schema: Schema, path: tuple[str, ...], struct: str) -> None:
        wanted = schema.get("type")
        if wanted is None:
            return
        fits = _is(value, wanted)
        if fits and schema.get("format") == "int32" and not -(2**31) <= value < 2**31:
            fits = False
        if fits and schema.get("format") == "microtime":
            self._check_time(value)
        if fits and schema.get("format") == "byte" and (at := _not_base64(value)) is not None:
            raise decoding_error(self._kind, self._version, f"illegal base64 data at input byte {at}")
        if fits:
            return
        shown = f"number {value}" if isinstance(value, int | float) and not isinstance(value, bool) and wanted == "integer" else _GO_TYPES.get(_type_of(value), "null")  # fmt: skip
        where = ".".join(re.sub(r"\[\d+\]", "", step) for step in path)
        field = f"{struct or self._kind}.{where}"
        go = schema.get("x-go", wanted)
        why = f"json: cannot unmarshal {shown} into Go struct field {field} of type {go}"
        raise decoding_error(self._kind, self._version, why)

    def _check_time(self, value: str) -> None:
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[-+]\d\d:\d\d)", value):
            rest = value[19:] if len(value) > 19 else value
            why = f'parsing time "\\"{value}\\"" as "{_MICRO_TIME}": cannot parse "{rest}\\"" as ".000000"'
            raise decoding_error(self._kind, self._version, why)


def _not_base64(text: str) -> int | None:
    """Where the text is no base64, as Go's decoder counts; None if it is."""
    bare = text.replace("\n", "").replace("\r", "")
    found = re.match(r"[A-Za-z0-9+/]*", bare)
    end = found.end() if found else 0
    padding = bare[end:]
    if padding in ("", "=", "==") and len(bare) % 4 == 0:
        return None
    return end if padding and padding[0] != "=" else len(bare) // 4 * 4


def _vanishes(value: Any, schema: Schema) -> bool:
    """Whether Go would not write it: an empty list or map, or the zero of a field that is not a pointer."""
    if value in ([], {}):
        return "x-struct" not in schema and schema.get("type") in ("array", "object")
    return bool(schema.get("x-omit-zero")) and value in ("", 0, False)


def checked(value: Any, schema: Schema, path: str = "") -> list[Cause]:
    """What is wrong, as (reason, field, message)."""
    if value is None and schema.get("nullable"):
        return []
    wanted = schema.get("type")
    if wanted and not schema.get("x-kubernetes-int-or-string") and not _is(value, wanted):
        message = f'Invalid value: "{_type_of(value)}": {path} in body must be of type {wanted}: "{_type_of(value)}"'
        return [("FieldValueTypeInvalid", path, message)]
    causes = _bounds(value, schema, path)
    if isinstance(value, dict):
        causes += _members(value, schema, path)
    elif isinstance(value, list):
        causes += _items(value, schema, path)
    return causes


def _members(value: dict[str, Any], schema: Schema, path: str) -> list[Cause]:
    prefix = f"{path}." if path else ""
    causes: list[Cause] = [
        ("FieldValueRequired", prefix + key, "Required value")
        for key in schema.get("required") or ()
        if key not in value
    ]
    for key, inner in value.items():
        known = (schema.get("properties") or {}).get(key) or schema.get("additionalProperties")
        if isinstance(known, dict):
            causes += checked(inner, known, prefix + key)
    return causes


def _items(value: list[Any], schema: Schema, path: str) -> list[Cause]:
    causes: list[Cause] = []
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    seen: list[Any] = []
    for i, item in enumerate(value):
        causes += checked(item, item_of(schema), f"{path}[{i}]")
        if keys and isinstance(item, dict):
            identity = {key: item.get(key) for key in keys}
            if identity in seen:
                shown = msgspec.json.encode(identity).decode()
                causes.append(("FieldValueDuplicate", f"{path}[{i}]", f"Duplicate value: {shown}"))
            seen.append(identity)
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        message = f"Too many: {len(value)}: must have at most {schema['maxItems']} items"
        causes.append(("FieldValueTooMany", path, message))
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


NOT_CHECKED: Cause = (
    "FieldValueInvalid",
    "<nil>",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


def has_rules(schema: Schema) -> bool:
    """Whether any part of it has rules in CEL."""
    inner = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return bool(schema.get("x-kubernetes-validations")) or any(has_rules(s) for s in inner if isinstance(s, dict))


def rules_broken(new: Any, old: Any, schema: Schema, path: str = "") -> list[Cause]:
    """Transition rules of `x-kubernetes-validations` that a change breaks."""
    causes: list[Cause] = []
    for rule in schema.get("x-kubernetes-validations") or ():
        found = _NEVER_CHANGES.fullmatch(str(rule.get("rule", "")).strip())
        if found and _reach(new, found[1]) != _reach(old, found[1]):
            text = rule.get("message") or f"failed rule: {rule['rule']}"
            causes.append(("FieldValueInvalid", path, f"Invalid value: {text}"))
    if isinstance(new, dict) and isinstance(old, dict):
        for key, known in (schema.get("properties") or {}).items():
            if key in new and key in old:
                causes += rules_broken(new[key], old[key], known, f"{path}.{key}" if path else key)
    return causes


def _reach(value: Any, path: str) -> Any:
    for key in path.split(".")[1:]:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def canonical(value: Any) -> Any:
    """As an API server keeps what it has no type for: keys sorted, 1.0 as 1, what exceeds 64 bits as a float."""
    if isinstance(value, dict):
        return {key: canonical(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    number = float(value)
    if abs(number) >= _EXPONENT_FROM:
        return msgspec.Raw(repr(number).encode())
    return int(number) if number.is_integer() else number


def _wrong(path: str, value: Any, text: str) -> Cause:
    shown = f'"{value}"' if isinstance(value, str) else value
    return ("FieldValueInvalid", path, f"Invalid value: {shown}: {path} in body {text}")


def _is(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    if isinstance(value, float) and wanted == "integer":
        return value.is_integer()
    return isinstance(value, _TYPES[wanted])


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    return next(
        (name for name in ("boolean", "string", "integer", "number", "object", "array") if _is(value, name)), "null"
    )
