"""A pod as Marathon sees it: one instance with the task that runs, ran or will run in it."""

from typing import Any

import msgspec

__all__ = ["Health", "Instance", "TaskFailure"]


class Health(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One entry of `healthCheckResults`; absent times are left out of the JSON, never null."""

    alive: bool
    consecutiveFailures: int = 0
    firstSuccess: str | None = None
    lastFailure: str | None = None
    lastFailureCause: str | None = None
    lastSuccess: str | None = None


class TaskFailure(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Why the last task of an app ended (`lastTaskFailure`)."""

    appId: str
    host: str
    message: str
    state: str
    taskId: str
    instanceId: str
    slaveId: str | None
    timestamp: str
    version: str


class Instance(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One instance of an app, derived from one pod.

    `condition` is Marathon's condition name (`Scheduled`, `Provisioned`, `Starting`, `Running`, `Failed` …), `state`
    the Mesos task state (`TASK_RUNNING` …). `healthy` is None while no check has a result or the app has no check.
    `ready` is True when the instance counts for a rollout: running, and healthy if the app has health checks.
    `incarnation` counts the starts of the app's container, from 1. `active` is Marathon's notion (lifecycle.md §2).
    `delay_s` is the kubelet's remaining back-off as its message tells it, 0 if it is not held back.
    `failure` describes the last unwanted end of the container, if there was one; `waiting` says why it is not running.
    Times are Marathon time stamps.
    """

    uid: str
    pod: str
    resource_version: str
    app_id: str
    config_version: str
    version: str
    condition: str
    state: str
    task_id: str
    instance_id: str
    incarnation: int
    created_at: str
    host: str = ""
    ports: tuple[int, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    slave_id: str | None = None
    node: str = ""
    region: str | None = None
    zone: str | None = None
    staged_at: str | None = None
    started_at: str | None = None
    since: str = ""
    healthy: bool | None = None
    health: tuple[Health, ...] = ()
    ready: bool = False
    active: bool = True
    deleting: bool = False
    delay_s: int = 0
    waiting: str = ""
    end_message: str = ""
    unschedulable: str = ""
    failure: TaskFailure | None = None
    role: str = "*"
    extra: dict[str, Any] = {}
