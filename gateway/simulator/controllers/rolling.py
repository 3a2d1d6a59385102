"""The arithmetic of Deployments: surge and unavailability in numbers, and how far each ReplicaSet may move now."""

import math
from typing import Any

__all__ = ["new_replicas", "old_replicas", "replicas_of", "surge_and_unavailable"]


def replicas_of(obj: dict[str, Any]) -> int:
    replicas = obj["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def surge_and_unavailable(deployment: dict[str, Any]) -> tuple[int, int]:
    """Percentages of the wanted replicas, surge rounded up, unavailability down; both zero means one unavailable."""
    spec = deployment["spec"]
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    wanted = replicas_of(deployment)
    surge = _number(rolling.get("maxSurge", "25%"), wanted, up=True)
    unavailable = _number(rolling.get("maxUnavailable", "25%"), wanted, up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _number(value: int | str, total: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    share = total * int(value.rstrip("%")) / 100
    return math.ceil(share) if up else math.floor(share)


def new_replicas(deployment: dict[str, Any], new: int, total: int) -> int:
    """Replicas for the new set that has `new` now, when all sets together have `total`."""
    wanted = replicas_of(deployment)
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate" or new > wanted:
        return wanted
    surge, _ = surge_and_unavailable(deployment)
    return new + max(0, min(wanted + surge - total, wanted - new))


def old_replicas(deployment: dict[str, Any], new: dict[str, Any], old: list[dict[str, Any]]) -> dict[str, int]:
    """Replicas by name for the old sets, oldest first: unhealthy pods go first, then what availability allows."""
    wanted = replicas_of(deployment)
    _, unavailable = surge_and_unavailable(deployment)
    least = wanted - min(unavailable, wanted)
    result = {s["metadata"]["name"]: replicas_of(s) for s in old}
    budget = sum(result.values()) + replicas_of(new) - least - (replicas_of(new) - _available(new))
    if budget <= 0:
        return result
    for found in old:
        name = found["metadata"]["name"]
        taken = min(budget, max(0, result[name] - _available(found)))
        result[name] -= taken
        budget -= taken
    spare = sum(map(_available, old)) + _available(new) - least
    for found in old:
        name = found["metadata"]["name"]
        taken = max(0, min(spare, result[name]))
        result[name] -= taken
        spare -= taken
    return result


def _available(replica_set: dict[str, Any]) -> int:
    return int((replica_set.get("status") or {}).get("availableReplicas") or 0)
