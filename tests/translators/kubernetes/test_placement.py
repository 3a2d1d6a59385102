from typing import Any

import pytest

from translators.kubernetes.placement import placement
from translators.kubernetes.platform import Platform

SELECTOR = {"x/id-hash": "a", "x/config-hash": "b"}
NEAR = {"labelSelector": {"matchLabels": SELECTOR}}
ENDLESS = 2147483647


def placed(*constraints: list[str], **settings: Any) -> dict[str, Any]:
    return placement({"constraints": list(constraints)}, SELECTOR, Platform(**settings))


def node_terms(found: dict[str, Any]) -> list[dict[str, Any]]:
    required = found["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    terms: list[dict[str, Any]] = required["nodeSelectorTerms"][0]["matchExpressions"]
    return terms


def spread(key: str, skew: int, domains: int | None, *, grouped: bool = False) -> dict[str, Any]:
    return {
        "maxSkew": skew,
        **({"minDomains": domains} if domains else {}),
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule",
        **({"nodeAffinityPolicy": "Honor", "nodeTaintsPolicy": "Honor"} if grouped else {}),
        **NEAR,
    }


HOST, ZONE, RACK = "kubernetes.io/hostname", "topology.kubernetes.io/zone", "attribute.marathon-gateway.io/rack"


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        ([["hostname", "UNIQUE"]], [spread(HOST, 1, ENDLESS)]),
        ([["@hostname", "UNIQUE"], ["hostname", "UNIQUE"]], [spread(HOST, 1, ENDLESS)]),
        ([["rack", "MAX_PER", "3"]], [spread(RACK, 3, ENDLESS)]),
        ([["rack", "MAX_PER", "3"], ["rack", "MAX_PER", "2"]], [spread(RACK, 2, ENDLESS)]),
        ([["@zone", "GROUP_BY"]], [spread(ZONE, 1, None, grouped=True)]),
        ([["@zone", "GROUP_BY", "3"]], [spread(ZONE, 1, 3, grouped=True)]),
        (
            [["hostname", "UNIQUE"], ["@zone", "GROUP_BY"]],
            [spread(HOST, 1, ENDLESS), spread(ZONE, 1, None, grouped=True)],
        ),
    ],
)
def test_counting_constraints_are_spread_constraints(
    constraints: list[list[str]], expected: list[dict[str, Any]]
) -> None:
    assert placed(*constraints) == {"topologySpreadConstraints": expected}


def test_unique_and_grouped_on_one_field_share_no_spread_constraint() -> None:
    found = placed(["rack", "UNIQUE"], ["rack", "GROUP_BY"])
    assert found["topologySpreadConstraints"] == [spread(RACK, 1, None, grouped=True)]
    apart = found["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart == [{**NEAR, "topologyKey": RACK}]


@pytest.mark.parametrize(
    "constraints", [[["a", "MAX_PER", "2"], ["a", "GROUP_BY"]], [["a", "GROUP_BY"], ["a", "MAX_PER", "2"]]]
)
def test_no_field_ever_has_two_spread_constraints(constraints: list[list[str]]) -> None:
    keys = [term["topologyKey"] for term in placed(*constraints)["topologySpreadConstraints"]]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("constraint", "operator", "values"),
    [
        (["rack", "IS", "r-1"], "In", ["r-1"]),
        (["rack", "CLUSTER", "r-1"], "In", ["r-1"]),
        (["rack", "LIKE", "r-[12]"], "In", ["r-1", "r-2"]),
        (["rack", "UNLIKE", "a|b"], "NotIn", ["a", "b"]),
    ],
)
def test_constraints_on_values_are_node_affinity(constraint: list[str], operator: str, values: list[str]) -> None:
    assert node_terms(placed(constraint)) == [{"key": RACK, "operator": operator, "values": values}]


def test_a_cluster_without_value_stays_where_its_first_pod_went() -> None:
    found = placed(["rack", "CLUSTER"])
    assert node_terms(found) == [{"key": RACK, "operator": "Exists"}]
    together = found["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert together == [{**NEAR, "topologyKey": RACK}]


def test_attributes_may_be_mapped_to_labels_of_the_cluster() -> None:
    found = placed(["rack", "IS", "r"], attributes={"rack": "example.com/rack"})
    assert node_terms(found)[0]["key"] == "example.com/rack"


def test_an_app_without_constraints_may_run_anywhere() -> None:
    assert placed() == {}
