"""What the Deployment and ReplicaSet controllers were seen to do in a real cluster."""

import pytest

from gateway.simulator.objects import ApiError
from tests.simulator.controllers.conftest import Work
from tests.simulator.helpers import NAMESPACE, add_node, deployment

NOWHERE = {"nodeSelector": {"none": "such"}}


async def test_no_replicas_makes_a_replica_set_and_is_available(work: Work) -> None:
    await work.create(deployment("d", 0))
    assert work.conditions("d") == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    found = work.get("d")
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    assert len(work.sets()) == 1


async def test_the_replica_set_is_named_after_the_template_hash(work: Work) -> None:
    await work.create(deployment("d", 1, **NOWHERE))
    [pod], [owner] = work.pods(), work.sets()
    template_hash = pod["metadata"]["labels"]["pod-template-hash"]
    assert owner["metadata"]["name"] == f"d-{template_hash}"
    assert pod["metadata"]["name"].startswith(f"d-{template_hash}-")
    assert len(pod["metadata"]["name"]) == len(owner["metadata"]["name"]) + 6
    assert owner["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] == "1"
    assert work.get("d")["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"


@pytest.mark.parametrize("length", [46, 47, 63, 100])
async def test_pod_names_are_cut_to_63_characters(work: Work, length: int) -> None:
    body = deployment("d", 1, **NOWHERE)
    body["metadata"]["name"] = "d" + "x" * (length - 1)
    await work.create(body)
    [pod], [owner] = work.pods(), work.sets()
    whole = f"{owner['metadata']['name']}-"
    assert len(pod["metadata"]["name"]) <= 63
    assert pod["metadata"]["name"].startswith(whole[:58])


async def test_counts_and_conditions_follow_the_pods(work: Work) -> None:
    add_node(work.objects, "n1")
    await work.create(deployment("d", 2))
    assert work.conditions("d") == {
        "Available": ("False", "MinimumReplicasUnavailable"),
        "Progressing": ("True", "ReplicaSetUpdated"),
    }
    assert work.get("d")["status"]["unavailableReplicas"] == 2
    await work.run(*work.pods())
    status = work.get("d")["status"]
    counts = {k: status[k] for k in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")}
    assert set(counts.values()) == {2}
    assert work.conditions("d") == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }


async def test_annotations_are_copied_to_the_replica_set_and_labels_are_not(work: Work) -> None:
    await work.create(deployment("d", 0))
    found = work.get("d")
    meta = {**found["metadata"], "labels": {"l": "m"}, "annotations": {**found["metadata"]["annotations"], "x": "y"}}
    work.objects.update("deployments", {**found, "metadata": meta})
    await work.settle()
    assert work.sets()[0]["metadata"]["annotations"]["x"] == "y"
    assert "l" not in work.sets()[0]["metadata"]["labels"]


async def test_a_replica_set_scaled_out_of_band_is_put_back(work: Work) -> None:
    await work.create(deployment("d", 2, **NOWHERE))
    [owner] = work.sets()
    work.objects.update("replicasets", {**owner, "spec": {**owner["spec"], "replicas": 0}})
    await work.settle()
    assert work.sets()[0]["spec"]["replicas"] == 2
    assert len(work.pods()) == 2


async def test_an_unchanged_deployment_costs_no_writes(work: Work) -> None:
    await work.create(deployment("d", 2, **NOWHERE))
    before = work.get("d")["metadata"]["resourceVersion"]
    await work.clock.advance(60)
    assert work.get("d")["metadata"]["resourceVersion"] == before


async def test_a_rolling_update_keeps_to_surge_and_availability(work: Work) -> None:
    add_node(work.objects, "n1")
    rolling = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}
    await work.create(deployment("d", 2, spec=rolling))
    await work.run(*work.pods())
    found = work.get("d")
    template = {
        **found["spec"]["template"],
        "metadata": {**found["spec"]["template"]["metadata"], "annotations": {"v": "2"}},
    }
    work.objects.update("deployments", {**found, "spec": {**found["spec"], "template": template}})
    await work.settle()
    for _ in range(6):
        live = [p for p in work.pods() if not p["metadata"].get("deletionTimestamp")]
        ready = [p for p in live if p["status"].get("phase") == "Running"]
        assert len(live) <= 3
        assert len(ready) >= 2
        for name in work.doomed():
            await work.end(next(p for p in work.pods() if p["metadata"]["name"] == name))
        await work.run(*[p for p in work.pods() if p["status"].get("phase") != "Running"])
    assert [p["metadata"].get("annotations", {}).get("v") for p in work.pods()] == ["2", "2"]
    assert sorted(s["spec"]["replicas"] for s in work.sets()) == [0, 2]
    assert work.get("d")["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"


async def test_recreate_waits_for_the_old_pods(work: Work) -> None:
    add_node(work.objects, "n1")
    await work.create(deployment("d", 2, spec={"strategy": {"type": "Recreate"}}))
    old = work.pods()
    await work.run(*old)
    found = work.get("d")
    template = {
        **found["spec"]["template"],
        "metadata": {**found["spec"]["template"]["metadata"], "annotations": {"v": "2"}},
    }
    work.objects.update("deployments", {**found, "spec": {**found["spec"], "template": template}})
    await work.settle()
    assert work.doomed() == {p["metadata"]["name"] for p in old} == work.names()
    for pod in old:
        await work.end(pod)
    assert len(work.pods()) == 2
    assert not work.doomed()


async def test_history_limit_zero_leaves_one_replica_set_after_a_template_change(work: Work) -> None:
    await work.create(deployment("d", 0, spec={"revisionHistoryLimit": 0}))
    found = work.get("d")
    template = {
        **found["spec"]["template"],
        "metadata": {**found["spec"]["template"]["metadata"], "annotations": {"v": "2"}},
    }
    work.objects.update("deployments", {**found, "spec": {**found["spec"], "template": template}})
    await work.settle()
    assert len(work.sets()) == 1


async def test_two_deployments_with_one_selector_keep_apart(work: Work) -> None:
    for twin in ("a", "b"):
        body = deployment("app", 1, **NOWHERE)
        body["metadata"]["name"] = f"d-{twin}"
        await work.create(body)
    owners = {s["metadata"]["ownerReferences"][0]["name"]: s["spec"]["replicas"] for s in work.sets()}
    assert owners == {"d-a": 1, "d-b": 1}
    assert len(work.pods()) == 2


async def test_an_orphan_is_adopted_by_a_twin(work: Work) -> None:
    await work.create(deployment("d", 1, **NOWHERE))
    before = work.names()
    work.objects.delete("deployments", NAMESPACE, "d", propagation="Orphan")
    await work.settle()
    assert not work.sets()[0]["metadata"].get("ownerReferences")
    await work.create(deployment("d", 1, **NOWHERE))
    assert work.sets()[0]["metadata"]["ownerReferences"][0]["uid"] == work.get("d")["metadata"]["uid"]
    assert work.names() == before
    assert len(work.sets()) == 1


async def test_a_refused_pod_shows_as_replica_failure_until_it_is_accepted(work: Work) -> None:
    def refuse(kind: str, obj: dict[str, object]) -> dict[str, object]:
        if kind == "pods":
            raise ApiError(403, "Forbidden", 'pods "d" is forbidden: exceeded quota: q')
        return obj

    work.objects.admission.append(refuse)
    await work.create(deployment("d", 1, **NOWHERE))
    assert work.conditions("d")["ReplicaFailure"] == ("True", "FailedCreate")
    [failure] = [c for c in work.get("d")["status"]["conditions"] if c["type"] == "ReplicaFailure"]
    assert failure["message"] == 'pods "d" is forbidden: exceeded quota: q'
    assert work.pods() == []
    work.objects.admission.remove(refuse)
    await work.clock.advance(1000)
    assert len(work.pods()) == 1
    assert "ReplicaFailure" not in work.conditions("d")


async def test_the_progress_deadline_is_told_and_changes_nothing_else(work: Work) -> None:
    await work.create(deployment("d", 1, spec={"progressDeadlineSeconds": 60}, **NOWHERE))
    await work.clock.advance(50)
    assert work.conditions("d")["Progressing"][0] == "True"
    await work.clock.advance(20)
    assert work.conditions("d")["Progressing"] == ("False", "ProgressDeadlineExceeded")
    assert len(work.pods()) == 1


async def test_minimum_ready_seconds_delay_availability(work: Work) -> None:
    add_node(work.objects, "n1")
    await work.create(deployment("d", 1, spec={"minReadySeconds": 30}))
    await work.run(*work.pods())
    assert work.get("d")["status"]["readyReplicas"] == 1
    assert "availableReplicas" not in work.get("d")["status"]
    await work.clock.advance(31)
    assert work.get("d")["status"]["availableReplicas"] == 1


async def test_a_hundred_pods_are_made_and_given_up_again(work: Work) -> None:
    await work.create(deployment("d", 100, **NOWHERE))
    await work.settle()
    assert len(work.pods()) == 100
    await work.scale("d", 3)
    await work.settle()
    assert len(work.pods()) == 3
