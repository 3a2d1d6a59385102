"""A pod as Marathon's instance with its task: ids, state, address, health, and why the last task ended.

Pure, and the same again for the same pod: what is only known for a moment (the incarnation before a node restarted, the first
success of a check) is carried over from the instance derived before. Without it a restarted gateway knows a little less and says
nothing false.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from translators.kubernetes.failures import CONDITIONS, End, disruption, pod_end, recorded
from translators.kubernetes.health import condition, health
from translators.kubernetes.instances import Health, Instance, TaskFailure
from translators.kubernetes.labels import CONFIG_VERSION, CONTAINER, HEALTH_CHECKS, ID, PORTS, VERSION
from translators.kubernetes.moments import marathon_time
from translators.kubernetes.names import instance_id, task_id
from translators.kubernetes.nodes import address, region, zone
from translators.kubernetes.objects import Event, Node, Pod
from translators.kubernetes.states import State, app_status, seen_state

__all__ = ["ended", "instance"]

_ACTIVE = frozenset({"Provisioned", "Staging", "Starting", "Running", "Killing", "Unreachable"})
_RESTARTS = "restarts"  # in Instance.extra: the restart count that its incarnation was derived from


def instance(
    pod: Pod,
    node: Node | None,
    *,
    app: Mapping[str, Any] | None,
    events: Sequence[Event] = (),
    before: Instance | None = None,
    now: str,
    style: str = "marathon",
) -> Instance:
    """The instance that `pod` is.

    Args:
        node: the node it is on, None if it is on none (or the node is gone).
        app: the definition of the pod's configuration, if it is known; the pod says the essentials by itself.
        events: Kubernetes events about the pod.
        before: what was derived from an earlier state of the same pod.
        now: Marathon's time stamp.
    """
    seen = _kept(pod, seen_state(pod, node, app=app, events=events, now=now), before)
    incarnation = _incarnation(pod, before)
    same = before if before and before.incarnation == incarnation else None
    checked = _has_checks(pod, app)
    results = _health(pod, seen, events, same) if checked else ()
    made = msgspec.structs.replace(
        _identified(pod, seen, incarnation, before, style), **_addressed(pod, node, seen, before)
    )
    return msgspec.structs.replace(
        made,
        healthy=all(result.alive for result in results) if results else None,
        health=results,
        ready=_ready(pod, seen, results, same, checked=checked, app=app),
        active=seen.condition in _ACTIVE,
        deleting=pod.metadata.deletionTimestamp is not None,
        delay_s=seen.delay_s,
        waiting=seen.waiting,
        unschedulable=seen.unschedulable,
        failure=_failure(pod, made, seen, before, now=now, style=style),
        role=str((app or {}).get("role") or (before.role if before else "*")),
    )


def _kept(pod: Pod, seen: State, before: Instance | None) -> State:
    """While a pod is being stopped its task is shown as it was before."""
    if pod.metadata.deletionTimestamp is None or before is None or seen.condition in ("Running", before.condition):
        return seen
    if seen.condition == "UnreachableInactive":
        return seen
    return State(before.condition, before.state, since=before.since or None, started_at=before.started_at)


def _incarnation(pod: Pod, before: Instance | None) -> int:
    """The number of the container's start, which never falls, whatever the kubelet forgets."""
    restarts = app_status(pod).restartCount
    if before is None:
        return restarts + 1
    counted = int(before.extra.get(_RESTARTS, before.incarnation - 1))
    if restarts >= counted:
        return before.incarnation + restarts - counted
    return before.incarnation + 1 if app_status(pod).containerID else before.incarnation


def _identified(pod: Pod, seen: State, incarnation: int, before: Instance | None, style: str) -> Instance:
    meta = pod.metadata
    app_id, created = meta.annotations.get(ID, ""), marathon_time(meta.creationTimestamp) or ""
    placed = condition(pod, "PodScheduled")
    staged = marathon_time(placed.lastTransitionTime) if placed and placed.status == "True" else created
    status = app_status(pod)
    restarts = status.restartCount
    if before and restarts < int(before.extra.get(_RESTARTS, 0)) and not status.containerID:
        restarts = int(before.extra[_RESTARTS])
    return Instance(
        uid=meta.uid,
        pod=meta.name,
        resource_version=meta.resourceVersion,
        app_id=app_id,
        config_version=meta.annotations.get(CONFIG_VERSION, ""),
        version=before.version if before else meta.annotations.get(VERSION, ""),
        condition=seen.condition,
        state=seen.state,
        task_id=task_id(app_id, meta.uid, incarnation, style=style),
        instance_id=instance_id(app_id, meta.uid, incarnation, style=style),
        incarnation=incarnation,
        created_at=created,
        staged_at=None if seen.ended or not pod.spec.nodeName else staged,
        started_at=seen.started_at,
        since=seen.since or (before.since if before and before.condition == seen.condition else "") or created,
        extra={_RESTARTS: restarts},
    )


def _addressed(pod: Pod, node: Node | None, seen: State, before: Instance | None) -> dict[str, Any]:
    """Where the task is: the pod's address once it has one, the node's until then."""
    addresses = [item.ip for item in pod.status.podIPs if item.ip] or [ip for ip in (pod.status.podIP,) if ip]
    silent = seen.state == "TASK_UNREACHABLE"
    return {
        "host": pod.status.podIP or pod.status.hostIP or address(node) or (before.host if before else ""),
        "ports": () if seen.ended else _ports(pod),
        "ip_addresses": () if silent else tuple(addresses),
        "slave_id": node.metadata.uid if node else (before.slave_id if before else None),
        "node": pod.spec.nodeName,
        "region": region(node) if node else (before.region if before else None),
        "zone": zone(node) if node else (before.zone if before else None),
    }


def _ports(pod: Pod) -> tuple[int, ...]:
    """The numbers of the entries that have a host port in Marathon's sense."""
    numbers = {p.name: p.containerPort for c in pod.spec.containers if c.name == CONTAINER for p in c.ports}
    shown = [entry["name"] for entry in json.loads(pod.metadata.annotations.get(PORTS) or "[]") if entry.get("host")]
    return tuple(numbers[name] for name in shown if name in numbers)


def _has_checks(pod: Pod, app: Mapping[str, Any] | None) -> bool:
    if app is not None:
        return bool(app.get("healthChecks"))
    return pod.metadata.annotations.get(HEALTH_CHECKS, "0") != "0"


def _health(pod: Pod, seen: State, events: Sequence[Event], same: Instance | None) -> tuple[Health, ...]:
    if seen.condition != "Running" or pod.metadata.deletionTimestamp:
        return same.health if same and not seen.ended else ()
    result = health(pod, app_status(pod), events=events, before=same)
    return (result,) if result else ()


def _ready(
    pod: Pod,
    seen: State,
    results: Sequence[Health],
    same: Instance | None,
    *,
    checked: bool,
    app: Mapping[str, Any] | None,
) -> bool:
    """Whether it counts in a rollout. A readiness check counts once: afterwards it is not asked again."""
    if seen.condition != "Running" or pod.metadata.deletionTimestamp:
        return False
    if checked:
        return bool(results) and all(result.alive for result in results)
    if not (app or {}).get("readinessChecks"):
        return True
    found = condition(pod, "Ready")
    return bool(same and same.ready) or (found is not None and found.status == "True")


def _failure(
    pod: Pod, made: Instance, seen: State, before: Instance | None, *, now: str, style: str
) -> TaskFailure | None:
    """The last unwanted end; one that the kubelet keeps repeating is told with the time it had first."""
    known = before.failure if before else None
    if pod.metadata.deletionTimestamp is not None:
        return known  # how it ends now is how it was asked to
    end, incarnation = (seen.end, made.incarnation) if seen.end else (seen.last_end, made.incarnation - 1)
    if end is None or not recorded(end.state, end.message):
        return known
    failed_id = task_id(made.app_id, made.uid, incarnation, style=style)
    if known and known.taskId == failed_id and before and _repeated(end, known, before):
        return known
    return TaskFailure(
        appId=made.app_id,
        host=before.host if before and before.host else made.host,
        message=end.message,
        state=end.state,
        taskId=failed_id,
        instanceId=instance_id(made.app_id, made.uid, incarnation, style=style),
        slaveId=made.slave_id,
        timestamp=marathon_time(end.at) or now,
        version=made.version,
    )


def _repeated(end: End, known: TaskFailure, before: Instance) -> bool:
    """The same end once more: a launch that is tried again and again, or one whose events are no longer there."""
    if end.launch:
        return before.condition == "Failed" and known.state == end.state
    same_time = end.at is None or marathon_time(end.at) == known.timestamp
    return same_time and (known.state == "TASK_KILLED" or (known.state, known.message) == (end.state, end.message))


def ended(before: Instance, pod: Pod | None, *, wanted: bool) -> Instance:
    """The instance in its final condition, when its pod is gone.

    Args:
        before: the instance as it was last seen.
        pod: the pod as it was last seen.
        wanted: whether the gateway had it stopped.
    """
    end = _final(before, pod, wanted=wanted)
    if end is None:
        return msgspec.structs.replace(before, active=False, ready=False, deleting=True)
    return msgspec.structs.replace(
        before, condition=end.condition, state=end.state, active=False, ready=False, deleting=True, waiting=end.message
    )


def _final(before: Instance, pod: Pod | None, *, wanted: bool) -> End | None:
    """None if the task has ended already and keeps that end."""
    if before.state in CONDITIONS and before.state != "TASK_UNREACHABLE":
        return None
    if not wanted and pod is not None and (end := pod_end(pod, None) or disruption(pod)):
        return end if end.state != "TASK_UNREACHABLE" else End("TASK_KILLED", end.message)
    return End("TASK_KILLED", "")
