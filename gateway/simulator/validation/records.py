"""Kinds that hold data: ConfigMaps, Secrets, ControllerRevisions, Leases, RoleBindings, Events."""

import re
from typing import Any

import msgspec

from gateway.simulator.errors import Cause
from gateway.simulator.validation.names import quoted

__all__ = ["binding", "data", "event", "lease", "revision"]

Obj = dict[str, Any]

_DATA_BYTES = 1_048_576
_CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def data(obj: Obj, old: Obj | None) -> list[Cause]:
    """Of a ConfigMap or a Secret."""
    found = _keys(obj)
    if old is not None:
        found += _fixed(obj, old)
    size = sum(
        len(str(value).encode()) for field in ("data", "binaryData") for value in (obj.get(field) or {}).values()
    )
    if size > _DATA_BYTES:
        where = "[]" if obj.get("kind") == "ConfigMap" else "data"
        found.append(("FieldValueTooLong", where, f"Too long: may not be more than {_DATA_BYTES} bytes"))
    return found


def _keys(obj: Obj) -> list[Cause]:
    return [
        ("FieldValueInvalid", f"{field}[{key}]", f"Invalid value: {quoted(key)}: {_CONFIG_KEY}")
        for field in ("data", "binaryData")
        for key in obj.get(field) or {}
        if not re.fullmatch(r"[-._a-zA-Z0-9]+", key)
    ]


def _fixed(obj: Obj, old: Obj) -> list[Cause]:
    found: list[Cause] = []
    if obj.get("kind") == "Secret" and obj.get("type") != old.get("type"):
        text = f"Invalid value: {quoted(str(obj.get('type')))}: field is immutable"
        found.append(("FieldValueInvalid", "type", text))
    if old.get("immutable"):
        text = "Forbidden: field is immutable when `immutable` is set"
        for field, is_same in (
            ("immutable", bool(obj.get("immutable"))),
            ("data", (obj.get("data") or {}) == (old.get("data") or {})),
            ("binaryData", (obj.get("binaryData") or {}) == (old.get("binaryData") or {})),
        ):
            if not is_same:
                found.append(("FieldValueForbidden", field, text))
    return found


def binding(new: Obj, old: Obj | None) -> list[Cause]:
    """Of a role to subjects."""
    role = new.get("roleRef") or {}
    if old is not None and role != old.get("roleRef"):
        shown = {
            key: role.get(name, "") for key, name in (("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name"))
        }
        text = f"Invalid value: {msgspec.json.encode(shown).decode()}: cannot change roleRef"
        return [("FieldValueInvalid", "roleRef", text)]
    found: list[Cause] = []
    if role.get("kind") not in ("Role", "ClusterRole"):
        text = f'Unsupported value: "{role.get("kind", "")}": supported values: "Role", "ClusterRole"'
        found.append(("FieldValueNotSupported", "roleRef.kind", text))
    if not role.get("name"):
        found.append(("FieldValueRequired", "roleRef.name", "Required value"))
    return found


def event(obj: Obj) -> list[Cause]:
    about = str((obj.get("involvedObject") or {}).get("namespace") or "")
    if about in ("", obj["metadata"].get("namespace")):
        return []
    text = f"Invalid value: {quoted(about)}: does not match event.namespace"
    return [("FieldValueInvalid", "involvedObject.namespace", text)]


def revision(new: Obj, old: Obj | None) -> list[Cause]:
    found: list[Cause] = []
    if (number := new.get("revision") or 0) < 0:
        text = f"Invalid value: {number}: must be greater than or equal to 0"
        found.append(("FieldValueInvalid", "revision", text))
    if "data" not in new:
        found.append(("FieldValueRequired", "data", "Required value: data is mandatory"))
    elif not isinstance(new["data"], dict):
        found.append(("FieldValueRequired", "data", "Required value: data must be a valid JSON object"))
    elif old is not None and not _same(old["data"], new["data"]):
        shown = msgspec.json.encode(new["data"]).decode()
        found.append(("FieldValueInvalid", "data", f"Invalid value: {shown}: field is immutable"))
    return found


def _same(old: object, new: object) -> bool:
    return msgspec.json.encode(old) == msgspec.json.encode(new)


def lease(spec: Obj) -> list[Cause]:
    found: list[Cause] = []
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        text = f"Invalid value: {seconds}: must be greater than 0"
        found.append(("FieldValueInvalid", "spec.leaseDurationSeconds", text))
    if transitions is not None and transitions < 0:
        text = f"Invalid value: {transitions}: must be greater than or equal to 0"
        found.append(("FieldValueInvalid", "spec.leaseTransitions", text))
    return found
