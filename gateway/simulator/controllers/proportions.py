"""What a change of a Deployment's replicas means for its ReplicaSets: each takes its share, also in the middle of an update."""

import math
from typing import Any

from gateway.simulator.controllers.rolling import replicas_of, surge_and_unavailable
from gateway.simulator.controllers.templates import DESIRED, MAXIMUM

__all__ = ["is_scaling", "shares"]

Sets = list[dict[str, Any]]


def is_scaling(deployment: dict[str, Any], sets: Sets) -> bool:
    """Whether an active set was last sized for another number of replicas."""
    wanted = str(replicas_of(deployment))
    return any(replicas_of(s) and _noted(s, DESIRED) not in (None, wanted) for s in sets)


def shares(deployment: dict[str, Any], new: dict[str, Any] | None, old: Sets) -> dict[str, int]:
    """The replicas by name of the sets whose size follows from the Deployment's alone."""
    wanted = replicas_of(deployment)
    sets = [*old, *([new] if new else [])]
    active = [s for s in sets if replicas_of(s)]
    if len(active) <= 1:
        only = active or sets[-1:]
        return {s["metadata"]["name"]: wanted for s in only}
    if new and _saturated(deployment, new):
        return {s["metadata"]["name"]: 0 for s in active if s is not new}
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        return {}
    return _proportional(deployment, active)


def _saturated(deployment: dict[str, Any], new: dict[str, Any]) -> bool:
    wanted = replicas_of(deployment)
    available = (new.get("status") or {}).get("availableReplicas", 0)
    return replicas_of(new) == wanted and _noted(new, DESIRED) == str(wanted) and available == wanted


def _proportional(deployment: dict[str, Any], active: Sets) -> dict[str, int]:
    """Every set grows or shrinks as the whole does; the largest takes what rounding leaves."""
    wanted = replicas_of(deployment)
    allowed = wanted + surge_and_unavailable(deployment)[0] if wanted else 0
    change = allowed - sum(map(replicas_of, active))
    by_age = sorted(active, key=lambda s: str(s["metadata"]["creationTimestamp"]), reverse=change > 0)
    ordered = sorted(by_age, key=replicas_of, reverse=True)
    sizes = {s["metadata"]["name"]: replicas_of(s) for s in ordered}
    done = 0
    for found in ordered if change else ():
        left = change - done
        share = _fraction(deployment, found)
        share = min(share, left) if change > 0 else max(share, left)
        sizes[found["metadata"]["name"]] += share
        done += share
    largest = ordered[0]["metadata"]["name"]
    sizes[largest] = max(0, sizes[largest] + change - done)
    return sizes


def _fraction(deployment: dict[str, Any], found: dict[str, Any]) -> int:
    wanted, size = replicas_of(deployment), replicas_of(found)
    if not wanted:
        return -size
    before = int(_noted(found, MAXIMUM) or 0) or int((deployment.get("status") or {}).get("replicas") or 0)
    if not before:
        return 0
    return math.floor(size * (wanted + surge_and_unavailable(deployment)[0]) / before + 0.5) - size


def _noted(found: dict[str, Any], key: str) -> str | None:
    return (found["metadata"].get("annotations") or {}).get(key)
