"""Which pods a ReplicaSet gives up, replaces and leaves alone: each rank as a real cluster was seen to apply it."""

from typing import Any

import pytest

from tests.simulator.controllers.conftest import Work
from tests.simulator.helpers import NAMESPACE, add_node, deployment

DAY_AGO = "2023-11-13T22:13:20Z"
HOUR_AGO = "2023-11-14T21:13:20Z"
JUST_NOW = "2023-11-14T22:13:10Z"


def name(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["name"])


async def four(work: Work, nodes: int = 1) -> list[dict[str, Any]]:
    for i in range(nodes):
        add_node(work.objects, f"n{i}")
    await work.create(deployment("d", 4))
    return work.pods()


async def shrink(work: Work) -> set[str]:
    """Scales from four to three and says who goes."""
    await work.scale("d", 3)
    return work.doomed()


async def test_lower_cost_goes_first_among_ready_pods(work: Work) -> None:
    pods = await four(work)
    await work.run(*pods)
    work.cost(pods[2], -10)
    assert await shrink(work) == {name(pods[2])}


async def test_an_unready_pod_goes_before_the_cheapest_ready_one(work: Work) -> None:
    pods = await four(work)
    await work.run(*pods[:3])
    await work.run(pods[3], ready=False)
    work.cost(pods[0], -1000)
    assert await shrink(work) == {name(pods[3])}


async def test_a_pending_pod_goes_before_the_cheapest_ready_one(work: Work) -> None:
    pods = await four(work)
    await work.run(*pods[:3])
    work.cost(pods[0], -1000)
    assert await shrink(work) == {name(pods[3])}


async def test_cost_decides_among_unready_pods(work: Work) -> None:
    pods = await four(work)
    await work.run(*pods[:2])
    await work.run(*pods[2:], ready=False)
    work.cost(pods[0], -1000)
    work.cost(pods[2], -1)
    assert await shrink(work) == {name(pods[2])}


async def test_an_unplaced_pod_goes_before_a_placed_pending_one(work: Work) -> None:
    ports = [{"name": "app", "image": "x", "ports": [{"containerPort": 80, "hostPort": 80}]}]
    for i in range(3):
        add_node(work.objects, f"n{i}")
    await work.create(deployment("d", 4, containers=ports))
    pods = work.pods()
    [unplaced] = [p for p in pods if not p["spec"].get("nodeName")]
    for pod in pods:
        if pod is not unplaced:
            work.cost(pod, -1000)
    await work.scale("d", 3)
    assert work.names() == {name(p) for p in pods} - {name(unplaced)}


async def test_ready_most_recently_goes_first(work: Work) -> None:
    pods = await four(work)
    await work.run(*pods, since=DAY_AGO)
    await work.run(pods[1], since=JUST_NOW)
    assert await shrink(work) == {name(pods[1])}


async def test_more_restarts_go_first_at_equal_age(work: Work) -> None:
    pods = await four(work)
    await work.run(*pods, since=HOUR_AGO)
    await work.run(pods[1], since=HOUR_AGO, restarts=5)
    assert await shrink(work) == {name(pods[1])}


async def test_a_pod_on_a_doubled_node_goes_before_a_younger_lone_one(work: Work) -> None:
    pods = await four(work, nodes=3)
    where = [p["spec"]["nodeName"] for p in pods]
    for pod in pods:
        await work.run(pod, since=JUST_NOW if where.count(pod["spec"]["nodeName"]) == 1 else DAY_AGO)
    [victim] = await shrink(work)
    [node] = [p["spec"]["nodeName"] for p in pods if name(p) == victim]
    assert where.count(node) == 2


async def test_cost_goes_before_co_location(work: Work) -> None:
    pods = await four(work, nodes=3)
    where = [p["spec"]["nodeName"] for p in pods]
    await work.run(*pods)
    lone = next(p for p in pods if where.count(p["spec"]["nodeName"]) == 1)
    work.cost(lone, -1)
    assert await shrink(work) == {name(lone)}


async def test_terminating_pods_leave_replicas_and_enter_terminating_replicas(work: Work) -> None:
    await work.run(*await four(work))
    await shrink(work)
    status = work.get("d")["status"]
    counts = {k: status[k] for k in ("replicas", "readyReplicas", "terminatingReplicas")}
    assert counts == {"replicas": 3, "readyReplicas": 3, "terminatingReplicas": 1}
    assert len(work.pods()) == 4
    assert work.sets()[0]["status"]["terminatingReplicas"] == 1


async def test_a_deleted_pod_is_replaced_while_it_still_terminates(work: Work) -> None:
    pods = await four(work)
    await work.run(*pods)
    work.objects.delete("pods", NAMESPACE, name(pods[0]))
    await work.settle()
    assert len(work.pods()) == 5
    assert work.doomed() == {name(pods[0])}


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
async def test_a_finished_pod_is_replaced_and_its_object_stays(work: Work, phase: str) -> None:
    add_node(work.objects, "n1")
    await work.create(deployment("d", 1))
    [pod] = work.pods()
    await work.run(pod, ready=False, phase=phase)
    assert len(work.pods()) == 2
    await work.scale("d", 0)
    assert name(pod) in work.names() - work.doomed()


async def test_a_pod_that_loses_its_label_is_released_and_replaced(work: Work) -> None:
    add_node(work.objects, "n1")
    await work.create(deployment("d", 1))
    [pod] = work.pods()
    current = work.objects.get("pods", NAMESPACE, name(pod))
    work.objects.update("pods", {**current, "metadata": {**current["metadata"], "labels": {"app": "other"}}})
    await work.settle()
    assert len(work.pods()) == 2
    assert not work.objects.get("pods", NAMESPACE, name(pod))["metadata"].get("ownerReferences")
