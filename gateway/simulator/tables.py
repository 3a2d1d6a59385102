"""Lists as tables, which is what kubectl asks for to print."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gateway.simulator.kinds import Kind

__all__ = ["table"]

Obj = dict[str, Any]


_Column = tuple[str, str, str, int]
"""Name, type, where its value stands, and 1 for what is shown on request only."""


def table(kind: Kind, objects: list[Obj], metadata: Obj, now: float) -> Obj:
    columns = _columns(kind)
    definitions = [
        {"name": name, "type": type_, "format": _FORMATS.get(name, ""), "description": name, "priority": priority}
        for name, type_, _, priority in columns
    ]
    rows = [
        {
            "cells": [_cell(obj, path, now) for _, _, path, _ in columns],
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


_FORMATS = {"Name": "name"}
_OF_TEMPLATES = (("Containers", "@containers", 1), ("Images", "@images", 1), ("Selector", "@selector", 1))
_BUILT_IN: dict[str, tuple[tuple[str, str, int], ...]] = {
    "pods": (
        ("Ready", "@ready", 0), ("Status", "@status", 0), ("Restarts", "@restarts", 0), ("Age", "@age", 0), ("IP", "status.podIP", 1),
        ("Node", "spec.nodeName", 1), ("Nominated Node", "status.nominatedNodeName", 1), ("Readiness Gates", "@gates", 1),
    ),
    "deployments": (
        ("Ready", "@replicas", 0), ("Up-to-date", "@updated", 0), ("Available", "@available", 0), ("Age", "@age", 0), *_OF_TEMPLATES,
    ),
    "replicasets": (
        ("Desired", "#spec.replicas", 0), ("Current", "#status.replicas", 0), ("Ready", "#status.readyReplicas", 0), ("Age", "@age", 0),
        *_OF_TEMPLATES,
    ),
    "namespaces": (("Status", "status.phase", 0), ("Age", "@age", 0)),
    "nodes": (
        ("Status", "@node", 0), ("Roles", "@roles", 0), ("Age", "@age", 0), ("Version", "status.nodeInfo.kubeletVersion", 0),
        ("Internal-IP", "@address", 1), ("External-IP", "@none", 1), ("OS-Image", "status.nodeInfo.osImage", 1),
        ("Kernel-Version", "status.nodeInfo.kernelVersion", 1), ("Container-Runtime", "status.nodeInfo.containerRuntimeVersion", 1),
    ),
    "configmaps": (("Data", "@data", 0), ("Age", "@age", 0)),
    "secrets": (("Type", "type", 0), ("Data", "@data", 0), ("Age", "@age", 0)),
    "leases": (("Holder", "spec.holderIdentity", 0), ("Age", "@age", 0)),
    "controllerrevisions": (("Controller", "@controller", 0), ("Revision", "revision", 0), ("Age", "@age", 0)),
    "customresourcedefinitions": (("Created At", "metadata.creationTimestamp", 0),),
}  # fmt: skip
_EVENTS: tuple[_Column, ...] = (
    ("Last Seen", "string", "@last", 0), ("Type", "string", "type", 0), ("Reason", "string", "reason", 0), ("Object", "string", "@about", 0),
    ("Subobject", "string", "involvedObject.fieldPath", 1), ("Source", "string", "source.component", 1), ("Message", "string", "message", 0),
    ("First Seen", "string", "@first", 1), ("Count", "string", "count", 1), ("Name", "string", "metadata.name", 1),
)  # fmt: skip


def _columns(kind: Kind) -> list[_Column]:
    if kind.plural == "events":
        return list(_EVENTS)
    name: _Column = ("Name", "string", "metadata.name", 0)
    if kind.custom:
        own = [(title, type_, path, 0) for title, type_, path in kind.columns]
        return [name, *own, *([] if own else [("Age", "date", "@age", 0)])]
    found = _BUILT_IN.get(kind.plural, (("Age", "@age", 0),))
    return [name, *(_column(title, path, priority) for title, path, priority in found)]


def _column(title: str, path: str, priority: int) -> _Column:
    type_ = "integer" if path.startswith("#") else "date" if title == "Created At" else "string"
    return title, type_, path.lstrip("#"), priority


def _cell(obj: Obj, path: str, now: float) -> Any:
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


def _data(obj: Obj, _: float) -> int:
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


def _controller(obj: Obj, _: float) -> str:
    owners = obj["metadata"].get("ownerReferences") or ()
    controller = next((owner for owner in owners if owner.get("controller")), None)
    if controller is None:
        return "<none>"
    group = controller["apiVersion"].rpartition("/")[0]
    return f"{controller['kind'].lower()}.{group}/{controller['name']}" if group else controller["kind"].lower()


def _containers(obj: Obj, key: str) -> str:
    containers = ((obj["spec"].get("template") or {}).get("spec") or {}).get("containers") or ()
    return ",".join(str(container.get(key, "")) for container in containers)


def _selector(obj: Obj, _: float) -> str:
    labels = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"


def _gates(obj: Obj, _: float) -> str:
    gates = [gate["conditionType"] for gate in obj["spec"].get("readinessGates") or ()]
    conditions = (obj.get("status") or {}).get("conditions") or ()
    met = {condition["type"] for condition in conditions if condition.get("status") == "True"}
    return f"{len(met & set(gates))}/{len(gates)}" if gates else "<none>"


def _roles(obj: Obj, _: float) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = obj["metadata"].get("labels") or {}
    return ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))) or "<none>"


def _address(obj: Obj, _: float) -> str:
    addresses = (obj.get("status") or {}).get("addresses") or ()
    return next((a["address"] for a in addresses if a["type"] == "InternalIP"), "<none>")


def _about(obj: Obj, _: float) -> str:
    about = obj.get("involvedObject") or {}
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _since(moment: str | None, now: float) -> str:
    return _age({"metadata": {"creationTimestamp": moment}}, now) if moment else "<unknown>"


_COMPUTED: dict[str, Callable[[Obj, float], Any]] = {
    "@containers": lambda obj, _: _containers(obj, "name"), "@images": lambda obj, _: _containers(obj, "image"), "@selector": _selector,
    "@gates": _gates, "@roles": _roles, "@address": _address, "@none": lambda obj, _: "<none>", "@about": _about,
    "@updated": lambda obj, _: (obj.get("status") or {}).get("updatedReplicas", 0),
    "@available": lambda obj, _: (obj.get("status") or {}).get("availableReplicas", 0),
    "@last": lambda obj, now: _since(obj.get("lastTimestamp"), now), "@first": lambda obj, now: _since(obj.get("firstTimestamp"), now),
    "@data": _data, "@controller": _controller,
    "@age": _age, "@ready": _ready, "@status": _status, "@restarts": _restarts, "@replicas": _replicas, "@node": _node,
}  # fmt: skip
