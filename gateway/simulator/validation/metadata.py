"""Names, labels, annotations, finalizers: what holds for every object."""

import re
from collections.abc import Sequence
from typing import Any

from gateway.simulator.errors import Cause
from gateway.simulator.kinds import Kind
from gateway.simulator.validation.names import label_value, qualified_name, quoted, rfc1123_label, rfc1123_subdomain

__all__ = ["causes", "warnings"]

Obj = dict[str, Any]

_ANNOTATIONS_BYTES = 262_144
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_INT32 = re.compile(r"0|-?[1-9][0-9]{0,9}")


def causes(kind: Kind, meta: Obj, old: Obj | None) -> list[Cause]:
    prefix = meta.get("generateName") if old is None else None
    found = _generated(kind, prefix) + _name(kind, str(meta.get("name") or ""))
    for key, value in (meta.get("labels") or {}).items():
        for shown, wrong in ((key, qualified_name(key)), (value, label_value(str(value)))):
            if wrong:
                found.append(("FieldValueInvalid", "metadata.labels", f"Invalid value: {quoted(shown)}: {wrong}"))
    found += _annotations(kind, meta.get("annotations") or {})
    return found + _owners(meta.get("ownerReferences") or ()) + _finalizers(meta, old)


def warnings(meta: Obj) -> list[str]:
    """What is taken, but not liked."""
    why = "prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers"
    own = ("foregroundDeletion", "orphan", "kubernetes")
    return [
        f"metadata.finalizers: {quoted(name)}: {why}"
        for name in meta.get("finalizers") or ()
        if "/" not in str(name) and name not in own
    ]


def _owners(references: Sequence[Obj]) -> list[Cause]:
    found: list[Cause] = []
    for reference in references:
        where = "metadata.ownerReferences"
        if not reference.get("apiVersion"):
            found.append(("FieldValueInvalid", f"{where}.apiVersion", 'Invalid value: "": version must not be empty'))
        found += [
            ("FieldValueInvalid", f"{where}.{key}", 'Invalid value: "": must not be empty')
            for key in ("kind", "name", "uid")
            if not reference.get(key)
        ]
    return found


def _generated(kind: Kind, prefix: str | None) -> list[Cause]:
    """A prefix may end with the dash that separates what is generated."""
    wrong = _wrong(kind, f"{prefix[:-1]}a" if prefix.endswith("-") else prefix) if prefix else None
    text = f"Invalid value: {quoted(prefix or '')}: {wrong}"
    return [("FieldValueInvalid", "metadata.generateName", text)] if wrong else []


def _name(kind: Kind, name: str) -> list[Cause]:
    if not name:
        return [("FieldValueRequired", "metadata.name", "Required value: name or generateName is required")]
    wrong = _wrong(kind, name)
    return [("FieldValueInvalid", "metadata.name", f"Invalid value: {quoted(name)}: {wrong}")] if wrong else []


def _wrong(kind: Kind, name: str) -> str | None:
    if kind.group == "rbac.authorization.k8s.io":  # any segment of a path, colons too
        return "may not contain '/'" if "/" in name else None
    if kind.plural == "namespaces":
        return "must not contain dots" if "." in name else rfc1123_label(name)
    return rfc1123_subdomain(name)


def _annotations(kind: Kind, annotations: Obj) -> list[Cause]:
    found: list[Cause] = []
    for key in annotations:
        if wrong := qualified_name(key.lower()):
            found.append(("FieldValueInvalid", "metadata.annotations", f"Invalid value: {quoted(key)}: {wrong}"))
    size = sum(len(str(key).encode()) + len(str(value).encode()) for key, value in annotations.items())
    if size > _ANNOTATIONS_BYTES:
        text = f"Too long: may not be more than {_ANNOTATIONS_BYTES} bytes"
        found.append(("FieldValueTooLong", "metadata.annotations", text))
    cost = annotations.get(_DELETION_COST)
    if kind.plural == "pods" and cost is not None and not _is_int32(cost):
        where = f"metadata.annotations[{_DELETION_COST}]"
        found.append(("FieldValueInvalid", where, f"Invalid value: {quoted(cost)}: must be a 32bit integer"))
    return found


def _is_int32(text: str) -> bool:
    return bool(_INT32.fullmatch(text)) and -(2**31) <= int(text) < 2**31


def _finalizers(meta: Obj, old: Obj | None) -> list[Cause]:
    if old is None or not old.get("deletionTimestamp"):
        return []
    added = [f for f in meta.get("finalizers") or () if f not in (old.get("finalizers") or ())]
    if not added:
        return []
    shown = "[]string{" + ", ".join(quoted(f) for f in added) + "}"
    text = f"Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers {shown}"
    return [("FieldValueForbidden", "metadata.finalizers", text)]
