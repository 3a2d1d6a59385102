"""PodDisruptionBudgets: their arithmetic, and whether an eviction may take a pod."""

import math
from typing import Any

from gateway.simulator.errors import ApiError
from gateway.simulator.objects import Objects
from gateway.simulator.scheduling.labels import selects

__all__ = ["DISRUPTED", "matching", "spend", "wanted_healthy"]

Obj = dict[str, Any]

DISRUPTED = "disruptedPods"
_REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget."
_RETRY_S = 10
_UNDISTURBED = ("Pending", "Succeeded", "Failed")


def matching(objects: Objects, pod: Obj) -> list[Obj]:
    meta = pod["metadata"]
    found = objects.list("poddisruptionbudgets", meta["namespace"])
    return [b for b in found if selects(b["spec"].get("selector"), meta.get("labels"))]


def wanted_healthy(spec: Obj, pods: int, replicas: int) -> tuple[int, int]:
    """How many pods are expected and how many of them must be healthy; `replicas` is what their controllers want."""
    if "maxUnavailable" in spec:
        return replicas, max(0, replicas - _number(spec["maxUnavailable"], replicas))
    least = spec.get("minAvailable", 1)
    return (pods, least) if isinstance(least, int) else (replicas, _number(least, replicas))


def _number(value: int | str, whole: int) -> int:
    return value if isinstance(value, int) else math.ceil(whole * int(value.rstrip("%")) / 100)


def spend(objects: Objects, pod: Obj) -> None:
    """Takes one disruption from the pod's budget, if it has one and its end would disturb anybody.

    Raises:
        ApiError: 429 if none is left, 500 if there is more than one budget.
    """
    status = pod.get("status") or {}
    if status.get("phase", "Pending") in _UNDISTURBED or pod["metadata"].get("deletionTimestamp"):
        return
    budgets = matching(objects, pod)
    if len(budgets) > 1:
        text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise ApiError(500, "", text)
    if budgets and not _may_go_unready(pod, budgets[0]):
        _take(objects, budgets[0], pod["metadata"]["name"])


def _may_go_unready(pod: Obj, budget: Obj) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
        return False
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy", 0)
    return bool(desired > 0 and status.get("currentHealthy", 0) >= desired)


def _take(objects: Objects, budget: Obj, pod: str) -> None:
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 1):
        raise _refusal(f"The disruption budget {name} is still being processed by the server.", retry_s=_RETRY_S)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed <= 0:
        needed, has = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise _refusal(f"The disruption budget {name} needs {needed} healthy pods and has {has} currently")
    disrupted = {**(status.get(DISRUPTED) or {}), pod: objects.now()}
    changed = {**status, "disruptionsAllowed": allowed - 1, DISRUPTED: disrupted}
    objects.update("poddisruptionbudgets", {**budget, "status": changed}, subresource="status")


def _refusal(why: str, *, retry_s: int = 0) -> ApiError:
    details: Obj = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry_s:
        details["retryAfterSeconds"] = retry_s
    return ApiError(429, "TooManyRequests", _REFUSAL, details)
