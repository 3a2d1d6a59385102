"""The scheduler's words about a pod that fits nowhere, as the reasons for which Marathon declines offers.

    0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match pod anti-affinity rules. preemption: …

Every node stands for one offer. A part of the message that is not known counts as an unfulfilled constraint, since that is what
keeps a pod from a node that has room.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["queue_reasons"]

_HEAD = re.compile(r"^0/(\d+) nodes are available: (.*)$", re.DOTALL)
_PART = re.compile(r"^(\d+) (.+)$", re.DOTALL)
_TAIL = re.compile(r"[.,]?\s*(no new claims to deallocate, )?preemption:.*$", re.DOTALL | re.IGNORECASE)

_REASONS = (
    ("insufficient cpu", "InsufficientCpus"),
    ("insufficient memory", "InsufficientMemory"),
    ("insufficient ephemeral-storage", "InsufficientDisk"),
    ("didn't have free ports", "InsufficientPorts"),
    ("unreachable", "AgentMaintenance"),
    ("unschedulable", "AgentMaintenance"),
    ("not-ready", "AgentMaintenance"),
    ("were not ready", "AgentMaintenance"),
    ("didn't find available persistent volumes", "NoCorrespondingReservationFound"),
    ("volume node affinity conflict", "NoCorrespondingReservationFound"),
    ("unbound immediate persistentvolumeclaims", "NoCorrespondingReservationFound"),
    ("untolerated taint", "UnfulfilledRole"),
    ("had taint", "UnfulfilledRole"),
    ("too many pods", "InsufficientCpus"),
    ("node(s)", "UnfulfilledConstraint"),
    ("insufficient ", "InsufficientGpus"),
)


def queue_reasons(messages: Iterable[str]) -> tuple[Mapping[str, int], int]:
    """How many nodes were declined for which Mesos reason, and how many there are in all.

    Messages of several pods of one app look at the same nodes: each reason counts as often as the worst of them says.
    """
    counts: dict[str, int] = {}
    nodes = 0
    for message in messages:
        found = _HEAD.match(_TAIL.sub("", message.strip()))
        if not found:
            continue
        nodes = max(nodes, int(found[1]))
        for reason, count in _counted(found[2]).items():
            counts[reason] = max(counts.get(reason, 0), min(count, nodes))
    return counts, nodes


def _counted(text: str) -> Counter[str]:
    counted: Counter[str] = Counter()
    for part in re.split(r", (?=\d+ )", text.rstrip(". ")):
        if found := _PART.match(part):
            counted[_reason(found[2].lower())] += int(found[1])
    return counted


def _reason(text: str) -> str:
    return next((reason for word, reason in _REASONS if word in text), "UnfulfilledConstraint")
