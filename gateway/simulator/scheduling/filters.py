"""Which nodes a pod may run on, and why not the others, in kube-scheduler's words.

Each filter answers None for "fits" or a Refusal. Filters run in kube-scheduler's order and the first refusal of a node counts
(a lack of several resources is told in full). `final` refusals are those that removing other pods from the node would not change.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.simulator.scheduling.labels import matches_node_terms
from gateway.simulator.scheduling.quantities import requests
from gateway.simulator.scheduling.snapshot import NodeState, host_ports

__all__ = ["Refusal", "accepts_node", "fits", "tolerates", "tolerations_for", "untolerated"]

Pod = Mapping[str, Any]


@dataclass(frozen=True)
class Refusal:
    reasons: tuple[str, ...]
    final: bool = False


def fits(pod: Pod, node: NodeState) -> Refusal | None:
    """The first refusal of the filters that need to know only this node."""
    for check in _CHECKS:
        if refusal := check(pod, node):
            return refusal
    return None


def _node_name(pod: Pod, node: NodeState) -> Refusal | None:
    wanted = pod["spec"].get("nodeName")
    if wanted and wanted != node.name:
        return Refusal(("node(s) didn't match the requested node name",), final=True)
    return None


def _schedulable(pod: Pod, node: NodeState) -> Refusal | None:
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    if node.node.get("spec", {}).get("unschedulable") and not tolerates(pod, taint):
        return Refusal(("node(s) were unschedulable",), final=True)
    return None


def _taints(pod: Pod, node: NodeState) -> Refusal | None:
    taint = untolerated(pod, node.taints, effects=("NoSchedule", "NoExecute"))
    if taint is None:
        return None
    return Refusal(("node(s) had untolerated taint(s)",), final=True)


def _affinity(pod: Pod, node: NodeState) -> Refusal | None:
    if accepts_node(pod, node):
        return None
    return Refusal(("node(s) didn't match Pod's node affinity/selector",), final=True)


def _ports(pod: Pod, node: NodeState) -> Refusal | None:
    for address, protocol, number in host_ports(pod):
        for other, other_protocol, other_number in node.ports:
            same_address = address == other or "0.0.0.0" in (address, other)
            if same_address and protocol == other_protocol and number == other_number:
                return Refusal(("node(s) didn't have free ports for the requested pod ports",))
    return None


def _resources(pod: Pod, node: NodeState) -> Refusal | None:
    room = node.allocatable
    reasons = ["Too many pods"] if len(node.pods) + 1 > room.get("pods", 110.0) else []
    final = False
    for name, wanted in requests(pod).items():
        total = room.get(name, 0.0)
        if wanted > 0 and wanted > total - node.requested.get(name, 0.0) + 1e-9:
            reasons.append(f"Insufficient {name}")
            final = final or wanted > total
    return Refusal(tuple(reasons), final=final) if reasons else None


_CHECKS: Sequence[Callable[[Pod, NodeState], Refusal | None]] = (
    _schedulable,
    _node_name,
    _taints,
    _affinity,
    _ports,
    _resources,
)


def accepts_node(pod: Pod, node: NodeState) -> bool:
    """Whether the node meets the pod's nodeSelector and required node affinity."""
    spec = pod["spec"]
    if any(node.labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or matches_node_terms(required.get("nodeSelectorTerms") or (), node.node)


def tolerates(pod: Pod, taint: Mapping[str, str]) -> bool:
    return any(_covers(toleration, taint) for toleration in pod["spec"].get("tolerations") or ())


def tolerations_for(pod: Pod, taint: Mapping[str, str]) -> list[float | None]:
    """The `tolerationSeconds` of the tolerations that cover the taint; None stands for ever."""
    covering = [t for t in pod["spec"].get("tolerations") or () if _covers(t, taint)]
    return [None if t.get("tolerationSeconds") is None else float(t["tolerationSeconds"]) for t in covering]


def untolerated(pod: Pod, taints: Sequence[Mapping[str, str]], *, effects: tuple[str, ...]) -> Mapping[str, str] | None:
    """The first taint of these effects that the pod does not tolerate."""
    return next((t for t in taints if t.get("effect") in effects and not tolerates(pod, t)), None)


def _covers(toleration: Mapping[str, Any], taint: Mapping[str, str]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")
