"""The status of a Deployment: its counts, and the conditions Available, Progressing and ReplicaFailure."""

from datetime import datetime
from typing import Any

from gateway.simulator.controllers.conditions import condition, replaced, without
from gateway.simulator.controllers.recorder import stamp
from gateway.simulator.controllers.rolling import replicas_of, surge_and_unavailable

__all__ = ["NO_DEADLINE", "complete", "deadline_in", "status_of"]

NO_DEADLINE = 2147483647

Status = dict[str, Any]


def status_of(
    deployment: dict[str, Any],
    sets: list[dict[str, Any]],
    new: dict[str, Any] | None,
    *,
    created: bool,
    collisions: int,
    now: float,
) -> Status:
    """The whole status; `created` says that the new set was made just now."""
    total = _sum(sets, "replicas")
    available = _sum(sets, "availableReplicas")
    counts = {
        "replicas": total,
        "updatedReplicas": _sum([new] if new else [], "replicas"),
        "readyReplicas": _sum(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(map(replicas_of, sets)) - available),
    }
    status: Status = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        **{name: count for name, count in counts.items() if count},
        "terminatingReplicas": _sum(sets, "terminatingReplicas"),
    }
    if collisions:
        status["collisionCount"] = collisions
    known = (deployment.get("status") or {}).get("conditions") or []
    known = _available(deployment, known, available, now)
    known = _progressing(deployment, status, known, new, created=created, now=now)
    status["conditions"] = _failure(known, sets, now)
    return status


def complete(deployment: dict[str, Any], status: Status) -> bool:
    """Every wanted replica is new and available, and nothing old is left."""
    wanted = replicas_of(deployment)
    counts = (status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas"))
    return all(count == wanted for count in counts)


def deadline_in(deployment: dict[str, Any], status: Status, now: float) -> float | None:
    """Seconds until the progress deadline strikes, None if it cannot."""
    limit = _deadline(deployment)
    progressing = condition(status["conditions"], "Progressing")
    if limit is None or progressing is None or complete(deployment, status):
        return None
    left = limit - (now - _seconds(progressing["lastUpdateTime"]))
    return left if left > 0 and progressing["status"] == "True" else None


def _deadline(deployment: dict[str, Any]) -> int | None:
    limit = deployment["spec"].get("progressDeadlineSeconds", 600)
    return None if limit is None or limit == NO_DEADLINE else int(limit)


def _available(
    deployment: dict[str, Any], known: list[dict[str, Any]], available: int, now: float
) -> list[dict[str, Any]]:
    _, unavailable = surge_and_unavailable(deployment)
    if available >= replicas_of(deployment) - unavailable:
        new = _made("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        text = "Deployment does not have minimum availability."
        new = _made("Available", "False", "MinimumReplicasUnavailable", text)
    return _set(known, new, now)


def _progressing(
    deployment: dict[str, Any],
    status: Status,
    known: list[dict[str, Any]],
    new: dict[str, Any] | None,
    *,
    created: bool,
    now: float,
) -> list[dict[str, Any]]:
    if _deadline(deployment) is None:
        return without(known, "Progressing")
    current = condition(known, "Progressing")
    if paused := _paused(deployment, current):
        return _set(known, paused, now)
    if deployment["spec"].get("paused"):
        return known
    name = new["metadata"]["name"] if new else ""
    subject = f'ReplicaSet "{name}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    before = deployment.get("status") or {}
    if created:
        text = f'Created new replica set "{name}"'
        known = _set(known, _made("Progressing", "True", "NewReplicaSetCreated", text), now)
    settled = status.get("replicas", 0) == status.get("updatedReplicas", 0)
    if settled and not created and current and current["reason"] == "NewReplicaSetAvailable":
        return known  # what has once progressed is not looked at again until there is another template
    if complete(deployment, status):
        text = f"{subject} has successfully progressed."
        return _set(known, _made("Progressing", "True", "NewReplicaSetAvailable", text), now)
    if created:
        return known
    if current is None and new:
        text = f'Found new replica set "{name}"'
        return _set(known, _made("Progressing", "True", "FoundNewReplicaSet", text), now)
    if _moved(before, status):
        new_condition = _made("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.")
        return _set(known, new_condition, now, touch=True)
    limit = _deadline(deployment)
    if current and limit is not None and now - _seconds(current["lastUpdateTime"]) >= limit:
        text = f"{subject} has timed out progressing."
        return _set(known, _made("Progressing", "False", "ProgressDeadlineExceeded", text), now)
    return known


def _paused(deployment: dict[str, Any], current: dict[str, Any] | None) -> dict[str, Any] | None:
    """The condition that a pause or its end makes. One that is late already stays late."""
    paused = bool(deployment["spec"].get("paused"))
    reason = current["reason"] if current else ""
    if reason == "ProgressDeadlineExceeded" or paused == (reason == "DeploymentPaused"):
        return None
    words = ("DeploymentPaused", "Deployment is paused") if paused else ("DeploymentResumed", "Deployment is resumed")
    return _made("Progressing", "Unknown", *words)


def _moved(before: Status, after: Status) -> bool:
    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    old = before.get("replicas", 0) - before.get("updatedReplicas", 0)
    left = after.get("replicas", 0) - after.get("updatedReplicas", 0)
    return left < old or any(after.get(name, 0) > before.get(name, 0) for name in grown)


def _failure(known: list[dict[str, Any]], sets: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
    for found in sets:
        if failure := condition((found.get("status") or {}).get("conditions"), "ReplicaFailure"):
            new = _made("ReplicaFailure", failure["status"], failure["reason"], failure.get("message", ""))
            return _set(known, new, now)
    return without(known, "ReplicaFailure")


def _set(known: list[dict[str, Any]], new: dict[str, Any], now: float, *, touch: bool = False) -> list[dict[str, Any]]:
    """Replaces the condition of this type; an equal one keeps its times unless `touch`."""
    current = condition(known, new["type"])
    same = current is not None and all(current.get(k) == v for k, v in new.items())
    if same and not touch:
        return known
    return replaced(known, {**new, "lastUpdateTime": stamp(now)}, stamp(now))


def _made(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _sum(sets: list[dict[str, Any]], name: str) -> int:
    return sum(int((s.get("status") or {}).get(name) or 0) for s in sets)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
