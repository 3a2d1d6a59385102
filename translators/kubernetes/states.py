"""Which condition and task state the pod of an instance is in, from its phase, its node and its container statuses.

First match wins: a pod that has ended, a container that has, a node that is silent, a pod without node, the init containers,
the app's container. What had ended before its node fell silent has not become unreachable. A container that waits for its next start after an end keeps the state of that end, as Marathon's instances do.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from translators.kubernetes.failures import CONDITIONS, End, container_end, launch_error, pod_end
from translators.kubernetes.health import condition
from translators.kubernetes.labels import CONTAINER
from translators.kubernetes.moments import marathon_time, seconds_between
from translators.kubernetes.nodes import unreachable_since
from translators.kubernetes.objects import ContainerStatus, Event, Node, Pod

__all__ = ["State", "app_status", "seen_state"]

_DELAY = re.compile(r"back-off (?:(\d+)h)?(?:(\d+)m)?(?:(\d+)(?:\.\d+)?s)? restarting failed container")


@dataclass(frozen=True, slots=True)
class State:
    """What is seen of a task. `end` is how it ended, if it did; `last_end` how the one before it did."""

    condition: str
    state: str
    since: str | None = None
    started_at: str | None = None
    end: End | None = None
    last_end: End | None = None
    waiting: str = ""
    delay_s: int = 0
    unschedulable: str = ""

    @property
    def ended(self) -> bool:
        return self.state in CONDITIONS and self.state != "TASK_UNREACHABLE"


def app_status(pod: Pod) -> ContainerStatus:
    """The status of the app's container, an empty one before the kubelet has written any."""
    return next((s for s in pod.status.containerStatuses if s.name == CONTAINER), ContainerStatus(name=CONTAINER))


def seen_state(
    pod: Pod, node: Node | None, *, app: Mapping[str, Any] | None, events: Sequence[Event], now: str
) -> State:
    container = _container(pod, app_status(pod), app, events)
    if (ended := pod_end(pod, container.end)) and ended.state != "TASK_UNREACHABLE":
        return _over(ended, waiting=pod.status.reason)
    if container.ended:
        return container
    silent = unreachable_since(node)
    if silent is not None or pod.status.phase == "Unknown" or pod.status.reason == "NodeLost":
        return _unreachable(pod, container, silent or "", app, now)
    if not pod.spec.nodeName:
        return _unplaced(pod)
    for init in pod.status.initContainerStatuses:
        if end := launch_error(init, initial=True):
            return _over(end, waiting=_waiting(init) or end.message, delay_s=_delay_s(init))
    return container


def _over(end: End, *, waiting: str = "", delay_s: int = 0, last_end: End | None = None) -> State:
    return State(
        end.condition,
        end.state,
        since=marathon_time(end.at),
        end=end,
        waiting=waiting,
        delay_s=delay_s,
        last_end=last_end,
    )


def _unreachable(pod: Pod, container: State, since: str, app: Mapping[str, Any] | None, now: str) -> State:
    strategy = (app or {}).get("unreachableStrategy")
    limit = strategy.get("inactiveAfterSeconds") if isinstance(strategy, Mapping) else None
    late = limit is not None and bool(since) and seconds_between(since, now) > int(limit)
    given_up = pod.metadata.deletionTimestamp is not None or late
    return State(
        "UnreachableInactive" if given_up else "Unreachable",
        "TASK_UNREACHABLE",
        since=since or None,
        started_at=container.started_at,
        last_end=container.last_end,
    )


def _unplaced(pod: Pod) -> State:
    scheduled = condition(pod, "PodScheduled")
    refused = scheduled is not None and scheduled.status == "False"
    return State(
        "Scheduled",
        "TASK_STAGING",
        since=marathon_time(pod.metadata.creationTimestamp),
        unschedulable=(scheduled.message or scheduled.reason) if scheduled and refused else "",
    )


def _container(pod: Pod, status: ContainerStatus, app: Mapping[str, Any] | None, events: Sequence[Event]) -> State:
    state, last = status.state, status.lastState.terminated
    last_end = container_end(last, app=app, events=events) if last else None
    if state.running:
        started = marathon_time(state.running.startedAt)
        return State("Running", "TASK_RUNNING", since=started, started_at=started, last_end=last_end)
    if state.terminated:
        return _over(container_end(state.terminated, app=app, events=events), last_end=last_end)
    if end := launch_error(status):
        return _over(end, waiting=_waiting(status), delay_s=_delay_s(status), last_end=last_end)
    if last_end and state.waiting and state.waiting.reason == "CrashLoopBackOff":
        return _over(last_end, waiting=_waiting(status), delay_s=_delay_s(status))
    placed = condition(pod, "PodScheduled")
    since = marathon_time(placed.lastTransitionTime if placed else None)
    return State("Provisioned", "TASK_STAGING", since=since, last_end=last_end, waiting=_waiting(status))


def _waiting(status: ContainerStatus) -> str:
    waiting = status.state.waiting
    if waiting is None:
        return ""
    return f"{waiting.reason}: {waiting.message}" if waiting.message else waiting.reason


def _delay_s(status: ContainerStatus) -> int:
    found = _DELAY.search(status.state.waiting.message) if status.state.waiting else None
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    return hours * 3600 + minutes * 60 + seconds
