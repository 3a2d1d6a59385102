"""Lists as tables, which is what kubectl asks for to print."""

from datetime import UTC, datetime
from typing import Any

from gateway.simulator.kinds import Kind

__all__ = ["table"]

Obj = dict[str, Any]


def table(kind: Kind, objects: list[Obj], metadata: Obj, now: float) -> Obj:
    columns = _columns(kind)
    definitions = [
        {"name": name, "type": type_, "format": "name" if name == "Name" else "", "description": name, "priority": 0}
        for name, type_, _ in columns
    ]
    rows = [
        {
            "cells": [_cell(obj, name, path, now) for name, _, path in columns],
            "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]},
        }
        for obj in objects
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    }


_BUILT_IN = {
    "pods": (("Ready", "string", "@ready"), ("Status", "string", "@status"), ("Restarts", "integer", "@restarts"), ("Node", "string", ".spec.nodeName")),
    "deployments": (("Ready", "string", "@replicas"), ("Up-to-date", "integer", ".status.updatedReplicas"), ("Available", "integer", ".status.availableReplicas")),
    "replicasets": (("Desired", "integer", ".spec.replicas"), ("Current", "integer", ".status.replicas"), ("Ready", "integer", ".status.readyReplicas")),
    "namespaces": (("Status", "string", ".status.phase"),),
    "nodes": (("Status", "string", "@node"),),
    "events": (("Type", "string", ".type"), ("Reason", "string", ".reason"), ("Object", "string", ".involvedObject.name"), ("Message", "string", ".message")),
}  # fmt: skip


def _columns(kind: Kind) -> list[tuple[str, str, str]]:
    middle = kind.columns or _BUILT_IN.get(kind.plural, ())
    return [("Name", "string", ".metadata.name"), *middle, ("Age", "string", "@age")]


def _cell(obj: Obj, _name: str, path: str, now: float) -> Any:
    if path in _COMPUTED:
        return _COMPUTED[path](obj, now)
    node: Any = obj
    for key in path.strip(".").split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return "" if node is None else node


def _age(obj: Obj, now: float) -> str:
    made = datetime.fromisoformat(obj["metadata"]["creationTimestamp"]).astimezone(UTC).timestamp()
    seconds = max(0, int(now - made))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _ready(obj: Obj, _: float) -> str:
    statuses = (obj.get("status") or {}).get("containerStatuses") or ()
    return f"{sum(1 for s in statuses if s.get('ready'))}/{len(obj['spec'].get('containers') or ())}"


def _status(obj: Obj, _: float) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = obj.get("status") or {}
    for container in status.get("containerStatuses") or ():
        state = container.get("state") or {}
        reason = (state.get("waiting") or state.get("terminated") or {}).get("reason")
        if reason:
            return str(reason)
    return str(status.get("reason") or status.get("phase") or "Unknown")


def _restarts(obj: Obj, _: float) -> int:
    return sum(s.get("restartCount", 0) for s in (obj.get("status") or {}).get("containerStatuses") or ())


def _replicas(obj: Obj, _: float) -> str:
    return f"{(obj.get('status') or {}).get('readyReplicas', 0)}/{obj['spec'].get('replicas', 1)}"


def _node(obj: Obj, _: float) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ("Ready" if ready else "NotReady") + (",SchedulingDisabled" if obj["spec"].get("unschedulable") else "")


_COMPUTED = {
    "@age": _age, "@ready": _ready, "@status": _status, "@restarts": _restarts, "@replicas": _replicas, "@node": _node,
}  # fmt: skip
