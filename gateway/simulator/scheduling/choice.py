"""One scheduling decision: the node for a pod, or kube-scheduler's account of why there is none."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from gateway.simulator.scheduling.filters import Refusal, fits
from gateway.simulator.scheduling.quantities import requests
from gateway.simulator.scheduling.snapshot import NodeState
from gateway.simulator.scheduling.topology import Topology

__all__ = ["Unschedulable", "choose"]

Pod = Mapping[str, Any]


class Unschedulable(Exception):
    """No node fits; the text is what a real scheduler writes into the condition and the event."""


def choose(pod: Pod, nodes: Mapping[str, NodeState]) -> str:
    """The name of the best node.

    Raises:
        Unschedulable: if no node fits.
    """
    if not nodes:
        raise Unschedulable("no nodes available to schedule pods")
    topology = Topology(pod, nodes)
    refusals: list[Refusal] = []
    candidates: list[NodeState] = []
    for node in nodes.values():
        refusal = fits(pod, node) or topology.refuses(node)
        if refusal:
            refusals.append(refusal)
        else:
            candidates.append(node)
    if not candidates:
        raise Unschedulable(_account(refusals))
    asked = requests(pod)
    return min(candidates, key=lambda node: _load(pod, asked, node)).name


def _load(pod: Pod, asked: Mapping[str, float], node: NodeState) -> tuple[int, float, int, str]:
    """Fewest pods of the same owner first, then the least allocated node."""
    owner = _owner(pod)
    siblings = sum(1 for other in node.pods if owner and _owner(other) == owner)
    room = node.allocatable
    shares = [
        (node.requested.get(name, 0.0) + asked.get(name, 0.0)) / room[name]
        for name in ("cpu", "memory")
        if room.get(name)
    ]
    return siblings, round(sum(shares), 9), len(node.pods), node.name


def _owner(pod: Pod) -> str:
    return next((str(o["uid"]) for o in pod["metadata"].get("ownerReferences") or () if o.get("controller")), "")


def _account(refusals: list[Refusal]) -> str:
    total = len(refusals)
    counts = Counter(reason for refusal in refusals for reason in refusal.reasons)
    final = sum(refusal.final for refusal in refusals)
    preemption = Counter({"Preemption is not helpful for scheduling": final})
    preemption["No preemption victims found for incoming pod"] = total - final
    return (
        f"0/{total} nodes are available: {_histogram(counts)}. no new claims to deallocate, "
        f"preemption: 0/{total} nodes are available: {_histogram(preemption)}."
    )


def _histogram(counts: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items() if count))
