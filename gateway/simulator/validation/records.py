"""Kinds that hold data: ConfigMaps, Secrets, ControllerRevisions, Leases."""

from typing import Any

import msgspec

from gateway.simulator.errors import Cause

__all__ = ["data", "lease", "revision"]

Obj = dict[str, Any]

_DATA_BYTES = 1_048_576


def data(obj: Obj) -> list[Cause]:
    size = sum(
        len(str(value).encode()) for field in ("data", "binaryData") for value in (obj.get(field) or {}).values()
    )
    if size <= _DATA_BYTES:
        return []
    where = "[]" if obj.get("kind") == "ConfigMap" else "data"
    return [("FieldValueTooLong", where, f"Too long: may not be more than {_DATA_BYTES} bytes")]


def revision(new: Obj, old: Obj | None) -> list[Cause]:
    found: list[Cause] = []
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
