"""cpus, mem, disk and gpus of an app as requests and limits of its container.

Mesos' cpus are shares, so they are a request and no limit; its memory is a hard limit. Amounts are in the smallest exact unit.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from translators.kubernetes.platform import Platform

__all__ = ["FETCH_REQUESTS", "mebibytes", "resources"]

FETCH_REQUESTS = {"cpu": "10m", "memory": "32Mi"}
"""What the fetcher asks for; the pod's request is the larger of both phases."""

_MIB = 1024 * 1024


def resources(app: Mapping[str, Any], platform: Platform) -> dict[str, Any]:
    """`resources` of the app's container."""
    requests = {"cpu": _millicpus(app.get("cpus", 1.0))}
    limits: dict[str, str] = {}
    if mem := app.get("mem", 128.0):
        requests["memory"] = limits["memory"] = mebibytes(mem)
    if disk := app.get("disk"):
        requests["ephemeral-storage"] = mebibytes(disk)
    if gpus := int(app.get("gpus") or 0):
        requests[platform.gpu_resource] = limits[platform.gpu_resource] = str(gpus)
    _limit(limits, app.get("resourceLimits") or {})
    return {"requests": requests, **({"limits": limits} if limits else {})}


def _limit(limits: dict[str, str], wanted: Mapping[str, Any]) -> None:
    mem, cpus = wanted.get("mem"), wanted.get("cpus")
    if mem == "unlimited":
        limits.pop("memory", None)
    elif mem is not None:
        limits["memory"] = mebibytes(mem)
    if cpus is not None and cpus != "unlimited":
        limits["cpu"] = _millicpus(cpus)


def _millicpus(cpus: float) -> str:
    return f"{max(1, int((Decimal(str(cpus)) * 1000).to_integral_value(ROUND_CEILING)))}m"


def mebibytes(amount: float) -> str:
    """Whole MiB as `Mi`, anything else in bytes."""
    exact = Decimal(str(amount))
    if exact == exact.to_integral_value():
        return f"{int(exact)}Mi"
    return str(int((exact * _MIB).to_integral_value(ROUND_CEILING)))
