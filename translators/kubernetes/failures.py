"""How a container or pod ended, in Mesos' states and in the words that Marathon's users know.

Kubernetes says why with a reason and an exit code; the tables here are the only place that reads them.
"""

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from translators.kubernetes.objects import Condition, ContainerStatus, Event, Pod, Terminated

__all__ = ["CONDITIONS", "TELLING", "End", "container_end", "disruption", "launch_error", "pod_end", "recorded"]

TELLING = frozenset(
    {"Killing", "Unhealthy"}
)  # the reasons of the events that say anything of a task, here or in its health
CONDITIONS = {
    "TASK_FAILED": "Failed",
    "TASK_FINISHED": "Finished",
    "TASK_KILLED": "Killed",
    "TASK_DROPPED": "Dropped",
    "TASK_GONE": "Gone",
    "TASK_ERROR": "Error",
    "TASK_LOST": "Gone",
    "TASK_UNREACHABLE": "Unreachable",
}
"""Marathon's condition of a Mesos state in which a task has ended."""

_MAX_MESSAGE = 10_000
_KILLED_BY_PROBE = re.compile(r"failed (liveness|startup) probe")
_LAUNCH_ERRORS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ImageInspectError",
        "ErrImageNeverPull",
        "RegistryUnavailable",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PostStartHookError",
    }
)
_DISRUPTIONS = {
    "TerminationByKubelet": "TASK_FAILED",
    "EvictionByEvictionAPI": "TASK_KILLED",
    "PreemptionByScheduler": "TASK_KILLED",
    "DeletionByTaintManager": "TASK_KILLED",
    "DeletionByPodGC": "TASK_GONE",
}
_POD_REASONS = {
    "Evicted": "TASK_FAILED",
    "NodeShutdown": "TASK_KILLED",
    "Terminated": "TASK_KILLED",
    "NodeLost": "TASK_UNREACHABLE",
    "NodeAffinity": "TASK_DROPPED",
    "UnexpectedAdmissionError": "TASK_DROPPED",
    "NodePorts": "TASK_DROPPED",
}


@dataclass(frozen=True, slots=True)
class End:
    """`at` is Kubernetes' time of the end, None if it is not known. `launch` tells a container that never ran."""

    state: str
    message: str
    at: str | None = None
    launch: bool = False

    @property
    def condition(self) -> str:
        return CONDITIONS[self.state]


def recorded(state: str, message: str) -> bool:
    """Whether Marathon keeps such an end as `lastTaskFailure`: wanted kills and exits with 0 are none."""
    return state not in ("TASK_FINISHED", "TASK_KILLED", "TASK_UNREACHABLE") or message.startswith(_HEALTH_KILL)


_HEALTH_KILL = "Task was killed since health check failed."


def container_end(ended: Terminated, *, app: Mapping[str, Any] | None, events: Sequence[Event]) -> End:
    """What the end of the app's container means."""
    at = ended.finishedAt
    cause = _probe_failure(ended, events)
    if cause is not None:
        return End("TASK_KILLED", _cut(f"{_HEALTH_KILL} Reason: {cause}"), at)
    if ended.exitCode == 0 and ended.reason != "OOMKilled":
        return End("TASK_FINISHED", f"{_subject(app)} exited with status 0", at)
    if ended.reason == "OOMKilled":
        return End("TASK_FAILED", _memory_text(app), at)
    if ended.reason in ("ContainerCannotRun", "StartError"):
        return End("TASK_FAILED", _cut(f"Failed to launch container: {ended.message}"), at)
    if ended.reason == "ContainerStatusUnknown":
        return End("TASK_LOST", _cut(ended.message or "Container status unknown"), at)
    return End("TASK_FAILED", _exit_text(ended, app), at)


def _subject(app: Mapping[str, Any] | None) -> str:
    """Mesos' docker containerizer and its command executor word the same end differently."""
    return "Container" if app and (app.get("container") or {}).get("type") == "DOCKER" else "Command"


def _exit_text(ended: Terminated, app: Mapping[str, Any] | None) -> str:
    number = ended.signal or (ended.exitCode - 128 if 128 < ended.exitCode < 128 + signal.NSIG else 0)
    if number and _subject(app) == "Command" and (name := signal.strsignal(number)):
        return f"Command terminated with signal {name}"
    return f"{_subject(app)} exited with status {ended.exitCode}"


def _memory_text(app: Mapping[str, Any] | None) -> str:
    limit = ((app or {}).get("resourceLimits") or {}).get("mem") or (app or {}).get("mem")
    if limit is None or isinstance(limit, str):
        return "Memory limit exceeded"
    return f"Memory limit exceeded: Requested: {float(limit):g}MB Maximum Used: {float(limit):g}MB"


def _probe_failure(ended: Terminated, events: Sequence[Event]) -> str | None:
    """The last words of the probe, if the kubelet killed the container because of it."""
    during = sorted((event for event in events if _during(event, ended)), key=_time)
    if not any(e.reason == "Killing" and _KILLED_BY_PROBE.search(e.message) for e in during):
        return None
    causes = [e.message for e in during if e.reason == "Unhealthy" and not e.message.startswith("Readiness")]
    return causes[-1].partition(": ")[2].strip() or causes[-1] if causes else "health check failed"


def _during(event: Event, ended: Terminated) -> bool:
    at = _time(event)
    return (ended.startedAt or "")[:19] <= at[:19] and (not ended.finishedAt or at[:19] <= ended.finishedAt[:19])


def _time(event: Event) -> str:
    return event.lastTimestamp or event.eventTime or event.firstTimestamp or ""


def launch_error(status: ContainerStatus, *, initial: bool = False) -> End | None:
    """Why a container can not be started, None if it can (as far as is known)."""
    waiting = status.state.waiting
    if waiting and waiting.reason in _LAUNCH_ERRORS:
        return End("TASK_FAILED", _cut(f"Failed to launch container: {waiting.message or waiting.reason}"), launch=True)
    if not initial:
        return None
    ended = status.state.terminated or (status.lastState.terminated if waiting else None)
    if ended and ended.exitCode != 0:
        cause = ended.message or f"{status.name} exited with status {ended.exitCode}"
        return End("TASK_FAILED", _cut(f"Failed to launch container: {cause}"), ended.finishedAt, launch=True)
    return None


def pod_end(pod: Pod, end: End | None) -> End | None:
    """How a pod ended as a whole, None if it has not. `end` is how its container ended, if it ran at all."""
    status = pod.status
    if status.phase == "Succeeded":
        return end if end and end.state == "TASK_FINISHED" else End("TASK_FINISHED", "Command exited with status 0")
    if status.phase != "Failed":
        return None
    state = _POD_REASONS.get(status.reason)
    if state is None and status.reason.startswith("OutOf"):
        state = "TASK_DROPPED"
    if state is None and (found := disruption(pod)):
        state = found.state
    if state is None:
        return end or End("TASK_FAILED", _cut(status.message or status.reason or "The pod failed"))
    return End(state, _cut(status.message or status.reason), end.at if end else None)


def disruption(pod: Pod) -> End | None:
    """What the cluster did to the pod for its own reasons (drain, preemption, lost node …)."""
    found: Condition | None = next(
        (c for c in pod.status.conditions if c.type == "DisruptionTarget" and c.status == "True"), None
    )
    if found is None or found.reason not in _DISRUPTIONS:
        return None
    return End(_DISRUPTIONS[found.reason], _cut(found.message), found.lastTransitionTime)


def _cut(message: str) -> str:
    return message[:_MAX_MESSAGE]
