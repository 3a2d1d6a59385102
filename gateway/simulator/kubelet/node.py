"""The node that a kubelet stands for: its address, its size, its place on disk, and its object."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.simulator.controllers.conditions import replaced
from gateway.simulator.controllers.recorder import stamp
from gateway.simulator.objects import ApiError, Objects

__all__ = ["CAPACITY", "Node", "register"]

CAPACITY = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "1000"}


@dataclass
class Node:
    """`connected` is False while a test plays a lost node: then nothing is written and nothing is seen."""

    name: str
    address: str
    root: Path
    connected: bool = True

    @property
    def records(self) -> Path:
        """Where the running processes are on record."""
        return self.root / "processes" / self.name


def register(
    objects: Objects, clock: Clock, name: str, *, address: str = "", labels: dict[str, str] | None = None
) -> str:
    """Creates the node's object, or makes the one that is there ready; its address."""
    try:
        node = objects.get("nodes", "", name)
    except ApiError:
        node = objects.create("nodes", _body(name, labels or {}))
    address = address or _address_of(node) or _free_address(objects.list("nodes"))
    now = stamp(clock.time())
    status = node.get("status") or {}
    conditions = status.get("conditions") or []
    for new in _conditions(now):
        conditions = replaced(conditions, new, now)
    addresses = [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]
    size = {"capacity": status.get("capacity") or CAPACITY, "allocatable": status.get("allocatable") or CAPACITY}
    info = {"kubeletVersion": "v1.35.4", "osImage": "local processes", "containerRuntimeVersion": "process://1"}
    status = {**status, **size, "addresses": addresses, "conditions": conditions, "nodeInfo": info}
    objects.update("nodes", {**node, "status": status}, subresource="status")
    return address


def _body(name: str, labels: dict[str, str]) -> dict[str, Any]:
    standard = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "attribute.marathon-gateway.io/rack": f"rack-{name.rpartition('-')[2]}",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**standard, **labels}},
        "spec": {},
    }


def _conditions(now: str) -> list[dict[str, Any]]:
    ready = {"status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
    pressures = [
        ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ]
    calm = [{"type": t, "status": "False", "reason": r, "message": m} for t, r, m in pressures]
    return [{**c, "lastHeartbeatTime": now} for c in (*calm, {"type": "Ready", **ready})]


def _address_of(node: dict[str, Any]) -> str:
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((str(a["address"]) for a in addresses if a["type"] == "InternalIP"), "")


def _free_address(nodes: list[dict[str, Any]]) -> str:
    """The next address of the loopback network that no node has."""
    taken = {_address_of(node) for node in nodes}
    return next(a for n in range(1, 255) if (a := f"127.0.0.{n}") not in taken)
