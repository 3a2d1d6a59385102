"""Pods, nodes and events for tests, as the API server would send them."""

from typing import Any

import msgspec

from translators.kubernetes.deployments import deployment
from translators.kubernetes.instances import Instance
from translators.kubernetes.objects import Event, Node, Pod
from translators.kubernetes.platform import Platform
from translators.kubernetes.tasks import instance

UID = "c3a1f7d0-07a0-41ef-8d2b-0242ac110002"
CREATED, PLACED, STARTED, ENDED, LATER = (f"2024-05-01T10:00:{second}Z" for second in ("00", "01", "05", "09", "30"))
VERSION = "2024-05-01T09:59:59.123Z"
NOW = "2024-05-01T10:01:00.000Z"
PLACED_CONDITION = {"type": "PodScheduled", "status": "True", "lastTransitionTime": PLACED}

APP: dict[str, Any] = {
    "id": "/prod/web",
    "cmd": "run",
    "cpus": 1.0,
    "mem": 128.0,
    "networks": [{"mode": "host"}],
    "portDefinitions": [{"port": 10000, "protocol": "tcp"}, {"port": 10001, "protocol": "tcp"}],
    "role": "prod",
}
CHECKED = {**APP, "healthChecks": [{"protocol": "HTTP", "portIndex": 0}]}


def pod(status: dict[str, Any] | None = None, *, app: dict[str, Any] | None = None, **metadata: Any) -> Pod:
    """A placed pod of the app, made from its own template."""
    made = deployment(app or APP, version=VERSION, config_version=VERSION, platform=Platform())
    template = made["spec"]["template"]
    meta = {"name": "web-1", "uid": UID, "resourceVersion": "7", "creationTimestamp": CREATED, **metadata}
    base = {"phase": "Running", "podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}], "conditions": [PLACED_CONDITION]}
    body = {
        "metadata": {**template["metadata"], **meta},
        "spec": {**template["spec"], "nodeName": "node-1"},
        "status": {**base, **(status or {})},
    }
    return msgspec.convert(body, Pod)


def container(state: dict[str, Any], last: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """`containerStatuses` with the one container."""
    last = fields.pop("lastState", last) or {}
    status = {"name": "app", "containerID": "containerd://1", "state": state, "lastState": last, **fields}
    return {"containerStatuses": [status]}


def running(**fields: Any) -> dict[str, Any]:
    return container({"running": {"startedAt": STARTED}}, **fields)


def terminated(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    end = {"exitCode": code, "reason": reason, "message": message, "startedAt": STARTED, "finishedAt": ENDED}
    return {"terminated": end}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ready(status: str, since: str = LATER) -> dict[str, Any]:
    condition = {"type": "Ready", "status": status, "lastTransitionTime": since}
    return {"conditions": [PLACED_CONDITION, condition]}


def node(ready_status: str = "True", **labels: str) -> Node:
    body = {
        "metadata": {"name": "node-1", "uid": "node-uid", "labels": labels},
        "status": {
            "conditions": [{"type": "Ready", "status": ready_status, "lastTransitionTime": LATER}],
            "addresses": [{"type": "Hostname", "address": "node-1"}, {"type": "InternalIP", "address": "192.168.0.1"}],
        },
    }
    return msgspec.convert(body, Node)


def event(reason: str, message: str, at: str = ENDED, count: int = 1) -> Event:
    return Event(reason=reason, message=message, lastTimestamp=at, count=count)


def seen(
    status: dict[str, Any] | None = None,
    *,
    app: dict[str, Any] | None = None,
    before: Instance | None = None,
    **rest: Any,
) -> Instance:
    """The instance of a pod with this status."""
    metadata = {key: rest.pop(key) for key in list(rest) if key == "deletionTimestamp"}
    on = rest.pop("on", node())
    return instance(pod(status, app=app, **metadata), on, app=app or APP, before=before, now=NOW, **rest)
