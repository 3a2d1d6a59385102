"""Whom a scale-down takes: each rank of the ReplicaSet controller alone."""

from collections import Counter

import pytest

from tests.contract.controllers.workload import Obj, Workload, name_of
from tests.processes import eventually

DAY_S = 24 * 3600


@pytest.fixture
def four(work: Workload, one: dict[str, str], n: str) -> list[Obj]:
    """Four pods on one node, so that co-location does not decide."""
    work.create(n, 4, nodeSelector=one)
    return work.bound(n, 4)


def shrink(work: Workload, n: str, ready: int) -> set[str]:
    """Scales to three once the set has seen what the test did to the pods; who goes."""
    eventually(lambda: work.sets(n)[0]["status"].get("readyReplicas", 0) == ready)
    work.scale(n, 3)
    return eventually(lambda: work.doomed(n))


def test_lower_cost_goes_first_among_ready_pods(work: Workload, four: list[Obj], n: str) -> None:
    for pod in four:
        work.run(pod)
    work.cost(four[2], -10)
    assert shrink(work, n, 4) == {name_of(four[2])}


def test_an_unready_pod_goes_before_the_cheapest_ready_one(work: Workload, four: list[Obj], n: str) -> None:
    for pod in four:
        work.run(pod, ready=pod is not four[3])
    work.cost(four[0], -1000)
    assert shrink(work, n, 3) == {name_of(four[3])}


def test_a_pending_pod_goes_before_the_cheapest_running_one(work: Workload, four: list[Obj], n: str) -> None:
    for pod in four[:3]:
        work.run(pod, ready=False)
    work.cost(four[0], -1000)
    assert shrink(work, n, 0) == {name_of(four[3])}


def test_cost_decides_among_unready_pods(work: Workload, four: list[Obj], n: str) -> None:
    for index, pod in enumerate(four):
        work.run(pod, ready=index < 2)
    work.cost(four[0], -1000)
    work.cost(four[2], -1)
    assert shrink(work, n, 2) == {name_of(four[2])}


def test_who_became_ready_last_goes_first(work: Workload, four: list[Obj], n: str) -> None:
    for pod in four:
        work.run(pod, age_s=10 if pod is four[1] else DAY_S)
    assert shrink(work, n, 4) == {name_of(four[1])}


def test_more_restarts_go_first_at_equal_age(work: Workload, four: list[Obj], n: str) -> None:
    for pod in four:
        work.run(pod, age_s=DAY_S, restarts=5 if pod is four[1] else 0)
    assert shrink(work, n, 4) == {name_of(four[1])}


def test_an_unplaced_pod_goes_before_a_placed_one(work: Workload, one: dict[str, str], n: str) -> None:
    ports = {"ports": [{"containerPort": 80, "hostPort": 31999}]}
    work.create(n, 2, container=ports, nodeSelector=one)
    [placed] = work.bound(n, 1)
    work.cost(placed, -1000)
    eventually(lambda: len(work.pods(n)) == 2)
    work.scale(n, 1)
    assert eventually(lambda: work.names(n) == {name_of(placed)})


@pytest.mark.parametrize("cheap", [False, True])
def test_a_pod_with_a_neighbour_goes_before_a_younger_lone_one_unless_that_costs_less(
    work: Workload, pool: dict[str, str], n: str, cheap: bool
) -> None:
    rule = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    spread = [{**rule, "labelSelector": {"matchLabels": {"app": n}}}]
    work.create(n, 4, nodeSelector=pool, topologySpreadConstraints=spread)
    pods = work.bound(n, 4)
    where = Counter(pod["spec"]["nodeName"] for pod in pods)
    lone = [pod for pod in pods if where[pod["spec"]["nodeName"]] == 1]
    for pod in pods:
        work.run(pod, age_s=10 if pod in lone else DAY_S)
    if cheap:
        work.cost(lone[0], -1)
    victims = shrink(work, n, 4)
    together = {name_of(pod) for pod in pods if pod not in lone}
    assert victims == {name_of(lone[0])} if cheap else victims < together
