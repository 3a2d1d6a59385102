"""How objects go: propagation, grace periods, finalizers, garbage of dead owners, namespaces."""

import pytest

from tests.contract.client import Client, config_map, pod
from tests.contract.controllers.workload import NOWHERE, Obj, Workload, name_of
from tests.contract.servers import Paths
from tests.processes import eventually


def test_background_hides_the_drain(kube: Client, ns: Paths, work: Workload, pool: dict[str, str], n: str) -> None:
    made = work.create(n, 2, nodeSelector=pool)
    work.running(n, 2)
    answer = kube.delete(f"{ns.apps}/deployments/{n}").json()
    details = {"name": n, "group": "apps", "kind": "deployments", "uid": made["metadata"]["uid"]}
    assert (answer["kind"], answer["status"], answer["details"]) == ("Status", "Success", details)
    eventually(lambda: len(work.doomed(n)) == 2)
    assert kube.get(f"{ns.apps}/deployments/{n}").status_code == 404
    eventually(lambda: work.sets(n) == [])
    assert len(work.pods(n)) == 2


def test_foreground_keeps_the_owners_until_the_last_pod_is_gone(
    kube: Client, ns: Paths, work: Workload, pool: dict[str, str], n: str
) -> None:
    work.create(n, 2, nodeSelector=pool)
    pods = work.running(n, 2)
    answer = kube.delete(f"{ns.apps}/deployments/{n}", {"propagationPolicy": "Foreground"}).json()
    assert answer["kind"] == "Deployment"
    assert answer["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert answer["metadata"]["deletionGracePeriodSeconds"] == 0
    eventually(lambda: len(work.doomed(n)) == 2)
    [owner] = work.sets(n)
    assert owner["metadata"]["finalizers"] == ["foregroundDeletion"]
    work.end(name_of(pods[0]))
    assert work.settled(lambda: work.get(n)["metadata"].get("deletionTimestamp"))
    work.end(name_of(pods[1]))
    eventually(lambda: kube.get(f"{ns.apps}/deployments/{n}").status_code == 404)
    eventually(lambda: not work.sets(n))


def test_a_policy_of_orphan_leaves_the_pods_of_a_set(kube: Client, ns: Paths, work: Workload, n: str) -> None:
    work.create(n, 1, **NOWHERE)
    work.made(n, 1)
    kube.delete(f"{ns.apps}/deployments/{n}", propagationPolicy="Orphan")
    eventually(lambda: kube.get(f"{ns.apps}/deployments/{n}").status_code == 404)
    [owner] = work.sets(n)
    answer = kube.delete(f"{ns.apps}/replicasets/{name_of(owner)}", {"propagationPolicy": "Orphan"})
    assert answer.status_code == 200
    eventually(lambda: not work.sets(n))
    [left] = work.live(n)
    assert "ownerReferences" not in left["metadata"]


# Grace


@pytest.fixture
def bound(kube: Client, ns: Paths, pool: dict[str, str], n: str) -> str:
    """The path of a pod with a node and a grace period of 30 s."""
    assert kube.post(f"{ns.core}/pods", pod(n, nodeSelector=pool)).status_code == 201
    path = f"{ns.core}/pods/{n}"
    eventually(lambda: kube.get(path).json()["spec"].get("nodeName"))
    return path


def test_grace_may_be_shortened_and_not_prolonged(kube: Client, bound: str) -> None:
    first = kube.delete(bound).json()
    assert (first["kind"], first["metadata"]["deletionGracePeriodSeconds"]) == ("Pod", 30)
    assert first["metadata"]["generation"] == 2
    assert kube.delete(bound, gracePeriodSeconds=5).json()["metadata"]["deletionGracePeriodSeconds"] == 5
    longer = kube.delete(bound, gracePeriodSeconds=60).json()
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 5
    gone = kube.delete(bound, gracePeriodSeconds=0)
    assert (gone.status_code, gone.json()["kind"]) == (200, "Pod")
    assert kube.get(bound).status_code == 404


def test_a_negative_grace_counts_as_one_second(kube: Client, bound: str) -> None:
    answer = kube.delete(bound, {"gracePeriodSeconds": -5})
    assert answer.json()["metadata"]["deletionGracePeriodSeconds"] == 1
    kube.delete(bound, gracePeriodSeconds=0)


@pytest.mark.parametrize(("grace", "stored"), [(0, None), (1, 1), (-7, 1)])
def test_the_grace_of_the_pod_itself(
    kube: Client, ns: Paths, pool: dict[str, str], n: str, grace: int, stored: int | None
) -> None:
    made = kube.post(f"{ns.core}/pods", pod(n, nodeSelector=pool, terminationGracePeriodSeconds=grace))
    assert made.json()["spec"]["terminationGracePeriodSeconds"] == (stored or 0)
    path = f"{ns.core}/pods/{n}"
    eventually(lambda: kube.get(path).json()["spec"].get("nodeName"))
    assert kube.delete(path).json()["metadata"].get("deletionGracePeriodSeconds") == (stored if stored else 0)
    assert (kube.get(path).status_code == 404) == (grace == 0)
    kube.delete(path, gracePeriodSeconds=0)


def test_pods_without_a_node_and_finished_ones_go_at_once(
    kube: Client, ns: Paths, work: Workload, bound: str, n: str
) -> None:
    kube.post(f"{ns.core}/pods", pod(f"{n}-nowhere", **NOWHERE))
    assert kube.delete(f"{ns.core}/pods/{n}-nowhere").status_code == 200
    assert kube.get(f"{ns.core}/pods/{n}-nowhere").status_code == 404
    work.run(kube.get(bound).json(), ready=False, phase="Failed")
    kube.delete(bound)
    assert kube.get(bound).status_code == 404


# Finalizers and owners


def test_a_finalizer_keeps_a_pod_beyond_its_grace(kube: Client, ns: Paths, n: str) -> None:
    body = pod(n, **NOWHERE)
    body["metadata"]["finalizers"] = ["example.org/stay"]
    kube.post(f"{ns.core}/pods", body)
    path = f"{ns.core}/pods/{n}"
    marked = kube.delete(path).json()["metadata"]
    assert (marked["finalizers"], marked["deletionGracePeriodSeconds"]) == (["example.org/stay"], 0)
    again = kube.post(f"{ns.core}/pods", pod(n, **NOWHERE)).json()
    assert (again["code"], again["message"]) == (409, f'object is being deleted: pods "{n}" already exists')
    refused = kube.patch(path, {"metadata": {"finalizers": ["example.org/stay", "example.org/more"]}}).json()
    assert refused["code"] == 422
    text = "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
    assert text in refused["message"]
    assert kube.patch(path, {"metadata": {"finalizers": None}}).status_code == 200
    assert kube.get(path).status_code == 404


def reference(owner: Obj, **more: object) -> Obj:
    meta = owner["metadata"]
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"], **more}


def owned(name: str, *references: Obj) -> Obj:
    body = config_map(name)
    return {**body, "metadata": {**body["metadata"], "ownerReferences": list(references)}}


def master(kube: Client, ns: Paths, name: str) -> tuple[Obj, str]:
    """An owner of a built-in kind, and its path: of a new custom kind a garbage collector learns only after a while."""
    made = kube.post(f"{ns.core}/configmaps", config_map(name)).json()
    return made, f"{ns.core}/configmaps/{name}"


DEAD = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "dead", "uid": "22222222-2222-2222-2222-222222222222"},
}


def test_dependents_go_with_their_last_owner(kube: Client, ns: Paths, n: str) -> None:
    (first, first_path), (second, second_path) = (master(kube, ns, f"{n}-{i}") for i in (1, 2))
    path = f"{ns.core}/configmaps/{n}"
    kube.post(f"{ns.core}/configmaps", owned(n, reference(first), reference(second)))
    kube.delete(first_path)
    eventually(lambda: len(kube.get(path).json()["metadata"]["ownerReferences"]) == 1)
    kube.delete(second_path)
    eventually(lambda: kube.get(path).status_code == 404)


def test_an_object_whose_owner_never_lived_is_collected(kube: Client, ns: Paths, n: str) -> None:
    kube.post(f"{ns.core}/configmaps", owned(n, reference(DEAD)))
    eventually(lambda: kube.get(f"{ns.core}/configmaps/{n}").status_code == 404)


@pytest.mark.parametrize("blocks", [True, False])
def test_a_foreground_delete_waits_only_for_dependents_that_block_it(
    kube: Client, ns: Paths, n: str, blocks: bool
) -> None:
    owner, owner_path = master(kube, ns, f"{n}-owner")
    body = owned(n, reference(owner, blockOwnerDeletion=blocks))
    body["metadata"]["finalizers"] = ["example.org/stay"]
    kube.post(f"{ns.core}/configmaps", body)
    path = f"{ns.core}/configmaps/{n}"
    kube.delete(owner_path, {"propagationPolicy": "Foreground"})
    eventually(lambda: kube.get(path).json()["metadata"].get("deletionTimestamp"))
    if blocks:
        assert kube.get(owner_path).json()["metadata"]["finalizers"] == ["foregroundDeletion"]
    else:
        eventually(lambda: kube.get(owner_path).status_code == 404)
    kube.patch(path, {"metadata": {"finalizers": None}})
    eventually(lambda: kube.get(path).status_code == 404)
    eventually(lambda: kube.get(owner_path).status_code == 404)


def test_foreground_without_dependents_is_soon_over(kube: Client, ns: Paths, n: str) -> None:
    _, path = master(kube, ns, n)
    answer = kube.delete(path, {"propagationPolicy": "Foreground"})
    assert answer.json()["metadata"]["finalizers"] == ["foregroundDeletion"]
    eventually(lambda: kube.get(path).status_code == 404)


# Namespaces


def test_a_namespace_under_deletion_refuses_new_objects_and_goes_when_empty(kube: Client, spare: Paths, n: str) -> None:
    stay = config_map("stay")
    stay["metadata"]["finalizers"] = ["example.org/stay"]
    kube.post(f"{spare.core}/configmaps", stay)
    answer = kube.delete(f"/api/v1/namespaces/{n}")
    assert (answer.status_code, answer.json()["status"]["phase"]) == (200, "Terminating")
    refused = kube.post(f"{spare.core}/configmaps", config_map("x")).json()
    why = f"unable to create new content in namespace {n} because it is being terminated"
    assert (refused["code"], refused["reason"]) == (403, "Forbidden")
    assert refused["message"] == f'configmaps "x" is forbidden: {why}'
    cause = {"reason": "NamespaceTerminating", "message": f"namespace {n} is being terminated"}
    assert refused["details"] == {
        "name": "x", "kind": "configmaps", "causes": [{**cause, "field": "metadata.namespace"}],
    }  # fmt: skip
    eventually(lambda: kube.get(f"{spare.core}/configmaps/stay").json()["metadata"].get("deletionTimestamp"))
    assert kube.patch(f"{spare.core}/configmaps/stay", {"data": {"a": "b"}}).status_code == 200
    kube.patch(f"{spare.core}/configmaps/stay", {"metadata": {"finalizers": None}})
    eventually(lambda: kube.get(f"/api/v1/namespaces/{n}").status_code == 404, 40)
