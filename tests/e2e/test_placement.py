"""Constraints place tasks over three real nodes as a Marathon would. Racks: `a` has node1, `b` has node2 and node3."""

from collections import Counter

import pytest

from tests.e2e.marathon import Marathon, until

SLEEP = {"cmd": "sleep 1000", "cpus": 0.01, "mem": 16}


def test_unique_hosts_are_all_different_and_one_more_waits(marathon: Marathon) -> None:
    marathon.run(id="/unique", constraints=[["hostname", "UNIQUE"]], instances=3, **SLEEP)
    assert marathon.placed("/unique") == ["node1", "node2", "node3"]
    marathon.put("/unique", instances=4)

    def declined() -> int:
        summary = marathon.queued("/unique")["processedOffersSummary"]["rejectSummaryLastOffers"]
        return sum(item["declined"] for item in summary if item["reason"] == "UnfulfilledConstraint")

    until(lambda: declined() == 3)


def test_max_per_limits_what_one_host_gets(marathon: Marathon) -> None:
    marathon.run(id="/maxper", constraints=[["hostname", "MAX_PER", "2"]], instances=6, **SLEEP)
    assert Counter(marathon.placed("/maxper")) == {"node1": 2, "node2": 2, "node3": 2}


def test_group_by_spreads_over_the_racks(marathon: Marathon) -> None:
    marathon.run(id="/groupby", constraints=[["rack", "GROUP_BY"]], instances=4, **SLEEP)
    racks = Counter("a" if node == "node1" else "b" for node in marathon.placed("/groupby"))
    assert racks == {"a": 2, "b": 2}


def test_cluster_keeps_all_in_one_rack(marathon: Marathon) -> None:
    marathon.run(id="/cluster", constraints=[["rack", "CLUSTER", "b"]], instances=3, **SLEEP)
    assert set(marathon.placed("/cluster")) <= {"node2", "node3"}


@pytest.mark.parametrize(
    ("constraint", "nodes"),
    [
        (["rack", "IS", "a"], {"node1"}),
        (["rack", "LIKE", "b"], {"node2", "node3"}),
        (["rack", "UNLIKE", "a"], {"node2", "node3"}),
        (["hostname", "LIKE", "node1|node3"], {"node1", "node3"}),
        (["hostname", "UNLIKE", "node1"], {"node2", "node3"}),
    ],
)
def test_attributes_choose_the_nodes(marathon: Marathon, constraint: list[str], nodes: set[str]) -> None:
    app_id = f"/{'-'.join(constraint).lower().replace('|', '-')}"
    marathon.run(id=app_id, constraints=[constraint], instances=3, **SLEEP)
    assert set(marathon.placed(app_id)) <= nodes
