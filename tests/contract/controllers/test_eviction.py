"""PodDisruptionBudgets: what they count, and what an eviction is told."""

import pytest

from tests.contract.client import Client
from tests.contract.controllers.workload import Obj, Workload, name_of
from tests.contract.servers import Paths
from tests.processes import eventually

REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget."


def evict(kube: Client, ns: Paths, pod: str, **options: object) -> Obj:
    order = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}, **options}
    return kube.post(f"{ns.core}/pods/{pod}/eviction", order).json()  # type: ignore[no-any-return]


def budget(kube: Client, ns: Paths, name: str, **spec: object) -> str:
    path = f"{ns.policy}/poddisruptionbudgets"
    body = {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": name}}, **spec}}
    made = kube.post(path, body)
    assert made.status_code == 201, made.text
    return f"{path}/{name}"


def counts(kube: Client, path: str) -> tuple[int, int, int, int]:
    """Allowed, healthy, desired, expected."""
    status = kube.get(path).json().get("status", {})
    names = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    return tuple(status.get(name, -1) for name in names)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 1}, (2, 3, 1, 3)),
        ({"minAvailable": "50%"}, (1, 3, 2, 3)),
        ({"maxUnavailable": 1}, (1, 3, 2, 3)),
        ({"maxUnavailable": "50%"}, (2, 3, 1, 3)),
        ({"maxUnavailable": 0}, (0, 3, 3, 3)),
    ],
)
def test_a_budget_counts_healthy_pods(
    kube: Client, ns: Paths, work: Workload, pool: dict[str, str], n: str, spec: Obj, expected: tuple[int, ...]
) -> None:
    work.create(n, 3, nodeSelector=pool)
    work.running(n, 3)
    path = budget(kube, ns, n, **spec)
    eventually(lambda: counts(kube, path) == expected)
    status = kube.get(path).json()["status"]
    assert status["observedGeneration"] == 1
    [condition] = status["conditions"]
    reason = "SufficientPods" if expected[0] else "InsufficientPods"
    known = {k: condition[k] for k in ("type", "status", "reason", "message", "observedGeneration")}
    assert known == {
        "type": "DisruptionAllowed", "status": "True" if expected[0] else "False", "reason": reason, "message": "",
        "observedGeneration": 1,
    }  # fmt: skip


def test_an_eviction_is_refused_when_the_budget_is_spent_and_marks_its_pod_else(
    kube: Client, ns: Paths, work: Workload, pool: dict[str, str], n: str
) -> None:
    work.create(n, 2, nodeSelector=pool)
    first, second = (name_of(pod) for pod in work.running(n, 2))
    path = budget(kube, ns, n, minAvailable=1)
    eventually(lambda: counts(kube, path) == (1, 2, 1, 2))

    assert evict(kube, ns, first)["status"] == "Success"
    marked = kube.get(f"{ns.core}/pods/{first}").json()
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    [condition] = [c for c in marked["status"]["conditions"] if c["type"] == "DisruptionTarget"]
    assert {k: condition[k] for k in ("status", "reason", "message")} == {
        "status": "True", "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting",
    }  # fmt: skip

    answer = kube.post(
        f"{ns.core}/pods/{second}/eviction",
        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": second}},
    )
    refused = answer.json()
    assert (answer.status_code, refused["reason"]) == (429, "TooManyRequests")
    assert refused["message"] == REFUSAL
    [cause] = refused["details"]["causes"]
    assert cause["reason"] == "DisruptionBudget"
    eventually(lambda: counts(kube, path)[:3] == (0, 1, 1))
    [cause] = evict(kube, ns, second)["details"]["causes"]
    assert cause["message"] == f"The disruption budget {n} needs 1 healthy pods and has 1 currently"
    assert "retry-after" not in answer.headers
    assert "deletionTimestamp" not in kube.get(f"{ns.core}/pods/{second}").json()["metadata"]
    kube.delete(path)
    eventually(lambda: evict(kube, ns, second)["status"] == "Success")
    work.end(first, second)


def test_unready_and_pending_pods_are_evicted_as_the_budget_allows(
    kube: Client, ns: Paths, work: Workload, pool: dict[str, str], n: str
) -> None:
    work.create(n, 3, nodeSelector=pool)
    healthy, unready, pending = work.bound(n, 3)
    work.run(healthy)
    work.run(unready, ready=False)
    path = budget(kube, ns, n, minAvailable=2)
    eventually(lambda: counts(kube, path) == (0, 1, 2, 3))
    assert evict(kube, ns, name_of(unready))["message"] == REFUSAL
    assert evict(kube, ns, name_of(pending))["status"] == "Success", "what never ran is nobody's loss"
    kube.patch(path, {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}})
    eventually(lambda: kube.get(path).json()["status"]["observedGeneration"] == 2)
    assert evict(kube, ns, name_of(unready))["status"] == "Success"


def test_two_budgets_over_one_pod_allow_no_eviction(
    kube: Client, ns: Paths, work: Workload, pool: dict[str, str], n: str
) -> None:
    work.create(n, 1, nodeSelector=pool)
    [pod] = work.running(n, 1)
    for path in [budget(kube, ns, n, minAvailable=0), _second(kube, ns, n)]:
        eventually(lambda path=path: counts(kube, path)[1] == 1)
    refused = evict(kube, ns, name_of(pod))
    text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    assert (refused["code"], refused.get("reason"), refused["message"]) == (500, None, text)


def _second(kube: Client, ns: Paths, n: str) -> str:
    path = f"{ns.policy}/poddisruptionbudgets"
    body = {"metadata": {"name": f"{n}-2"}, "spec": {"selector": {"matchLabels": {"app": n}}, "minAvailable": 0}}
    assert kube.post(path, body).status_code == 201
    return f"{path}/{n}-2"


def test_an_eviction_of_nothing_is_404_and_a_dry_run_evicts_nothing(
    kube: Client, ns: Paths, work: Workload, pool: dict[str, str], n: str
) -> None:
    assert evict(kube, ns, "no-such")["reason"] == "NotFound"
    work.create(n, 1, nodeSelector=pool)
    [pod] = work.running(n, 1)
    assert evict(kube, ns, name_of(pod), deleteOptions={"dryRun": ["All"]})["status"] == "Success"
    wrong = {"preconditions": {"uid": "22222222-2222-2222-2222-222222222222"}}
    assert evict(kube, ns, name_of(pod), deleteOptions=wrong)["code"] == 409
    assert "deletionTimestamp" not in kube.get(f"{ns.core}/pods/{name_of(pod)}").json()["metadata"]
