"""How far the Deployment controller goes at each step from an old template to a new one, and in which words."""

import pytest

from tests.contract.controllers.workload import Obj, Workload, name_of
from tests.processes import eventually


def strategy(surge: int | str, unavailable: int | str) -> Obj:
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}


def steps(work: Workload, n: str) -> list[list[int]]:
    """The sizes of old and new set each time that they rest, while one new pod after the other gets ready."""
    found = [work.settled(lambda: work.sizes(n))]
    while found[-1][0]:
        new = work.sets(n)[-1]["metadata"]["labels"]["pod-template-hash"]
        mine = [p for p in work.live(n) if p["metadata"]["labels"]["pod-template-hash"] == new]
        waiting = [p for p in mine if p["status"].get("phase") != "Running" and p["spec"].get("nodeName")]
        work.run(waiting[0])
        found.append(work.settled(lambda: work.sizes(n)))
        assert len(found) < 20
    return found


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (4, "25%", "25%", [[3, 2], [2, 3], [1, 4], [0, 4]]),
        (3, 1, 0, [[3, 1], [2, 2], [1, 3], [0, 3]]),
        (3, 0, 1, [[2, 1], [1, 2], [0, 3]]),
        (2, "50%", "50%", [[1, 2], [0, 2]]),
        (1, "25%", "25%", [[1, 1], [0, 1]]),
        (3, "100%", 0, [[3, 3], [2, 3], [1, 3], [0, 3]]),
        (3, 0, "10%", [[2, 1], [1, 2], [0, 3]]),
        (2, 5, 1, [[1, 2], [0, 2]]),
    ],
)
def test_surge_and_unavailability_bound_every_step(
    work: Workload, pool: dict[str, str], n: str, replicas: int, surge: int | str, unavailable: int | str,
    expected: list[list[int]],
) -> None:  # fmt: skip
    work.create(n, replicas, spec=strategy(surge, unavailable), nodeSelector=pool, terminationGracePeriodSeconds=0)
    work.running(n, replicas)
    work.retemplate(n, "2")
    eventually(lambda: len(work.sets(n)) == 2)
    assert steps(work, n) == expected


def test_unready_old_pods_go_first(work: Workload, pool: dict[str, str], n: str) -> None:
    work.create(n, 3, spec=strategy(1, 1), nodeSelector=pool)
    pods = work.bound(n, 3)
    for pod in pods:
        work.run(pod, ready=pod is not pods[0])
    eventually(lambda: work.status(n).get("readyReplicas") == 2)
    work.retemplate(n, "2")
    eventually(lambda: len(work.sets(n)) == 2)
    assert work.settled(lambda: work.sizes(n)) == [2, 2]
    assert work.doomed(n) == {name_of(pods[0])}


def test_a_scale_in_the_middle_is_shared_in_proportion(work: Workload, pool: dict[str, str], n: str) -> None:
    work.create(n, 4, spec=strategy("25%", 0), nodeSelector=pool)
    work.running(n, 4)
    work.retemplate(n, "2")
    eventually(lambda: len(work.sets(n)) == 2)
    assert work.settled(lambda: work.sizes(n)) == [4, 1]
    work.scale(n, 8)
    assert work.settled(lambda: work.sizes(n)) == [8, 2]
    work.scale(n, 4)
    assert work.settled(lambda: work.sizes(n)) == [4, 1]


def test_recreate_waits_until_the_old_pods_are_gone(work: Workload, pool: dict[str, str], n: str) -> None:
    work.create(n, 2, spec={"strategy": {"type": "Recreate"}}, nodeSelector=pool)
    old = {name_of(pod) for pod in work.running(n, 2)}
    work.retemplate(n, "2")
    eventually(lambda: work.doomed(n) == old)
    assert work.settled(lambda: work.names(n)) == old
    assert work.conditions(n)["Progressing"][1] == "NewReplicaSetAvailable", "nothing has begun"
    work.end(*old)
    work.bound(n, 2)
    assert not work.doomed(n)
    assert work.sizes(n) == [0, 2]


def test_a_new_replica_set_is_told_in_the_condition_and_the_whole_in_the_end(
    work: Workload, pool: dict[str, str], n: str
) -> None:
    work.create(n, 1, spec=strategy(1, 0), nodeSelector=pool, terminationGracePeriodSeconds=0)
    work.running(n, 1)
    work.retemplate(n, "2")
    eventually(lambda: len(work.sets(n)) == 2)
    new = work.sets(n)[-1]
    told = {  # the first remains if nothing was counted between the two writes
        ("True", "NewReplicaSetCreated", f'Created new replica set "{name_of(new)}"'),
        ("True", "ReplicaSetUpdated", f'ReplicaSet "{name_of(new)}" is progressing.'),
    }
    eventually(lambda: work.conditions(n)["Progressing"] in told)
    counts = {"replicas": 2, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "unavailableReplicas": 1}
    status = work.settled(lambda: work.status(n))
    assert {k: v for k, v in status.items() if k in counts} == counts
    assert steps(work, n) == [[1, 1], [0, 1]]
    text = f'ReplicaSet "{name_of(new)}" has successfully progressed.'
    eventually(lambda: work.conditions(n)["Progressing"] == ("True", "NewReplicaSetAvailable", text))
