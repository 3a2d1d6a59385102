"""The status of a pod out of the states of its containers: phase, conditions and container statuses, as a kubelet writes them.

Pure. Conditions of others (readiness gates, DisruptionTarget) are kept, and a condition keeps its time while its status stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.simulator.controllers.conditions import condition, replaced
from gateway.simulator.scheduling.quantities import amount

__all__ = ["View", "phase_of", "pod_status", "restarts"]

Pod = dict[str, Any]


@dataclass(frozen=True)
class View:
    """One container as it is now."""

    spec: dict[str, Any]
    state: dict[str, Any]
    last: dict[str, Any]
    restarts: int = 0
    ready: bool = False
    started: bool = False
    container_id: str = ""

    @property
    def running(self) -> bool:
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        """Of its present end, or of the end before a back-off."""
        ended = self.state.get("terminated") or (self.last.get("terminated") if "waiting" in self.state else None)
        return None if ended is None else int(ended["exitCode"])

    def rendered(self) -> dict[str, Any]:
        image = self.spec.get("image") or ""
        return {
            "name": self.spec["name"],
            "state": self.state,
            "lastState": self.last,
            "ready": self.ready,
            "restartCount": self.restarts,
            "image": image,
            "imageID": image,
            "started": self.started,
            **({"containerID": f"process://{self.container_id}"} if self.container_id else {}),
        }


def restarts(pod: Pod, container: dict[str, Any], exit_code: int, *, initial: bool = False) -> bool:
    """Whether a container that ended like this is started again."""
    policy = container.get("restartPolicy") or pod["spec"].get("restartPolicy") or "Always"
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        listed = exit_code in (codes.get("values") or ())
        if rule.get("action") == "Restart" and listed == (codes.get("operator", "In") == "In"):
            return True
    if policy == "Never":
        return False
    return exit_code != 0 or (policy == "Always" and not initial)


def phase_of(pod: Pod, inits: Sequence[View], views: Sequence[View]) -> str:
    for init in inits:
        code = init.exit_code
        if code and not restarts(pod, init.spec, code, initial=True):
            return "Failed"
        if init.state.get("terminated", {}).get("exitCode") != 0:
            return "Pending"
    if any("waiting" in view.state and view.exit_code is None for view in views):
        return "Pending"
    ended = [view.exit_code for view in views if not view.running]
    again = any(code is not None and restarts(pod, v.spec, code) for v in views if (code := _ended(v)) is not None)
    if len(ended) < len(views) or again:
        return "Running"
    return "Failed" if any(ended) else "Succeeded"


def _ended(view: View) -> int | None:
    return None if view.running else view.exit_code


def pod_status(
    pod: Pod, inits: Sequence[View], views: Sequence[View], *, address: str, now: str, phase: str | None = None
) -> dict[str, Any]:
    """The new status; `phase` overrides what the containers say (a pod that has been terminated)."""
    old = pod.get("status") or {}
    phase = phase or phase_of(pod, inits, views)
    status = {
        **old,
        "phase": phase,
        "hostIP": address,
        "hostIPs": [{"ip": address}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": old.get("startTime") or now,
        "qosClass": old.get("qosClass") or _quality(pod),
        "conditions": _conditions(pod, inits, views, phase, now),
        "containerStatuses": [view.rendered() for view in views],
    }
    if inits:
        status["initContainerStatuses"] = [view.rendered() for view in inits]
    return status


def _quality(pod: Pod) -> str:
    """The class of service: by whether all containers are limited to what they ask for, or at least one asks."""
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
    resources = [container.get("resources") or {} for container in containers]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    for asked in resources:
        limits = asked.get("limits") or {}
        if not {"cpu", "memory"} <= limits.keys() or any(
            amount(value) != amount(limits.get(name, 0)) for name, value in (asked.get("requests") or {}).items()
        ):
            return "Burstable"
    return "Guaranteed"


def _conditions(pod: Pod, inits: Sequence[View], views: Sequence[View], phase: str, now: str) -> list[dict[str, Any]]:
    known = (pod.get("status") or {}).get("conditions") or []
    ended = phase in ("Succeeded", "Failed")
    incomplete = [i.spec["name"] for i in inits if i.state.get("terminated", {}).get("exitCode") != 0]
    unready = [v.spec["name"] for v in views if not v.ready]
    gates = [g["conditionType"] for g in pod["spec"].get("readinessGates") or ()]
    closed = [g for g in gates if (condition(known, g) or {}).get("status") != "True"]
    new = [
        {"type": "PodReadyToStartContainers", "status": "False" if ended else "True"},
        _initialized(incomplete, phase),
        _ready("ContainersReady", unready, [], phase),
        _ready("Ready", unready, closed, phase),
        {"type": "PodScheduled", "status": "True"},
    ]
    for item in new:
        known = replaced(known, {"lastProbeTime": None, **item}, now)
    return known


def _initialized(incomplete: list[str], phase: str) -> dict[str, Any]:
    if not incomplete:
        reason = {"reason": "PodCompleted"} if phase == "Succeeded" else {}
        return {"type": "Initialized", "status": "True", **reason}
    text = f"containers with incomplete status: [{' '.join(incomplete)}]"
    return {"type": "Initialized", "status": "False", "reason": "ContainersNotInitialized", "message": text}


def _ready(kind: str, unready: list[str], closed: list[str], phase: str) -> dict[str, Any]:
    if phase in ("Succeeded", "Failed"):
        return {"type": kind, "status": "False", "reason": "PodCompleted" if phase == "Succeeded" else "PodFailed"}
    if unready:
        text = f"containers with unready status: [{' '.join(unready)}]"
        return {"type": kind, "status": "False", "reason": "ContainersNotReady", "message": text}
    if closed:
        text = ", ".join(f'corresponding condition of pod readiness gate "{gate}" does not exist.' for gate in closed)
        return {"type": kind, "status": "False", "reason": "ReadinessGatesNotReady", "message": text}
    return {"type": kind, "status": "True"}
