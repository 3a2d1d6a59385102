"""Each event has the members of the recorded one, in its order, and is silent or null where that is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events import catalogue as tell
from events.catalogue import Event
from translators.kubernetes.instances import Health, Instance
from translators.kubernetes.objects import ChangeSpec, Step, StepAction

SAMPLES: dict[str, dict[str, Any]] = {
    sample["eventType"]: json.loads(sample["data"])
    for sample in json.loads((Path(__file__).parent / "data" / "samples.json").read_text())
}
NOT_OURS = {
    "framework_message_event", "pod_created_event", "pod_deleted_event", "pod_updated_event",
    "scheduler_reregistered_event", "unknown_instance_terminated_event",
}  # fmt: skip


def an_instance(**changes: Any) -> Instance:
    made: dict[str, Any] = {
        "uid": "u", "pod": "p", "resource_version": "1", "app_id": "/a", "config_version": "v", "version": "v",
        "condition": "Running", "state": "TASK_RUNNING", "task_id": "a.instance-1._app.1", "instance_id": "a.instance-1",
        "incarnation": 1, "created_at": "t", "host": "127.0.0.2", "node": "n", "slave_id": "agent-S1",
        "ports": (31191,), "ip_addresses": ("127.0.0.2",),
    }  # fmt: skip
    return Instance(**(made | changes))


def plan_of(sample: dict[str, Any]) -> ChangeSpec:
    return ChangeSpec(
        id=sample["plan"]["id"],
        version=sample["plan"]["version"],
        steps=[step_of(step) for step in sample["plan"]["steps"]],
    )


def step_of(source: dict[str, Any]) -> Step:
    return Step(actions=[StepAction(action=a["action"], app=a["app"]) for a in source["actions"]])


def instance_of(sample: dict[str, Any]) -> Instance:
    """The instance that the recorded event speaks of."""
    placed = sample.get("agentId") or sample.get("slaveId")
    return an_instance(
        app_id=sample.get("appId") or sample.get("runSpecId"),
        version=sample.get("version") or sample.get("runSpecVersion") or "",
        instance_id=sample.get("instanceId") or sample.get("taskId", "").partition("._app")[0],
        task_id=sample.get("taskId", ""),
        host=sample.get("host") or "",
        slave_id=placed,
        node="n" if placed else "",
        ports=tuple(sample.get("ports", ())),
        ip_addresses=tuple(a["ipAddress"] for a in sample.get("ipAddresses", ())),
    )


Retell = Callable[[dict[str, Any], str], Event]
RETOLD: dict[str, Retell] = {
    "event_stream_attached": lambda s, now: tell.stream_attached(s["remoteAddress"], now),
    "event_stream_detached": lambda s, now: tell.stream_detached(s["remoteAddress"], now),
    "api_post_event": lambda s, now: tell.api_post(s["clientIp"], s["uri"], s["appDefinition"], now),
    "group_change_success": lambda s, now: tell.group_change_success(s["groupId"], s["version"], now),
    "group_change_failed": lambda s, now: tell.group_change_failed(s["groupId"], s["version"], s["reason"], now),
    "deployment_info": lambda s, now: tell.deployment_info(plan_of(s), step_of(s["currentStep"]), now),
    "deployment_step_success": lambda s, now: tell.deployment_step_success(plan_of(s), step_of(s["currentStep"]), now),
    "deployment_success": lambda s, now: tell.deployment_success(plan_of(s), now),
    "deployment_failed": lambda s, now: tell.deployment_failed(plan_of(s), s["reason"], now),
    "app_terminated_event": lambda s, now: tell.app_terminated(s["appId"], now),
    "status_update_event": lambda s, now: tell.status_update(instance_of(s), s["taskStatus"], s["message"], now),
    "instance_changed_event": lambda s, now: tell.instance_changed(instance_of(s), s["condition"], now),
    "instance_health_changed_event": lambda s, now: tell.instance_health_changed(instance_of(s), s["healthy"], now),
    "health_status_changed_event": lambda s, now: tell.health_status_changed(instance_of(s), s["alive"], now),
    "add_health_check_event": lambda s, now: tell.add_health_check(s["appId"], s["version"], s["healthCheck"], now),
    "remove_health_check_event": lambda s, now: tell.remove_health_check(s["appId"], now),
    "failed_health_check_event": lambda s, now: tell.failed_health_check(
        msgspec.structs.replace(instance_of(s), instance_id=s["taskId"]), s["healthCheck"], now
    ),
    "unhealthy_instance_kill_event": lambda s, now: tell.unhealthy_instance_kill(
        instance_of(s), [Health(alive=False, lastFailure=s["timestamp"], lastFailureCause=s["reason"])], now
    ),
}


@pytest.mark.parametrize("kind", RETOLD)
def test_an_event_is_byte_for_byte_the_recorded_one(kind: str) -> None:
    sample = SAMPLES[kind]
    event = RETOLD[kind](sample, sample["timestamp"])
    assert event.type == kind
    assert msgspec.json.encode(event.data).decode() == json.dumps(sample, separators=(",", ":"), ensure_ascii=False)


def test_every_recorded_type_is_told_or_known_to_be_none_of_ours() -> None:
    assert set(SAMPLES) == set(RETOLD) | NOT_OURS


@pytest.mark.parametrize("kind", RETOLD)
def test_only_the_events_of_deployments_have_a_plan_of_two_forms(kind: str) -> None:
    event = RETOLD[kind](SAMPLES[kind], "now")
    assert event.has_plan == ("plan" in SAMPLES[kind])


def test_a_scheduled_instance_has_a_null_agent_and_host() -> None:
    data = tell.instance_changed(an_instance(), "Scheduled", "now").data
    assert (data["agentId"], data["host"]) == (None, None)


def test_a_placed_instance_names_its_agent_and_host() -> None:
    data = tell.instance_changed(an_instance(), "Provisioned", "now").data
    assert (data["agentId"], data["host"]) == ("agent-S1", "127.0.0.2")


def test_a_status_without_agent_or_host_has_text_in_their_places_never_null() -> None:
    unplaced = an_instance(slave_id=None, host="", node="", ports=(), ip_addresses=())
    data = tell.status_update(unplaced, "TASK_FAILED", "", "now").data
    assert (data["slaveId"], data["host"], data["ipAddresses"], data["ports"]) == ("", "unknown", [], [])


def test_an_ipv6_address_is_called_so() -> None:
    data = tell.status_update(an_instance(ip_addresses=("fd00::1",)), "TASK_RUNNING", "", "now").data
    assert data["ipAddresses"] == [{"ipAddress": "fd00::1", "protocol": "IPv6"}]


def test_health_that_is_not_known_is_null() -> None:
    assert tell.instance_health_changed(an_instance(), None, "now").data["healthy"] is None


def test_a_deployment_that_failed_without_a_reason_has_no_such_member() -> None:
    assert "reason" not in tell.deployment_failed(ChangeSpec(id="d", version="v"), "", "now").data


def test_a_kill_of_an_unhealthy_instance_without_agent_has_no_such_member_and_an_unknown_reason() -> None:
    data = tell.unhealthy_instance_kill(an_instance(slave_id=None), (), "now").data
    assert "slaveId" not in data
    assert (data["reason"], data["timestamp"]) == ("unknown", "now")
