"""An instance as `/v2/tasks` prints it, key by key in Marathon's order. What is absent is left out, never null."""

from collections.abc import Sequence
from typing import Any

from translators.kubernetes.instances import Health, Instance, TaskFailure

__all__ = ["failure_json", "health_json", "task_json"]


def task_json(instance: Instance, *, service_ports: Sequence[int] = ()) -> dict[str, Any]:
    """One task. Marathon fills `servicePorts` in `/v2/tasks` only; times and version are those of active tasks only."""
    times = {"stagedAt": instance.staged_at, "startedAt": instance.started_at, "version": instance.version}
    places = {"region": instance.region, "zone": instance.zone}
    return {
        "appId": instance.app_id,
        "healthCheckResults": [health_json(result, instance.instance_id) for result in instance.health],
        "host": instance.host,
        "id": instance.task_id,
        "ipAddresses": [{"ipAddress": ip, "protocol": _protocol(ip)} for ip in instance.ip_addresses],
        "ports": list(instance.ports),
        "servicePorts": list(service_ports),
        "slaveId": instance.slave_id or "",
        "state": instance.state,
        **({key: value for key, value in times.items() if value} if instance.active else {}),
        "localVolumes": [],
        **{key: value for key, value in places.items() if value},
        "role": instance.role,
    }


def _protocol(ip: str) -> str:
    return "IPv6" if ":" in ip else "IPv4"


def health_json(result: Health, instance_id: str) -> dict[str, Any]:
    """One entry of `healthCheckResults`; Marathon prints the instance id in its own debug form."""
    return {
        "alive": result.alive,
        "consecutiveFailures": result.consecutiveFailures,
        **({"firstSuccess": result.firstSuccess} if result.firstSuccess else {}),
        "instanceId": f"instance [{instance_id}]",
        **({"lastSuccess": result.lastSuccess} if result.lastSuccess else {}),
        **({"lastFailure": result.lastFailure} if result.lastFailure else {}),
        **({"lastFailureCause": result.lastFailureCause} if result.lastFailureCause else {}),
    }


def failure_json(failure: TaskFailure) -> dict[str, Any]:
    """`lastTaskFailure`."""
    return {
        "appId": failure.appId,
        "host": failure.host,
        "message": failure.message,
        "state": failure.state,
        "taskId": failure.taskId,
        "timestamp": failure.timestamp,
        "version": failure.version,
        **({"slaveId": failure.slaveId} if failure.slaveId else {}),
    }
