"""From two states to the events between them. Pure: the same two states give the same events on every replica.

The path from the last told condition to the observed one is told step by step, in Marathon's order, never backwards and never
twice: a state that is seen again, or seen merged with a later one, adds nothing. Status updates come before instance
changes, these before health changes (lifecycle.md §10.5, §12).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from events import catalogue as tell
from events.catalogue import Event
from translators.kubernetes.instances import Instance
from translators.kubernetes.objects import AppChange, MarathonApp, MarathonDeployment, Pod
from translators.kubernetes.tasks import ended

__all__ = ["derive_app", "derive_change", "derive_instance"]

_PATH = ("Scheduled", "Provisioned", "Starting", "Running")
_RANK = {condition: rank for rank, condition in enumerate(_PATH)} | {"Staging": 1}
_LOST = ("Unreachable", "UnreachableInactive")


def derive_instance(
    before: Instance | None,
    after: Instance | None,
    pod: Pod | None,
    *,
    sentenced: bool,
    checks: Sequence[Mapping[str, Any]] = (),
    now: str,
) -> list[Event]:
    """`sentenced` tells that the instance's end was ordered just now; `checks` are the app's health checks."""
    if before is None and after is None:
        return []
    if after is None:
        assert before is not None  # noqa: S101
        return _removed(before, pod, now)
    if before is None:
        return [
            tell.instance_changed(after, "Scheduled", now),
            *_walk(0, after, now),
            *_health(None, after, checks, now),
        ]
    events = []
    if sentenced:
        events.append(tell.instance_changed(before, before.condition, now))
    if after.incarnation > before.incarnation:
        events += _ended_unseen(before, after, now)
        return [*events, *_walk(0, after, now), *_health(None, after, checks, now)]
    if after.condition != before.condition:
        events += _moved(before, after, now)
    return [*events, *_health(before, after, checks, now)]


def _moved(before: Instance, after: Instance, now: str) -> list[Event]:
    if _over(before):
        # a launch that failed and is tried again has the same task: that it runs at last has to be told
        return _walk(0, after, now) if after.condition == "Running" else []
    if after.condition in _LOST:
        return [
            tell.status_update(after, "TASK_UNREACHABLE", "", now),
            tell.instance_changed(after, after.condition, now),
        ]
    if before.condition in _LOST:
        return [tell.status_update(after, after.state, "", now), tell.instance_changed(after, after.condition, now)]
    return _walk(_RANK[before.condition], after, now)


def _over(instance: Instance) -> bool:
    """Its task has ended and that was told; a node that falls silent afterwards makes it neither lost nor end again."""
    if instance.condition in _LOST:
        failure = instance.failure
        return failure is not None and failure.taskId == instance.task_id and not instance.started_at
    return instance.condition not in _RANK


def _walk(rank: int, after: Instance, now: str) -> list[Event]:
    """The steps from a rank to the observed condition."""
    goal = _RANK.get(after.condition)
    events: list[Event] = []
    last = goal if goal is not None else _rank_before_end(after)
    for step in range(rank + 1, last + 1):
        events += _step(_PATH[step], after, now)
    return events if goal is not None else [*events, *_terminal(after, after.condition, after.state, now)]


def _step(condition: str, instance: Instance, now: str) -> list[Event]:
    changed = tell.instance_changed(instance, condition, now)
    if condition in ("Starting", "Running"):
        return [tell.status_update(instance, f"TASK_{condition.upper()}", "", now), changed]
    return [changed]


def _rank_before_end(after: Instance) -> int:
    """A task that could not be launched never ran; one that exited has."""
    message = after.failure.message if after.failure else ""
    return _RANK["Provisioned"] if message.startswith("Failed to launch") else _RANK["Running"]


def _terminal(instance: Instance, condition: str, state: str, now: str) -> list[Event]:
    failure = instance.failure
    message = failure.message if failure and failure.state == state else instance.end_message or instance.waiting
    return [tell.status_update(instance, state, message, now), tell.instance_changed(instance, condition, now)]


def _ended_unseen(before: Instance, after: Instance, now: str) -> list[Event]:
    """The container was started again before its end was seen: the end is told from what is on record of it."""
    if _over(before):
        return []
    failure = after.failure
    if failure is None:
        state, condition, message = "TASK_FINISHED", "Finished", after.end_message
    else:
        state, message = failure.state, failure.message
        condition = "Killed" if state == "TASK_KILLED" else "Failed"
    kills = [tell.unhealthy_instance_kill(before, before.health, now)] if condition == "Killed" else []
    unseen = range(
        _RANK.get(before.condition, _RANK["Running"]) + 1, _rank_before_end(after) + 1
    )  # a real container may be that quick
    path = [event for step in unseen for event in _step(_PATH[step], before, now)]
    return [
        *path,
        *kills,
        tell.status_update(before, state, message, now),
        tell.instance_changed(before, condition, now),
    ]


def _removed(before: Instance, pod: Pod | None, now: str) -> list[Event]:
    """A pod is gone. What had ended before is told to have ended already; what was never placed leaves no task."""
    if _over(before):
        return []
    if before.condition == "Scheduled":
        return [tell.instance_changed(before, "Killed", now)]
    final = ended(before, pod, wanted=_wanted(pod))
    return [
        tell.status_update(before, final.state, final.waiting, now),
        tell.instance_changed(before, final.condition, now),
    ]


def _wanted(pod: Pod | None) -> bool:
    """Somebody asked the API for the deletion, and no disruption of the cluster explains it."""
    if pod is None:
        return True
    return not any(condition.type == "DisruptionTarget" for condition in pod.status.conditions)


def _health(before: Instance | None, after: Instance, checks: Sequence[Mapping[str, Any]], now: str) -> list[Event]:
    was = before.healthy if before else None
    if after.healthy == was:
        return []
    events = []
    if after.healthy is False and was is True:
        events += [tell.failed_health_check(after, check, now) for check in checks[:1]]
    if after.healthy or was:
        events.append(tell.health_status_changed(after, bool(after.healthy), now))
    return [*events, tell.instance_health_changed(after, after.healthy, now)]


def derive_change(before: MarathonDeployment | None, after: MarathonDeployment | None, now: str) -> list[Event]:
    """Acceptance, each step's begin and end, and the end of a deployment."""
    if after is None or after.spec.origin.get("quiet"):
        return []
    spec, events = after.spec, []
    plain_cancel = bool(spec.cancels) and not spec.steps
    if before is None and not plain_cancel:
        events += _accepted(after, now)
    was = before.status.currentStep if before else 0
    for number in range(was, after.status.currentStep):
        if number:
            events.append(tell.deployment_step_success(spec, spec.steps[number - 1], now))
        events.append(tell.deployment_info(spec, spec.steps[number], now))
        events += _checks_added(after, number, now)
    if (before is None or before.open) and not after.open and not plain_cancel:
        if after.status.phase == "Failed":
            events.append(tell.deployment_failed(spec, after.status.reason, now))
        else:
            if after.status.currentStep:
                events.append(tell.deployment_step_success(spec, spec.steps[after.status.currentStep - 1], now))
            events.append(tell.deployment_success(spec, now))
    return events


def _accepted(change: MarathonDeployment, now: str) -> list[Event]:
    origin, spec = change.spec.origin, change.spec
    events = [tell.group_change_success(origin.get("groupId", "/"), spec.version, now)]
    if app_id := origin.get("apiPost"):
        record = next((edit.after for edit in _edits(change) if edit.id == app_id), None)
        if record is not None:
            definition = {**msgspec.json.decode(record.definition), "version": record.version}
            events.append(tell.api_post(origin.get("clientIp", ""), origin.get("uri", ""), definition, now))
    return events


def _checks_added(change: MarathonDeployment, number: int, now: str) -> list[Event]:
    """Every action but a stop registers the app's health checks."""
    records = {edit.id: edit.after for edit in _edits(change)}
    events = []
    for action in change.spec.steps[number].actions:
        record = records.get(action.app)
        if action.action in ("ScaleApplication", "RestartApplication") and record is not None:
            checks = msgspec.json.decode(record.definition).get("healthChecks", ())
            events += [tell.add_health_check(action.app, record.version, check, now) for check in checks]
    return events


def _edits(change: MarathonDeployment) -> list[AppChange]:
    return msgspec.json.decode(change.spec.apps, type=list[AppChange])


def derive_app(before: MarathonApp | None, after: MarathonApp | None, now: str) -> list[Event]:
    """An app is gone for good."""
    if before is None or after is not None:
        return []
    checks = msgspec.json.decode(before.spec.record.definition).get("healthChecks", ())
    removed = [tell.remove_health_check(before.spec.id, now) for _ in checks]
    return [*removed, tell.app_terminated(before.spec.id, now)]
