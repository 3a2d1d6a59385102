"""As many active pods as wanted: who counts, who is replaced, adopted, released, left alone."""

import pytest

from tests.contract.client import Client, pod
from tests.contract.controllers.workload import NOWHERE, Workload, name_of
from tests.contract.servers import Paths
from tests.processes import eventually


def test_terminating_pods_leave_all_counts_but_one(work: Workload, pool: dict[str, str], n: str) -> None:
    work.create(n, 2, nodeSelector=pool)
    work.running(n, 2)
    work.scale(n, 1)
    status = eventually(lambda: (s := work.status(n)).get("terminatingReplicas") == 1 and s)
    names = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas", "terminatingReplicas")
    assert {name: status[name] for name in names} == dict.fromkeys(names, 1)
    assert work.sets(n)[0]["status"]["terminatingReplicas"] == 1
    assert len(work.pods(n)) == 2
    work.end(*work.doomed(n))
    eventually(lambda: work.status(n)["terminatingReplicas"] == 0)


def test_a_deleted_pod_is_replaced_while_it_still_terminates(
    kube: Client, ns: Paths, work: Workload, pool: dict[str, str], n: str
) -> None:
    work.create(n, 1, nodeSelector=pool)
    [gone] = work.running(n, 1)
    kube.delete(f"{ns.core}/pods/{name_of(gone)}")
    eventually(lambda: len(work.pods(n)) == 2)
    assert work.doomed(n) == {name_of(gone)}


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_finished_pod_is_replaced_and_its_object_stays(
    work: Workload, pool: dict[str, str], n: str, phase: str
) -> None:
    work.create(n, 1, nodeSelector=pool)
    [ended] = work.bound(n, 1)
    work.run(ended, ready=False, phase=phase)
    eventually(lambda: len(work.pods(n)) == 2)
    eventually(lambda: work.status(n).get("replicas") == 1)
    work.scale(n, 0)
    eventually(lambda: [name_of(p) for p in work.live(n)] == [name_of(ended)])
    eventually(lambda: not work.status(n).get("replicas"))
    assert work.settled(lambda: [name_of(p) for p in work.live(n)]) == [name_of(ended)]


def test_a_pod_that_loses_its_labels_is_released_and_replaced(kube: Client, ns: Paths, work: Workload, n: str) -> None:
    work.create(n, 1, **NOWHERE)
    [released] = work.made(n, 1)
    path = f"{ns.core}/pods/{name_of(released)}"
    kube.patch(path, {"metadata": {"labels": {"app": f"{n}-free"}}})
    work.made(n, 1)
    eventually(lambda: "ownerReferences" not in kube.get(path).json()["metadata"])
    kube.patch(path, {"metadata": {"labels": {"app": n}}})
    eventually(lambda: len(work.live(n)) == 1)
    kube.delete(path)


def test_a_matching_orphan_is_adopted_and_one_too_many_goes(kube: Client, ns: Paths, work: Workload, n: str) -> None:
    body = {
        "metadata": {"name": n},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": n}},
            "template": {"metadata": {"labels": {"app": n}}, "spec": pod(n, **NOWHERE)["spec"]},
        },
    }
    for name in ("a", "b"):
        assert kube.post(f"{ns.core}/pods", pod(f"{n}-{name}", labels={"app": n}, **NOWHERE)).status_code == 201
    assert kube.post(f"{ns.apps}/replicasets", body).status_code == 201
    [kept] = work.made(n, 1)
    assert name_of(kept) in (f"{n}-a", f"{n}-b")
    assert kept["metadata"]["ownerReferences"][0]["name"] == n
    status = eventually(
        lambda: (s := kube.get(f"{ns.apps}/replicasets/{n}").json()["status"]).get("replicas") == 1 and s
    )
    assert status == {"replicas": 1, "fullyLabeledReplicas": 1, "observedGeneration": 1, "terminatingReplicas": 0}
    kube.delete(f"{ns.apps}/replicasets/{n}")


def test_only_the_ready_condition_counts_as_ready(work: Workload, pool: dict[str, str], n: str) -> None:
    """Readiness gates are the kubelet's affair, which computes Ready from them."""
    work.create(n, 1, nodeSelector=pool, readinessGates=[{"conditionType": "example.org/ready"}])
    [found] = work.bound(n, 1)
    work.run(found, ready=False)
    assert work.settled(lambda: work.status(n).get("readyReplicas")) is None
    work.run(found)
    eventually(lambda: work.status(n).get("readyReplicas") == 1)
