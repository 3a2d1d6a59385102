"""Constraints place real pods over three nodes as Marathon would: rack a has one node, rack b two."""

from collections import Counter
from typing import Any

import pytest

from tests.e2e.conftest import RACKS
from tests.e2e.marathon import Marathon, until

RACK_OF = {f"node{number}": rack for number, rack in RACKS.items()}
PLACED: dict[str, tuple[int, list[list[str]], list[int] | None, set[str]]] = {
    # instances, constraints, how many on each node in use (None: any), nodes that may be used
    "unique": (3, [["hostname", "UNIQUE"]], [1, 1, 1], set(RACK_OF)),
    "group-by": (6, [["hostname", "GROUP_BY"]], [2, 2, 2], set(RACK_OF)),
    "max-per": (6, [["hostname", "MAX_PER", "2"]], [2, 2, 2], set(RACK_OF)),
    "cluster": (2, [["rack", "CLUSTER", "b"]], None, {"node2", "node3"}),
    "like": (2, [["hostname", "LIKE", "node[12]"]], None, {"node1", "node2"}),
    "unlike": (2, [["rack", "UNLIKE", "b"]], [2], {"node1"}),
    "is": (2, [["hostname", "IS", "node3"]], [2], {"node3"}),
}


@pytest.fixture(scope="module")
def placed(serving: Marathon) -> Any:
    with serving.cleaned_up():
        made = [
            serving.post(id=f"/at/{name}", cmd="exec sleep 1000", instances=count, constraints=constraints)
            for name, (count, constraints, _, _) in PLACED.items()
        ]
        for deployment in made:
            serving.deployed(deployment, 90)
        yield serving


@pytest.mark.parametrize("name", PLACED)
def test_a_constraint_places_pods(placed: Marathon, name: str) -> None:
    count, _, shape, allowed = PLACED[name]
    nodes = placed.placed(f"/at/{name}")
    assert len(nodes) == count
    assert set(nodes) <= allowed
    if shape is not None:
        assert sorted(Counter(nodes).values()) == shape


def test_what_fits_nowhere_waits_and_says_why(marathon: Marathon) -> None:
    marathon.post(id="/at/none", cmd="exec sleep 1000", instances=4, constraints=[["hostname", "UNIQUE"]])
    until(lambda: len(list(filter(None, marathon.placed("/at/none")))) == 3)
    queued = until(lambda: (i := marathon.queued("/at/none"))["count"] == 1 and i)
    assert queued["delay"]["overdue"] is True
    refused = {row["reason"]: row["declined"] for row in queued["processedOffersSummary"]["rejectSummaryLaunchAttempt"]}
    assert refused["UnfulfilledConstraint"] == 3
    assert sorted(filter(None, marathon.placed("/at/none"))) == ["node1", "node2", "node3"]
