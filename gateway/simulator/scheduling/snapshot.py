"""The scheduler's picture of the cluster: each node with the pods on it and what they take."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.simulator.scheduling.quantities import amount, requests

__all__ = ["NodeState", "finished", "host_ports", "snapshot"]

Port = tuple[str, str, int]
"""Host address, protocol, number."""


@dataclass
class NodeState:
    """One node. Mutable: the scheduler adds each pod that it places."""

    node: Mapping[str, Any]
    pods: list[Mapping[str, Any]] = field(default_factory=list)
    requested: dict[str, float] = field(default_factory=dict)
    ports: set[Port] = field(default_factory=set)

    @property
    def name(self) -> str:
        return str(self.node["metadata"]["name"])

    @property
    def labels(self) -> Mapping[str, str]:
        return self.node["metadata"].get("labels") or {}

    @property
    def taints(self) -> list[Mapping[str, str]]:
        return self.node.get("spec", {}).get("taints") or []

    @property
    def allocatable(self) -> dict[str, float]:
        status = self.node.get("status") or {}
        return {k: amount(v) for k, v in (status.get("allocatable") or status.get("capacity") or {}).items()}

    def add(self, pod: Mapping[str, Any]) -> None:
        self.pods.append(pod)
        self.ports.update(host_ports(pod))
        for name, value in requests(pod).items():
            self.requested[name] = self.requested.get(name, 0.0) + value


def finished(pod: Mapping[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def host_ports(pod: Mapping[str, Any]) -> set[Port]:
    """The ports that the pod takes on its node."""
    return {
        (port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", int(port["hostPort"]))
        for container in pod["spec"].get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    }


def snapshot(nodes: Iterable[Mapping[str, Any]], pods: Iterable[Mapping[str, Any]]) -> dict[str, NodeState]:
    """Nodes by name, each with its pods that are not finished (terminating ones still take their place)."""
    states = {str(node["metadata"]["name"]): NodeState(node) for node in nodes}
    for pod in pods:
        state = states.get(pod["spec"].get("nodeName") or "")
        if state and not finished(pod):
            state.add(pod)
    return states
