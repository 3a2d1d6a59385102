"""What the API server refuses: names, labels, sizes, and the rules of each kind. Texts are those of a real one."""

from typing import Any

from gateway.simulator.errors import Cause, invalid
from gateway.simulator.kinds import Kind
from gateway.simulator.validation import custom, definitions, metadata, pods, records, workloads

__all__ = ["validate"]

Obj = dict[str, Any]


def validate(kind: Kind, new: Obj, old: Obj | None, subresource: str = "") -> None:
    """Raises ApiError (422 Invalid) with every cause."""
    causes = metadata.causes(kind, new["metadata"], old and old["metadata"])
    if old is not None:
        causes *= 2  # a real server looks at them before the kind's own rules and with them
    if kind.custom or new["metadata"].get("name", "") != "" or not causes:
        causes += _of_kind(kind, new, old, valid=not any(reason == "FieldValueRequired" for reason, _, _ in causes))
    if kind.custom and subresource:
        causes = [custom.inside(cause, subresource) for cause in causes]
    if causes:
        raise invalid(kind.kind, kind.group, new["metadata"].get("name", ""), causes)


def _of_kind(kind: Kind, new: Obj, old: Obj | None, *, valid: bool) -> list[Cause]:
    if kind.custom:
        return custom.causes(kind, new, old, valid=valid)
    if kind.plural in ("deployments", "replicasets"):
        return workloads.causes(kind, new, old)
    if kind.plural == "pods":
        return pods.causes(new, old)
    if kind.plural == "controllerrevisions":
        return records.revision(new, old)
    if kind.plural == "leases":
        return records.lease(new.get("spec") or {})
    if kind.plural in ("configmaps", "secrets"):
        return records.data(new, old)
    if kind.plural == "rolebindings":
        return records.binding(new, old)
    if kind.plural == "events":
        return records.event(new)
    if kind.plural == "customresourcedefinitions":
        return definitions.causes(new)
    return []
