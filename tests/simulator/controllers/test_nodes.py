"""What the loss and the deletion of a node do to its pods."""

from typing import Any

from gateway.simulator.controllers.nodes import lose, restore
from tests.simulator.controllers.conftest import Work
from tests.simulator.helpers import add_node, deployment, get

UNREACHABLE, NOT_READY = "node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"


def taints(work: Work, name: str) -> set[tuple[str, str]]:
    return {(t["key"], t["effect"]) for t in (get(work.objects, "nodes", name) or {})["spec"].get("taints") or ()}


def tolerating(seconds: int | None) -> dict[str, Any]:
    limit = {} if seconds is None else {"tolerationSeconds": seconds}
    keys = (UNREACHABLE, NOT_READY)
    return {"tolerations": [{"key": k, "operator": "Exists", "effect": "NoExecute", **limit} for k in keys]}


async def two_nodes(work: Work, seconds: int | None) -> str:
    """Two nodes and one pod, on the node that is returned."""
    for name in ("n1", "n2"):
        add_node(work.objects, name)
    await work.create(deployment("d", 1, **tolerating(seconds)))
    await work.run(*work.pods())
    return str(work.pods()[0]["spec"]["nodeName"])


async def test_a_silent_node_is_tainted_and_its_pods_are_not_ready(work: Work) -> None:
    name = await two_nodes(work, 60)
    lose(work.objects, work.clock, name)
    await work.settle()
    assert taints(work, name) == {(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")}
    assert "readyReplicas" not in work.get("d")["status"]
    assert not work.doomed()
    restore(work.objects, work.clock, name)
    await work.settle()
    assert taints(work, name) == set()
    await work.clock.advance(120)
    assert not work.doomed()


async def test_pods_are_evicted_when_their_toleration_ends(work: Work) -> None:
    name = await two_nodes(work, 60)
    [pod] = work.pods()
    lose(work.objects, work.clock, name)
    await work.clock.advance(59)
    assert not work.doomed()
    await work.clock.advance(2)
    assert work.doomed() == {pod["metadata"]["name"]}
    [gone] = [p for p in work.pods() if p["metadata"].get("deletionTimestamp")]
    reasons = [c["reason"] for c in gone["status"]["conditions"] if c["type"] == "DisruptionTarget"]
    assert reasons == ["DeletionByTaintManager"]
    [new] = [p for p in work.pods() if not p["metadata"].get("deletionTimestamp")]
    assert new["spec"]["nodeName"] != name


async def test_zero_seconds_evict_at_once_and_no_limit_never(work: Work) -> None:
    name = await two_nodes(work, 0)
    lose(work.objects, work.clock, name, status="False")
    await work.settle()
    assert taints(work, name) == {(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")}
    assert len(work.doomed()) == 1


async def test_a_pod_that_tolerates_for_ever_stays(work: Work) -> None:
    name = await two_nodes(work, None)
    lose(work.objects, work.clock, name)
    await work.clock.advance(100_000)
    assert not work.doomed()


async def test_a_cordoned_node_gets_no_new_pods(work: Work) -> None:
    name = await two_nodes(work, 60)
    node = get(work.objects, "nodes", name) or {}
    work.objects.update("nodes", {**node, "spec": {**node["spec"], "unschedulable": True}})
    await work.settle()
    assert taints(work, name) == {("node.kubernetes.io/unschedulable", "NoSchedule")}
    assert not work.doomed()
    await work.scale("d", 4)
    assert sum(p["spec"]["nodeName"] == name for p in work.pods()) == 1


async def test_pods_of_a_deleted_node_are_collected_after_a_quarantine(work: Work) -> None:
    name = await two_nodes(work, 60)
    [pod] = work.pods()
    work.objects.delete("nodes", "", name)
    await work.clock.advance(39)
    assert work.names() == {pod["metadata"]["name"]}
    await work.clock.advance(2)
    [new] = work.pods()
    assert new["metadata"]["name"] != pod["metadata"]["name"]
    assert new["spec"]["nodeName"] != name
