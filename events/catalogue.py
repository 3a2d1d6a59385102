"""Every event that the gateway tells, with Marathon's members in Marathon's order.

Each function makes one Event. `timestamp` is the moment of the event's making. What is absent is "" or null where Marathon
writes it so, and left out where it leaves it out (events.md §3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from translators.kubernetes.instances import Health, Instance
from translators.kubernetes.objects import ChangeSpec, Step

__all__ = [
    "Event",
    "add_health_check",
    "api_post",
    "app_terminated",
    "deployment_failed",
    "deployment_info",
    "deployment_step_success",
    "deployment_success",
    "failed_health_check",
    "group_change_failed",
    "group_change_success",
    "health_status_changed",
    "instance_changed",
    "instance_health_changed",
    "remove_health_check",
    "status_update",
    "stream_attached",
    "stream_detached",
    "unhealthy_instance_kill",
]

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """`data` is the JSON of the frame. `has_plan` marks those whose plan has two forms (D13)."""

    type: str
    data: Data
    has_plan: bool = False


def _event(kind: str, now: str, **members: Any) -> Event:
    return Event(kind, {**members, "eventType": kind, "timestamp": now})


def stream_attached(address: str, now: str) -> Event:
    return _event("event_stream_attached", now, remoteAddress=address)


def stream_detached(address: str, now: str) -> Event:
    return _event("event_stream_detached", now, remoteAddress=address)


def api_post(client_ip: str, uri: str, app: Mapping[str, Any], now: str) -> Event:
    return _event("api_post_event", now, clientIp=client_ip, uri=uri, appDefinition=dict(app))


def group_change_success(group_id: str, version: str, now: str) -> Event:
    return _event("group_change_success", now, groupId=group_id, version=version)


def group_change_failed(group_id: str, version: str, reason: str, now: str) -> Event:
    return _event("group_change_failed", now, groupId=group_id, version=version, reason=reason)


def _actions(step: Step) -> Data:
    return {"actions": [{"action": action.action, "app": action.app} for action in step.actions]}


def _plan(spec: ChangeSpec) -> Data:
    return {"id": spec.id, "steps": [_actions(step) for step in spec.steps], "version": spec.version}


def deployment_info(spec: ChangeSpec, step: Step, now: str) -> Event:
    return _planned("deployment_info", spec, now, currentStep=_actions(step))


def deployment_step_success(spec: ChangeSpec, step: Step, now: str) -> Event:
    return _planned("deployment_step_success", spec, now, currentStep=_actions(step))


def deployment_success(spec: ChangeSpec, now: str) -> Event:
    data = {"id": spec.id, "plan": _plan(spec), "eventType": "deployment_success", "timestamp": now}
    return Event("deployment_success", data, has_plan=True)


def deployment_failed(spec: ChangeSpec, reason: str, now: str) -> Event:
    data = {"id": spec.id, "plan": _plan(spec), "eventType": "deployment_failed", "timestamp": now}
    return Event("deployment_failed", {**data, **({"reason": reason} if reason else {})}, has_plan=True)


def _planned(kind: str, spec: ChangeSpec, now: str, **members: Any) -> Event:
    return Event(kind, {"plan": _plan(spec), **members, "eventType": kind, "timestamp": now}, has_plan=True)


def app_terminated(app_id: str, now: str) -> Event:
    return _event("app_terminated_event", now, appId=app_id)


def status_update(instance: Instance, state: str, message: str, now: str) -> Event:
    addresses = [{"ipAddress": ip, "protocol": "IPv6" if ":" in ip else "IPv4"} for ip in instance.ip_addresses]
    return _event(
        "status_update_event",
        now,
        slaveId=instance.slave_id or "",
        taskId=instance.task_id,
        taskStatus=state,
        message=message,
        appId=instance.app_id,
        host=instance.host or "unknown",
        ipAddresses=addresses,
        ports=list(instance.ports),
        version=instance.version,
    )


def instance_changed(instance: Instance, condition: str, now: str) -> Event:
    placed = condition != "Scheduled" and bool(instance.node)
    data = {
        "instanceId": instance.instance_id,
        "condition": condition,
        "runSpecId": instance.app_id,
        "agentId": instance.slave_id if placed else None,
        "host": (instance.host or instance.node) if placed else None,
        "runSpecVersion": instance.version,
        "timestamp": now,
        "eventType": "instance_changed_event",
    }
    return Event("instance_changed_event", data)


def instance_health_changed(instance: Instance, healthy: bool | None, now: str) -> Event:
    data = {
        "instanceId": instance.instance_id,
        "runSpecId": instance.app_id,
        "healthy": healthy,
        "runSpecVersion": instance.version,
        "timestamp": now,
        "eventType": "instance_health_changed_event",
    }
    return Event("instance_health_changed_event", data)


def health_status_changed(instance: Instance, alive: bool, now: str) -> Event:
    return _event(
        "health_status_changed_event",
        now,
        appId=instance.app_id,
        instanceId=instance.instance_id,
        version=instance.version,
        alive=alive,
    )


def add_health_check(app_id: str, version: str, check: Mapping[str, Any], now: str) -> Event:
    kind = "add_health_check_event"
    data = {"appId": app_id, "eventType": kind, "healthCheck": dict(check), "timestamp": now, "version": version}
    return Event(kind, data)


def remove_health_check(app_id: str, now: str) -> Event:
    kind = "remove_health_check_event"
    return Event(kind, {"appId": app_id, "eventType": kind, "timestamp": now})


def failed_health_check(instance: Instance, check: Mapping[str, Any], now: str) -> Event:
    """`taskId` holds the instance's id, as on Marathon."""
    kind = "failed_health_check_event"
    members = {"appId": instance.app_id, "eventType": kind, "healthCheck": dict(check)}
    return Event(kind, {**members, "taskId": instance.instance_id, "timestamp": now})


def unhealthy_instance_kill(instance: Instance, health: Sequence[Health], now: str) -> Event:
    """Reason and time are those of the last failure that is on record."""
    last = next((result for result in health if not result.alive), None)
    return _event(
        "unhealthy_instance_kill_event",
        last.lastFailure if last and last.lastFailure else now,
        appId=instance.app_id,
        taskId=instance.task_id,
        instanceId=instance.instance_id,
        version=instance.version,
        reason=(last.lastFailureCause if last else None) or "unknown",
        host=instance.host,
        **({"slaveId": instance.slave_id} if instance.slave_id else {}),
    )
