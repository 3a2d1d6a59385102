"""Condition lists of statuses: setting one without moving its time, and reading one."""

from collections.abc import Iterable
from typing import Any

__all__ = ["condition", "is_true", "replaced", "without"]

Conditions = list[dict[str, Any]]


def condition(conditions: Iterable[dict[str, Any]] | None, kind: str) -> dict[str, Any] | None:
    return next((c for c in conditions or () if c["type"] == kind), None)


def is_true(obj: dict[str, Any], kind: str) -> bool:
    found = condition((obj.get("status") or {}).get("conditions"), kind)
    return bool(found and found["status"] == "True")


def without(conditions: Iterable[dict[str, Any]] | None, kind: str) -> Conditions:
    return [c for c in conditions or () if c["type"] != kind]


def replaced(conditions: Iterable[dict[str, Any]] | None, new: dict[str, Any], now: str) -> Conditions:
    """The list with `new` in it; its `lastTransitionTime` moves only if the status does."""
    old = condition(conditions, new["type"])
    unchanged = old is not None and old["status"] == new["status"]
    since = old.get("lastTransitionTime", now) if old is not None and unchanged else now
    merged = {**new, "lastTransitionTime": since}
    if old is None:
        return [*(conditions or ()), merged]
    return [merged if c["type"] == new["type"] else c for c in conditions or ()]
