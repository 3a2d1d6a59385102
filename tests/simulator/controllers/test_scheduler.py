"""The scheduler's loop: conditions, events, and when it tries again."""

from tests.simulator.controllers.conftest import Work
from tests.simulator.helpers import NAMESPACE, add_node, deployment, get, pod


def scheduled(work: Work, name: str) -> tuple[str, str | None, str | None]:
    found = get(work.objects, "pods", name) or {}
    [condition] = [c for c in found["status"]["conditions"] if c["type"] == "PodScheduled"]
    return condition["status"], condition.get("reason"), condition.get("message")


async def test_a_pod_is_bound_and_says_so(work: Work) -> None:
    add_node(work.objects, "n1")
    work.objects.create("pods", pod("p"))
    await work.settle()
    assert (get(work.objects, "pods", "p") or {})["spec"]["nodeName"] == "n1"
    assert scheduled(work, "p")[0] == "True"
    assert ("Scheduled", f"Successfully assigned {NAMESPACE}/p to n1") in work.reasons("Pod")


async def test_a_pod_that_fits_nowhere_waits_with_the_reason_and_goes_when_a_node_comes(work: Work) -> None:
    work.objects.create("pods", pod("p"))
    await work.settle()
    assert scheduled(work, "p") == ("False", "Unschedulable", "no nodes available to schedule pods")
    assert ("FailedScheduling", "no nodes available to schedule pods") in work.reasons("Pod")
    add_node(work.objects, "n1")
    await work.settle()
    assert scheduled(work, "p")[0] == "True"


async def test_a_place_that_becomes_free_is_taken(work: Work) -> None:
    add_node(work.objects, "n1")
    big = [{"name": "app", "image": "x", "resources": {"requests": {"cpu": "8"}}}]
    for name in ("a", "b"):
        work.objects.create("pods", pod(name, containers=big))
    await work.settle()
    [waiting] = [p for p in work.pods() if not p["spec"].get("nodeName")]
    [placed] = [p for p in work.pods() if p["spec"].get("nodeName")]
    assert "1 Insufficient cpu" in (scheduled(work, waiting["metadata"]["name"])[2] or "")
    work.objects.delete("pods", NAMESPACE, placed["metadata"]["name"], grace_s=0)
    await work.settle()
    assert scheduled(work, waiting["metadata"]["name"])[0] == "True"


async def test_a_gated_pod_waits_unseen_until_its_gate_is_removed(work: Work) -> None:
    add_node(work.objects, "n1")
    work.objects.create("pods", pod("p", schedulingGates=[{"name": "marathon-gateway.io/hold"}]))
    await work.settle()
    text = "Scheduling is blocked due to non-empty scheduling gates"
    assert scheduled(work, "p") == ("False", "SchedulingGated", text)
    current = work.objects.get("pods", NAMESPACE, "p")
    work.objects.update("pods", {**current, "spec": {**current["spec"], "schedulingGates": []}})
    await work.settle()
    assert scheduled(work, "p")[0] == "True"


async def test_the_replicas_of_a_deployment_are_spread(work: Work) -> None:
    for i in range(3):
        add_node(work.objects, f"n{i}")
    await work.create(deployment("d", 6))
    nodes = [p["spec"]["nodeName"] for p in work.pods()]
    assert sorted(nodes) == ["n0", "n0", "n1", "n1", "n2", "n2"]


async def test_the_same_refusal_is_one_event_with_a_count(work: Work) -> None:
    add_node(work.objects, "n1")
    work.objects.create("pods", pod("p", nodeSelector={"none": "such"}))
    for name in ("x", "y"):
        work.objects.create("pods", pod(name))
        await work.settle()
    counts = [e["count"] for e in work.objects.list("events", NAMESPACE) if e["reason"] == "FailedScheduling"]
    assert len(counts) == 1
    assert counts[0] > 1
