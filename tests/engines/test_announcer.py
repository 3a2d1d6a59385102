"""The event stream is fed from what this replica sees: nothing of the past, nothing twice, refusals included."""

import json
from typing import Any

import pytest

from events.hub import Subscriber
from gateway.engines.errors import AppLocked
from gateway.kubernetes.resources import NODES, PODS
from tests.api.house import House

CHECK = {"protocol": "HTTP", "path": "/", "portIndex": 0}


async def drained(subscriber: Subscriber) -> list[dict[str, Any]]:
    """What waits for a subscriber now, without waiting for more."""
    frames = b""
    while subscriber._frames:
        frames += await subscriber.take()
    return [json.loads(part.split(b"\r\ndata: ")[1]) for part in frames.split(b"\r\n\r\n") if part]


def listen(house: House, *types: str) -> Subscriber:
    return house.hub.attach("test", types or None, light=True)


async def test_what_was_there_before_the_first_synchronisation_is_not_told() -> None:
    async with House() as house:
        await house.deployed("/a")
        house.unsynced()
        stream = listen(house, "instance_changed_event", "status_update_event")
        (pod,) = [pod.metadata.name for pod in house.cluster.pods.values()]
        house.cluster.set(PODS, pod, {"status": {"phase": "Failed", "containerStatuses": []}})
        assert await drained(stream) == []


async def test_an_ordered_kill_is_told_once_however_often_the_pod_is_seen() -> None:
    async with House() as house:
        (instance,) = await house.deployed("/a")
        stream = listen(house, "instance_changed_event", "status_update_event")
        for _ in range(3):
            house.cluster.set(PODS, instance.pod, {"metadata": {"annotations": {"marathon-gateway.io/kill": "x"}}})
            house.terminate(instance.pod)
        house.cluster.remove(PODS, instance.pod)
        told = [event.get("condition") or event["taskStatus"] for event in await drained(stream)]
        assert told == ["Running", "TASK_KILLED", "Killed"]


async def test_a_killed_task_is_gone_when_its_container_has_ended_though_its_object_is_still_there() -> None:
    async with House() as house:
        (instance,) = await house.deployed("/a")
        stream = listen(house, "status_update_event")
        house.cluster.set(PODS, instance.pod, {"metadata": {"annotations": {"marathon-gateway.io/kill": "x"}}})
        house.terminate(instance.pod)
        assert [i.uid for i in house.engine.instances("/a")] == [instance.uid]
        for _ in range(2):  # the kubelet writes the end more than once
            house.cluster.set(PODS, instance.pod, {"status": {"phase": "Succeeded", "reason": "x"}})
            assert list(house.engine.instances("/a")) == []
        house.cluster.remove(PODS, instance.pod)
        assert [event["taskStatus"] for event in await drained(stream)] == ["TASK_KILLED"]


async def test_a_failed_check_is_told_with_the_check_that_failed() -> None:
    async with House() as house:
        (instance,) = await house.deployed("/a", healthChecks=[CHECK], ports=[0])
        stream = listen(house, "failed_health_check_event", "health_status_changed_event")
        status = house.pod(instance)["status"]
        containers = [{**s, "ready": False} for s in status["containerStatuses"]]
        ready = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "False"}]
        house.cluster.set(PODS, instance.pod, {"status": {"containerStatuses": containers, "conditions": ready}})
        failed, health = await drained(stream)
        assert failed["eventType"] == "failed_health_check_event"
        assert (failed["healthCheck"]["protocol"], failed["healthCheck"]["path"]) == ("HTTP", "/")
        assert (health["eventType"], health["alive"]) == ("health_status_changed_event", False)


async def test_a_refusal_leaves_no_object_and_is_told_with_the_reason() -> None:
    async with House() as house:
        await house.post_app("/a")
        stream = listen(house)
        before = house.shape()
        with pytest.raises(AppLocked):
            await house.engine.delete_app("/a", force=False)
        assert house.shape() == before
        _, refused, failed = await drained(stream)
        assert (refused["eventType"], refused["groupId"]) == ("group_change_failed", "/")
        assert failed["eventType"] == "deployment_failed"
        assert failed["plan"]["steps"] == [{"actions": [{"action": "StopApplication", "app": "/a"}]}]
        assert refused["reason"] == failed["reason"]


async def test_an_app_that_is_gone_is_told_when_its_object_is() -> None:
    async with House() as house:
        await house.deployed("/a", healthChecks=[CHECK], ports=[0])
        stream = listen(house, "app_terminated_event", "remove_health_check_event")
        await house.client.delete("/v2/apps/a")
        assert await drained(stream) == []
        await house.roll()
        assert [event["eventType"] for event in await drained(stream)] == [
            "remove_health_check_event",
            "app_terminated_event",
        ]


async def test_a_task_that_ended_well_is_told_once_though_its_node_falls_silent_and_returns() -> None:
    async with House() as house:
        (instance,) = await house.deployed("/a")
        stream = listen(house, "status_update_event")
        end = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": "2024-05-01T10:00:09Z"}}
        statuses = [{**s, "ready": False, "state": end} for s in house.pod(instance)["status"]["containerStatuses"]]
        house.cluster.set(PODS, instance.pod, {"status": {"containerStatuses": statuses}})
        node = house.pod(instance)["spec"]["nodeName"]
        house.cluster.add(NODES, {"metadata": {"name": node}})
        for status in ("Unknown", "True"):
            ready = {"type": "Ready", "status": status, "lastTransitionTime": "2024-05-01T10:01:00Z"}
            house.cluster.set(NODES, node, {"status": {"conditions": [ready]}})
        assert [event["taskStatus"] for event in await drained(stream)] == ["TASK_FINISHED"]


async def test_a_launch_that_fails_again_and_again_is_told_to_have_failed_once() -> None:
    async with House() as house:
        (instance,) = await house.deployed("/a")
        stream = listen(house, "status_update_event")
        statuses = house.pod(instance)["status"]["containerStatuses"]
        for reason in ("ErrImagePull", "ContainerCreating", "ErrImagePull", "ImagePullBackOff"):
            state = {"waiting": {"reason": reason, "message": ""}, "running": None}
            house.cluster.set(PODS, instance.pod, {"status": {"containerStatuses": [{**statuses[0], "state": state}]}})
        assert [event["taskStatus"] for event in await drained(stream)] == ["TASK_FAILED"]
