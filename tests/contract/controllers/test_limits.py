"""ResourceQuota and LimitRange: what they refuse, in which words, what they count and fill in."""

import pytest

from tests.contract.client import Client, deployment, pod
from tests.contract.controllers.workload import NOWHERE, Obj, Workload, name_of
from tests.contract.servers import Paths
from tests.processes import eventually


def quota(kube: Client, ns: Paths, name: str = "q", **spec: object) -> str:
    """Makes a quota and waits until it has counted; its path."""
    path = f"{ns.core}/resourcequotas"
    made = kube.post(path, {"metadata": {"name": name}, "spec": spec})
    assert made.status_code == 201, made.text
    eventually(lambda: kube.get(f"{path}/{name}").json().get("status", {}).get("used"))
    return f"{path}/{name}"


def asking(name: str, **requests: str) -> Obj:
    return pod(name, container={"resources": {"requests": requests}}, **NOWHERE)


def used(kube: Client, path: str) -> dict[str, str]:
    return kube.get(path).json()["status"]["used"]  # type: ignore[no-any-return]


def test_a_quota_refuses_what_exceeds_it_and_counts_what_is_there(kube: Client, spare: Paths) -> None:
    hard = {"pods": "3", "requests.cpu": "1", "limits.memory": "1Gi"}
    path = quota(kube, spare, hard=hard)
    assert kube.get(path).json()["status"] == {
        "hard": hard,
        "used": {"pods": "0", "requests.cpu": "0", "limits.memory": "0"},
    }
    refused = kube.post(f"{spare.core}/pods", pod("bare")).json()
    assert (refused["code"], refused["reason"]) == (403, "Forbidden")
    why = "failed quota: q: must specify limits.memory for: app; requests.cpu for: app"
    assert refused["message"] == f'pods "bare" is forbidden: {why}'

    def sized(name: str, cpu: str, memory: str) -> Obj:
        resources = {"requests": {"cpu": cpu}, "limits": {"memory": memory}}
        return pod(name, container={"resources": resources}, **NOWHERE)

    assert kube.post(f"{spare.core}/pods", sized("a", "500m", "256Mi")).status_code == 201
    assert used(kube, path) == {"pods": "1", "requests.cpu": "500m", "limits.memory": "256Mi"}
    refused = kube.post(f"{spare.core}/pods", sized("b", "700m", "800Mi")).json()
    asked = "requested: limits.memory=800Mi,requests.cpu=700m, used: limits.memory=256Mi,requests.cpu=500m"
    why = f"exceeded quota: q, {asked}, limited: limits.memory=1Gi,requests.cpu=1"
    assert refused["message"] == f'pods "b" is forbidden: {why}'
    assert refused["details"] == {"name": "b", "kind": "pods"}
    assert kube.post(f"{spare.core}/pods", sized("b", "500m", "768Mi")).status_code == 201
    assert used(kube, path) == {"pods": "2", "requests.cpu": "1", "limits.memory": "1Gi"}
    kube.delete(f"{spare.core}/pods/a")
    eventually(lambda: used(kube, path) == {"pods": "1", "requests.cpu": "500m", "limits.memory": "768Mi"})


def test_a_dry_run_is_refused_too_and_counts_nothing(kube: Client, spare: Paths) -> None:
    path = quota(kube, spare, hard={"pods": "0"})
    refused = kube.post(f"{spare.core}/pods", pod("a"), dryRun="All").json()
    text = "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0"
    assert refused["message"] == f'pods "a" is forbidden: {text}'
    kube.patch(path, {"spec": {"hard": {"pods": "1"}}})
    eventually(lambda: kube.post(f"{spare.core}/pods", pod("a"), dryRun="All").status_code == 201)
    assert used(kube, path) == {"pods": "0"}


def test_objects_are_counted_by_kind(kube: Client, spare: Paths) -> None:
    quota(kube, spare, hard={"count/secrets": "1", "count/deployments.apps": "1"})
    assert kube.post(f"{spare.core}/secrets", {"metadata": {"name": "a"}}).status_code == 201
    refused = kube.post(f"{spare.core}/secrets", {"metadata": {"name": "b"}}).json()
    text = "exceeded quota: q, requested: count/secrets=1, used: count/secrets=1, limited: count/secrets=1"
    assert refused["message"] == f'secrets "b" is forbidden: {text}'
    body = deployment("a", spec={"replicas": 0})
    assert kube.post(f"{spare.apps}/deployments", body).status_code == 201
    refused = kube.post(f"{spare.apps}/deployments", deployment("b", spec={"replicas": 0})).json()
    key = "count/deployments.apps"
    text = f"exceeded quota: q, requested: {key}=1, used: {key}=1, limited: {key}=1"
    assert refused["message"] == f'deployments.apps "b" is forbidden: {text}'
    assert refused["details"] == {"name": "b", "group": "apps", "kind": "deployments"}


def test_finished_pods_are_not_counted(kube: Client, spare: Paths) -> None:
    path = quota(kube, spare, hard={"pods": "1"})
    work = Workload(kube, spare)
    kube.post(f"{spare.core}/pods", pod("a", **NOWHERE))
    assert used(kube, path) == {"pods": "1"}
    work.run({"metadata": {"name": "a"}}, ready=False, phase="Succeeded")
    eventually(lambda: used(kube, path) == {"pods": "0"})
    assert kube.post(f"{spare.core}/pods", pod("b", **NOWHERE)).status_code == 201


def test_a_quota_may_speak_of_best_effort_pods_only(kube: Client, spare: Paths) -> None:
    quota(kube, spare, hard={"pods": "0"}, scopes=["BestEffort"])
    assert kube.post(f"{spare.core}/pods", asking("a", cpu="1")).status_code == 201
    assert kube.post(f"{spare.core}/pods", pod("b")).status_code == 403


def test_pods_refused_by_a_quota_show_as_replica_failure_until_there_is_room(kube: Client, spare: Paths) -> None:
    path = quota(kube, spare, hard={"pods": "1"})
    work = Workload(kube, spare)
    work.create("d", 2, **NOWHERE)
    [made] = work.made("d", 1)
    [owner] = work.sets("d")
    status, reason, message = eventually(lambda: work.conditions("d").get("ReplicaFailure"))
    assert (status, reason) == ("True", "FailedCreate")
    assert message.startswith(f'pods "{name_of(owner)}-')
    refusal = "is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"
    assert message.endswith(f'" {refusal}')
    assert work.sets("d")[0]["status"]["conditions"][0]["type"] == "ReplicaFailure"
    event = eventually(lambda: work.events(name_of(owner)).get("FailedCreate"))
    assert event.startswith("Error creating: pods ")
    assert event.endswith(refusal)
    assert [name_of(p) for p in work.live("d")] == [name_of(made)]
    kube.patch(path, {"spec": {"hard": {"pods": "5"}}})
    work.made("d", 2)
    eventually(lambda: "ReplicaFailure" not in work.conditions("d"))
    assert "conditions" not in work.sets("d")[0]["status"]


def test_an_invalid_pod_shows_as_replica_failure(work: Workload, n: str) -> None:
    rule = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    both = {**rule, "labelSelector": {"matchLabels": {"app": n}}, "matchLabelKeys": ["app"]}
    work.create(n, 1, topologySpreadConstraints=[both])
    _, reason, message = eventually(lambda: work.conditions(n).get("ReplicaFailure"))
    assert reason == "FailedCreate"
    assert 'Invalid value: "app": exists in both matchLabelKeys and labelSelector' in message
    assert work.pods(n) == []


@pytest.fixture
def limited(kube: Client, spare: Paths) -> Paths:
    limit = {
        "type": "Container",
        "default": {"cpu": "500m"},
        "defaultRequest": {"cpu": "100m"},
        "min": {"cpu": "50m"},
        "max": {"cpu": "1"},
    }
    total = {"type": "Pod", "max": {"memory": "1Gi"}}
    made = kube.post(f"{spare.core}/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [limit, total]}})
    assert made.status_code == 201, made.text
    eventually(lambda: kube.post(f"{spare.core}/pods", sized(cpu="2"), dryRun="All").status_code == 403)
    return spare


def sized(*, memory: str = "1Mi", **limits: str) -> Obj:
    return pod("p", container={"resources": {"limits": {"memory": memory, **limits}}}, **NOWHERE)


def test_a_limit_range_fills_pods_not_templates(kube: Client, limited: Paths) -> None:
    made = kube.post(f"{limited.core}/pods", sized(), dryRun="All").json()
    resources = made["spec"]["containers"][0]["resources"]
    assert resources == {"limits": {"cpu": "500m", "memory": "1Mi"}, "requests": {"cpu": "100m", "memory": "1Mi"}}
    text = "LimitRanger plugin set: cpu request for container app; cpu limit for container app"
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == text
    own = kube.post(f"{limited.core}/pods", sized(cpu="800m"), dryRun="All").json()
    assert own["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "800m"
    assert "kubernetes.io/limit-ranger" not in own["metadata"].get("annotations", {})
    template = kube.post(f"{limited.apps}/deployments", deployment("d"), dryRun="All").json()["spec"]["template"]
    assert template["spec"]["containers"][0]["resources"] == {}


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"cpu": "2"}, "maximum cpu usage per Container is 1, but limit is 2"),
        ({"cpu": "10m"}, "minimum cpu usage per Container is 50m, but request is 10m"),
        ({"memory": "2Gi"}, "maximum memory usage per Pod is 1Gi, but limit is 2Gi"),
        (
            {"memory": "2Gi", "cpu": "1100m"},
            "[maximum cpu usage per Container is 1, but limit is 1100m, "
            "maximum memory usage per Pod is 1Gi, but limit is 2Gi]",
        ),
    ],
)
def test_a_limit_range_refuses_what_is_outside_it(
    kube: Client, limited: Paths, limits: dict[str, str], why: str
) -> None:
    refused = kube.post(f"{limited.core}/pods", sized(**limits)).json()
    assert (refused["code"], refused["reason"]) == (403, "Forbidden")
    assert refused["message"] == f'pods "p" is forbidden: {why}'


def test_pods_refused_by_a_limit_range_show_as_replica_failure(kube: Client, limited: Paths) -> None:
    work = Workload(kube, limited)
    work.create("d", 1, container={"resources": {"limits": {"cpu": "3", "memory": "1Mi"}}})
    _, reason, message = eventually(lambda: work.conditions("d").get("ReplicaFailure"))
    assert reason == "FailedCreate"
    assert message.endswith('" is forbidden: maximum cpu usage per Container is 1, but limit is 3')
