"""Deployments and ReplicaSets."""

from typing import Any

import msgspec

from gateway.simulator.errors import Cause
from gateway.simulator.kinds import Kind
from gateway.simulator.validation import pods

__all__ = ["causes"]

Obj = dict[str, Any]


def causes(kind: Kind, new: Obj, old: Obj | None) -> list[Cause]:
    spec = new.get("spec") or {}
    found = _counts(spec)
    if kind.plural == "deployments":
        found += _strategy(spec.get("strategy") or {}) + _deadline(spec)
    selector, template = spec.get("selector"), spec.get("template") or {}
    if not selector:
        found.append(("FieldValueRequired", "spec.selector", "Required value"))
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not selector or not _selects(selector, labels):
        text = f"Invalid value: {_json(labels or None)}: `selector` does not match template `labels`"
        found.append(("FieldValueInvalid", "spec.template.metadata.labels", text))
    if old is not None and (old.get("spec") or {}).get("selector") != selector:
        found.append(("FieldValueInvalid", "spec.selector", f"Invalid value: {_json(selector)}: field is immutable"))
    return found + pods.template(template.get("spec") or {}, "spec.template.spec")


def _counts(spec: Obj) -> list[Cause]:
    found: list[Cause] = []
    for key in ("replicas", "minReadySeconds", "revisionHistoryLimit"):
        value = spec.get(key)
        if isinstance(value, int) and value < 0:
            text = f"Invalid value: {value}: must be greater than or equal to 0"
            found.append(("FieldValueInvalid", f"spec.{key}", text))
    return found


def _strategy(strategy: Obj) -> list[Cause]:
    name, rolling = strategy.get("type"), strategy.get("rollingUpdate") or {}
    if name == "Recreate":
        if not rolling:
            return []
        text = "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        return [("FieldValueForbidden", "spec.strategy.rollingUpdate", text)]
    if name != "RollingUpdate":
        whole = {"Type": name, "RollingUpdate": strategy.get("rollingUpdate")}
        text = f'Unsupported value: {_json(whole)}: supported values: "Recreate", "RollingUpdate"'
        return [("FieldValueNotSupported", "spec.strategy", text)]
    surge, unavailable = rolling.get("maxSurge"), rolling.get("maxUnavailable")
    if _number(surge) == 0 and _number(unavailable) == 0:
        shown = unavailable if isinstance(unavailable, int) else _json(unavailable)
        text = f"Invalid value: {shown}: may not be 0 when `maxSurge` is 0"
        return [("FieldValueInvalid", "spec.strategy.rollingUpdate.maxUnavailable", text)]
    return []


def _number(value: object) -> int:
    digits = str(value).rstrip("%")
    return int(digits) if digits.lstrip("-").isdecimal() else -1


def _deadline(spec: Obj) -> list[Cause]:
    deadline = spec.get("progressDeadlineSeconds")
    if isinstance(deadline, int) and deadline <= (spec.get("minReadySeconds") or 0):
        text = f"Invalid value: {deadline}: must be greater than minReadySeconds"
        return [("FieldValueInvalid", "spec.progressDeadlineSeconds", text)]
    return []


def _selects(selector: Obj, labels: Obj) -> bool:
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_fits(labels, expression) for expression in selector.get("matchExpressions") or ())


def _fits(labels: Obj, expression: Obj) -> bool:
    key, operator, values = expression.get("key", ""), expression.get("operator"), expression.get("values") or []
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(str(operator), False)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
