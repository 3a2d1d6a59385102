"""What the API server refuses: names, labels, sizes, and the rules of each kind. Texts are those of a real one."""

from typing import Any

from gateway.simulator.errors import Cause, invalid
from gateway.simulator.kinds import Kind
from gateway.simulator.schemas import checked, rules_broken
from gateway.simulator.validation import definitions, metadata, pods, records, workloads

__all__ = ["validate"]

Obj = dict[str, Any]


def validate(kind: Kind, new: Obj, old: Obj | None) -> None:
    """Raises ApiError (422 Invalid) with every cause."""
    causes = metadata.causes(kind, new["metadata"], old and old["metadata"])
    if causes and new["metadata"].get("name", "") == "":
        raise invalid(kind.kind, kind.group, "", causes)
    causes += _of_kind(kind, new, old)
    if causes:
        raise invalid(kind.kind, kind.group, new["metadata"].get("name", ""), causes)


def _of_kind(kind: Kind, new: Obj, old: Obj | None) -> list[Cause]:
    if kind.custom:
        found = checked(new, kind.schema)
        return found if found or old is None else rules_broken(new, old, kind.schema)
    if kind.plural in ("deployments", "replicasets"):
        return workloads.causes(kind, new, old)
    if kind.plural == "pods":
        return pods.causes(new, old)
    if kind.plural == "controllerrevisions":
        return records.revision(new, old)
    if kind.plural == "leases":
        return records.lease(new.get("spec") or {})
    if kind.plural in ("configmaps", "secrets"):
        return records.data(new)
    if kind.plural == "customresourcedefinitions":
        return definitions.causes(new)
    return []
