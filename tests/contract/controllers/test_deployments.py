"""What the Deployment controller writes: conditions with their texts, counts, revisions, names, history."""

from typing import Any

import pytest

from tests.contract.client import Client
from tests.contract.controllers.workload import NOWHERE, REVISION, Obj, Workload, name_of
from tests.contract.servers import Paths
from tests.processes import eventually

AVAILABLE = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
UNAVAILABLE = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")


def seen(work: Workload, n: str) -> bool:
    found = work.get(n)
    return bool(found["status"].get("observedGeneration") == found["metadata"]["generation"])


def test_counts_and_conditions_follow_the_pods(work: Workload, pool: dict[str, str], n: str) -> None:
    work.create(n, 2, nodeSelector=pool)
    first, second = work.bound(n, 2)
    [owner] = work.sets(n)
    progressing = ("True", "ReplicaSetUpdated", f'ReplicaSet "{name_of(owner)}" is progressing.')
    eventually(lambda: work.conditions(n) == {"Available": UNAVAILABLE, "Progressing": progressing})
    counts = {"replicas": 2, "updatedReplicas": 2, "unavailableReplicas": 2, "terminatingReplicas": 0}
    status = work.status(n)
    assert {k: v for k, v in status.items() if k != "conditions"} == {"observedGeneration": 1, **counts}
    assert {tuple(sorted(c)) for c in status["conditions"]} == {
        ("lastTransitionTime", "lastUpdateTime", "message", "reason", "status", "type")
    }

    work.run(first)
    eventually(lambda: work.status(n).get("readyReplicas") == 1)
    assert work.status(n)["unavailableReplicas"] == 1
    work.run(second)
    done = ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name_of(owner)}" has successfully progressed.')
    eventually(lambda: work.conditions(n) == {"Available": AVAILABLE, "Progressing": done})
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 2)
    status = work.status(n)
    assert {k: v for k, v in status.items() if k != "conditions"} == {
        "observedGeneration": 1, **counts, "terminatingReplicas": 0,
    }  # fmt: skip
    assert work.sets(n)[0]["status"] == {
        "replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2, "observedGeneration": 1, "terminatingReplicas": 0,
    }  # fmt: skip

    work.run(second, ready=False)
    eventually(lambda: work.status(n).get("readyReplicas") == 1)
    assert work.conditions(n) == {"Available": UNAVAILABLE, "Progressing": done}, "it has progressed once and for all"


def test_no_replicas_make_a_replica_set_and_are_available(work: Workload, n: str) -> None:
    work.create(n, 0)
    eventually(lambda: len(work.status(n).get("conditions", [])) == 2)
    [owner] = work.sets(n)
    done = ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name_of(owner)}" has successfully progressed.')
    assert work.conditions(n) == {"Available": AVAILABLE, "Progressing": done}
    assert {k: v for k, v in work.status(n).items() if k != "conditions"} == {
        "observedGeneration": 1, "terminatingReplicas": 0,
    }  # fmt: skip


def test_names_owners_and_annotations_of_what_it_makes(work: Workload, n: str) -> None:
    work.create(n, 4, spec={"minReadySeconds": 5}, **NOWHERE)
    pods, [owner] = work.made(n, 4), work.sets(n)
    hashed = owner["metadata"]["labels"]["pod-template-hash"]
    assert name_of(owner) == f"{n}-{hashed}"
    assert owner["metadata"]["labels"] == {"app": n, "pod-template-hash": hashed}
    assert owner["spec"]["selector"] == {"matchLabels": {"app": n, "pod-template-hash": hashed}}
    assert owner["spec"]["template"]["metadata"]["labels"] == {"app": n, "pod-template-hash": hashed}
    assert owner["spec"]["minReadySeconds"] == 5
    assert owner["metadata"]["annotations"] == {
        REVISION: "1",
        "deployment.kubernetes.io/desired-replicas": "4",
        "deployment.kubernetes.io/max-replicas": "5",
    }
    eventually(lambda: work.annotation(n, REVISION) == "1")
    assert [_shown(r) for r in owner["metadata"]["ownerReferences"]] == [("apps/v1", "Deployment", n, True, True)]
    for pod in pods:
        assert len(name_of(pod)) == len(name_of(owner)) + 6
        assert name_of(pod).startswith(f"{name_of(owner)}-")
        assert pod["metadata"]["generateName"] == f"{name_of(owner)}-"
        assert pod["metadata"]["labels"] == {"app": n, "pod-template-hash": hashed}
        assert [_shown(r) for r in pod["metadata"]["ownerReferences"]] == [
            ("apps/v1", "ReplicaSet", name_of(owner), True, True)
        ]


def _shown(reference: Obj) -> tuple[Any, ...]:
    return tuple(reference[k] for k in ("apiVersion", "kind", "name", "controller", "blockOwnerDeletion"))


def test_pod_names_are_cut_to_63_characters(work: Workload, n: str) -> None:
    apps = {length: (n + "x" * 100)[:length] for length in (46, 47, 63, 100)}
    for length, name in apps.items():
        work.create(name, labels={"app": f"{n}-{length}"}, **NOWHERE)
    for length in apps:
        [pod] = work.made(f"{n}-{length}", 1)
        whole = f"{name_of(work.sets(f'{n}-{length}')[0])}-"
        assert len(name_of(pod)) <= 63
        assert name_of(pod)[:-5] == whole[:58]
        assert length > 46 or len(whole) <= 58, "the hash has at most ten characters"


def test_annotations_are_copied_down_and_labels_are_not(work: Workload, n: str) -> None:
    work.create(n, 0)
    eventually(lambda: seen(work, n) and work.annotation(n, REVISION))
    before = work.get(n)["metadata"]["generation"]
    applied = "kubectl.kubernetes.io/last-applied-configuration"
    work.patch(n, {"metadata": {"annotations": {"x": "y", applied: "{}"}, "labels": {"l": "m"}}})
    owner = eventually(lambda: (s := work.sets(n)[0])["metadata"]["annotations"].get("x") == "y" and s)
    assert "l" not in owner["metadata"]["labels"]
    assert applied not in owner["metadata"]["annotations"]
    eventually(lambda: seen(work, n))
    assert work.get(n)["metadata"]["generation"] == before + 1
    work.patch(n, {"metadata": {"annotations": {"x": None}}})
    eventually(lambda: seen(work, n))
    assert "x" in work.settled(lambda: work.sets(n)[0]["metadata"]["annotations"]), "what was copied stays"


def test_a_replica_set_scaled_out_of_band_is_put_back(kube: Client, ns: Paths, work: Workload, n: str) -> None:
    work.create(n, 2, **NOWHERE)
    work.made(n, 2)
    path = f"{ns.apps}/replicasets/{name_of(work.sets(n)[0])}"
    generation = kube.get(path).json()["metadata"]["generation"]
    assert kube.patch(f"{path}/scale", {"spec": {"replicas": 0}}).status_code == 200
    owner = eventually(lambda: (s := kube.get(path).json())["status"]["observedGeneration"] >= generation + 2 and s)
    assert owner["spec"]["replicas"] == 2
    work.made(n, 2)


def test_scaling_says_so_in_events_and_keeps_the_template(work: Workload, n: str) -> None:
    work.create(n, 1, **NOWHERE)
    work.made(n, 1)
    [owner] = work.sets(n)
    text = f"Scaled up replica set {name_of(owner)} from 0 to 1"
    eventually(lambda: work.events(n).get("ScalingReplicaSet") == text)
    work.scale(n, 3)
    pods = work.made(n, 3)
    text = f"Scaled up replica set {name_of(owner)} from 1 to 3"
    eventually(lambda: work.events(n).get("ScalingReplicaSet") == text)
    created = eventually(lambda: work.events(name_of(owner)).get("SuccessfulCreate"))
    assert created in {f"Created pod: {name_of(pod)}" for pod in pods}
    work.scale(n, 0)
    eventually(lambda: not work.pods(n))
    eventually(
        lambda: work.events(n).get("ScalingReplicaSet") == f"Scaled down replica set {name_of(owner)} from 3 to 0"
    )
    deleted = eventually(lambda: work.events(name_of(owner)).get("SuccessfulDelete"))
    assert deleted in {f"Deleted pod: {name_of(pod)}" for pod in pods}
    assert work.sizes(n) == [0]


def test_an_unchanged_deployment_is_not_written(work: Workload, n: str) -> None:
    work.create(n, 1, **NOWHERE)
    work.made(n, 1)
    version = work.settled(lambda: work.get(n)["metadata"]["resourceVersion"])
    for _ in range(3):
        work.scale(n, 1)
    again = work.settled(lambda: work.get(n)["metadata"]["resourceVersion"])
    work.scale(n, 1)
    assert work.settled(lambda: work.get(n)["metadata"]["resourceVersion"]) == again >= version


def test_the_progress_deadline_is_told_and_changes_nothing_else(work: Workload, n: str) -> None:
    work.create(n, 1, spec={"progressDeadlineSeconds": 2}, **NOWHERE)
    [pod] = work.made(n, 1)
    [owner] = work.sets(n)
    late = ("False", "ProgressDeadlineExceeded", f'ReplicaSet "{name_of(owner)}" has timed out progressing.')
    eventually(lambda: work.conditions(n) == {"Available": UNAVAILABLE, "Progressing": late})
    assert [name_of(p) for p in work.live(n)] == [name_of(pod)]


def test_a_late_pod_ends_the_lateness(work: Workload, pool: dict[str, str], n: str) -> None:
    work.create(n, 1, spec={"progressDeadlineSeconds": 1}, nodeSelector=pool)
    [pod] = work.bound(n, 1)
    eventually(lambda: work.conditions(n)["Progressing"][1] == "ProgressDeadlineExceeded")
    work.run(pod)
    eventually(lambda: work.conditions(n)["Progressing"][1] == "NewReplicaSetAvailable")


def test_no_deadline_means_no_progressing_condition(work: Workload, n: str) -> None:
    work.create(n, 1, spec={"progressDeadlineSeconds": 2147483647}, **NOWHERE)
    eventually(lambda: work.status(n).get("unavailableReplicas") == 1)
    assert work.settled(lambda: work.conditions(n)) == {"Available": UNAVAILABLE}


def test_ready_for_long_enough_is_available(work: Workload, pool: dict[str, str], n: str) -> None:
    work.create(n, 2, spec={"minReadySeconds": 5000, "progressDeadlineSeconds": 6000}, nodeSelector=pool)
    young, old = work.bound(n, 2)
    work.run(young)
    work.run(old, age_s=6000)
    eventually(lambda: work.status(n).get("readyReplicas") == 2)
    assert work.settled(lambda: work.status(n).get("availableReplicas")) == 1
    assert work.conditions(n)["Available"] == UNAVAILABLE


def test_readiness_for_a_while_becomes_availability_by_itself(work: Workload, pool: dict[str, str], n: str) -> None:
    work.create(n, 1, spec={"minReadySeconds": 2}, nodeSelector=pool)
    work.running(n, 1)
    eventually(lambda: work.status(n).get("availableReplicas") == 1)


def test_a_paused_deployment_scales_and_does_not_roll(work: Workload, n: str) -> None:
    work.create(n, 1, **NOWHERE)
    work.made(n, 1)
    work.patch(n, {"spec": {"paused": True}})
    paused = ("Unknown", "DeploymentPaused", "Deployment is paused")
    eventually(lambda: work.conditions(n)["Progressing"] == paused)
    work.retemplate(n, "2")
    work.scale(n, 2)
    work.made(n, 2)
    eventually(lambda: seen(work, n))
    assert work.settled(lambda: work.sizes(n)) == [2]
    work.patch(n, {"spec": {"paused": None}})
    eventually(lambda: len(work.sizes(n)) == 2)
    assert work.conditions(n)["Progressing"] != paused


@pytest.mark.parametrize("limit", [0, 1])
def test_history_is_kept_to_its_limit(work: Workload, n: str, limit: int) -> None:
    work.create(n, 0, spec={"revisionHistoryLimit": limit})
    for version in ("2", "3"):
        eventually(lambda: seen(work, n))
        work.retemplate(n, version)
        eventually(lambda version=version: work.annotation(n, REVISION) == version)
    assert eventually(lambda: len(found := work.sets(n)) == limit + 1 and found)
    kept = [s["metadata"]["annotations"][REVISION] for s in work.sets(n)]
    assert kept == ["2", "3"][1 - limit :]


def test_going_back_to_an_old_template_uses_its_replica_set_again(work: Workload, n: str) -> None:
    work.create(n, 0, spec={"template": _template(n, "1")})
    for turn, version in (("2", "2"), ("3", "1")):
        eventually(lambda: seen(work, n))
        work.retemplate(n, version)
        eventually(lambda turn=turn: work.annotation(n, REVISION) == turn)
    second, first = work.sets(n)
    annotations = first["metadata"]["annotations"]
    assert first["spec"]["template"]["metadata"]["annotations"] == {"version": "1"}
    assert (annotations[REVISION], annotations[f"{REVISION}-history"]) == ("3", "1")
    assert second["metadata"]["annotations"][REVISION] == "2"


def _template(n: str, version: str) -> Obj:
    container = {"name": "app", "image": "x"}
    return {
        "metadata": {"labels": {"app": n}, "annotations": {"version": version}},
        "spec": {"containers": [container]},
    }


def test_two_deployments_with_one_selector_keep_apart(work: Workload, n: str) -> None:
    for twin in ("a", "b"):
        work.create(f"{n}-{twin}", 1, labels={"app": n}, **NOWHERE)
    work.made(n, 2)
    owners = {s["metadata"]["ownerReferences"][0]["name"]: s["spec"]["replicas"] for s in work.sets(n)}
    assert owners == {f"{n}-a": 1, f"{n}-b": 1}


def test_an_orphaned_replica_set_is_adopted_by_a_twin(kube: Client, ns: Paths, work: Workload, n: str) -> None:
    work.create(n, 1, **NOWHERE)
    before = {name_of(p) for p in work.made(n, 1)}
    kube.delete(f"{ns.apps}/deployments/{n}", {"propagationPolicy": "Orphan"})
    eventually(lambda: kube.get(f"{ns.apps}/deployments/{n}").status_code == 404)
    assert "ownerReferences" not in work.sets(n)[0]["metadata"]
    assert "ownerReferences" in work.pods(n)[0]["metadata"]
    twin = work.create(n, 1, **NOWHERE)
    eventually(lambda: work.sets(n)[0]["metadata"].get("ownerReferences"))
    assert work.sets(n)[0]["metadata"]["ownerReferences"][0]["uid"] == twin["metadata"]["uid"]
    assert work.settled(lambda: work.names(n)) == before
    assert len(work.sets(n)) == 1
