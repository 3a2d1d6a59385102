"""Which pods a ReplicaSet gives up first when it has too many: the ranks of kube-controller-manager, one by one.

Not placed; pending before running; not ready; lower deletion cost; more of its owner's pods on the same node; ready more
recently; more restarts; younger. Ages are compared in powers of two, so among pods of similar age the uid decides,
which is as good as chance.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from gateway.simulator.controllers.conditions import condition

__all__ = ["COST", "victims"]

COST = "controller.kubernetes.io/pod-deletion-cost"

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def victims(
    pods: Sequence[dict[str, Any]], count: int, *, related: Iterable[dict[str, Any]], now: float
) -> list[dict[str, Any]]:
    """The `count` pods to delete; `related` are all active pods of the same owner, for the co-location rank."""
    per_node = Counter(pod["spec"].get("nodeName") or "" for pod in related)
    return sorted(pods, key=lambda pod: _rank(pod, per_node, now))[:count]


def _rank(pod: dict[str, Any], per_node: Counter[str], now: float) -> tuple[Any, ...]:
    spec, status, meta = pod["spec"], pod.get("status") or {}, pod["metadata"]
    ready = condition(status.get("conditions"), "Ready")
    is_ready = bool(ready and ready["status"] == "True")
    since = (ready or {}).get("lastTransitionTime") if is_ready else None
    restarts = max((c.get("restartCount", 0) for c in status.get("containerStatuses") or ()), default=0)
    return (
        bool(spec.get("nodeName")),
        _PHASES.get(status.get("phase", "Pending"), 1),
        is_ready,
        _cost(pod),
        -per_node[spec.get("nodeName") or ""],
        _age(since, now) if since else 0,
        -restarts,
        _age(meta["creationTimestamp"], now),
        meta["uid"],
    )


def _age(since: str, now: float) -> int:
    """The age in powers of two seconds; -1 for a time in the future."""
    seconds = now - datetime.fromisoformat(since).timestamp()
    return int(math.log2(seconds)) if seconds >= 1 else (-1 if seconds < 0 else 0)


def _cost(pod: dict[str, Any]) -> int:
    try:
        return int((pod["metadata"].get("annotations") or {}).get(COST, 0))
    except ValueError:
        return 0
