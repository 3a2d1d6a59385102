"""Placement on hand-made nodes: what a real scheduler was seen to decide, and the words it uses when it cannot."""

from typing import Any

import pytest

from gateway.simulator.scheduling.choice import Unschedulable, choose
from gateway.simulator.scheduling.snapshot import NodeState, snapshot

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
ANY = 2147483647


def node(name: str, *, cpu: str = "8", taints: list[dict[str, str]] | None = None, **labels: str) -> dict[str, Any]:
    extra = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
    return {
        "metadata": {"name": name, "labels": {HOST: name, **extra}},
        "spec": {"taints": taints or []},
        "status": {"allocatable": {"cpu": cpu, "memory": "16Gi", "pods": "110"}},
    }


def zoned(count: int, zones: str = "ab") -> list[dict[str, Any]]:
    return [node(f"n{i}", topology_kubernetes_io__zone=zones[i % len(zones)]) for i in range(count)]


def pod(
    name: str = "p", *, app: str = "a", version: str = "1", container: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "m", "labels": {"app": app, "pod-template-hash": version}},
        "spec": {"containers": [{"name": "app", **(container or {})}], **spec},
    }


def spread(skew: int, key: str = HOST, **more: Any) -> dict[str, Any]:
    rule = {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", **more}
    selector = {"labelSelector": {"matchLabels": {"app": "a"}}, "matchLabelKeys": ["pod-template-hash"]}
    return {"topologySpreadConstraints": [{**rule, **selector}]}


def apart(kind: str, key: str = HOST) -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": {"app": "a"}}, "topologyKey": key, "matchLabelKeys": ["pod-template-hash"]}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def need(*expressions: dict[str, Any]) -> dict[str, Any]:
    terms = {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def place(count: int, nodes: dict[str, NodeState], **pod_args: Any) -> dict[str, int]:
    """How many of `count` equal pods each node gets; "" counts those without a place."""
    found: dict[str, int] = {}
    for i in range(count):
        each = pod(f"p{i}", **pod_args)
        try:
            name = choose(each, nodes)
            nodes[name].add(each)
        except Unschedulable:
            name = ""
        found[name] = found.get(name, 0) + 1
    return found


def why_not(a_pod: dict[str, Any], nodes: list[dict[str, Any]], pods: list[dict[str, Any]] | None = None) -> str:
    with pytest.raises(Unschedulable) as refused:
        choose(a_pod, snapshot(nodes, pods or []))
    return str(refused.value)


def test_unique_by_spread_places_exactly_one_per_node() -> None:
    assert place(5, snapshot(zoned(3), []), **spread(1, minDomains=ANY)) == {"n0": 1, "n1": 1, "n2": 1, "": 2}


def test_max_per_by_spread_places_exactly_n_per_node() -> None:
    assert place(8, snapshot(zoned(3), []), **spread(2, minDomains=ANY)) == {"n0": 2, "n1": 2, "n2": 2, "": 2}


def test_max_per_zone_leaves_out_nodes_without_the_label() -> None:
    nodes = [*zoned(2), node("bare")]
    assert place(7, snapshot(nodes, []), **spread(2, ZONE, minDomains=ANY)) == {"n0": 2, "n1": 2, "": 3}


def test_group_by_spread_balances() -> None:
    assert sorted(place(7, snapshot(zoned(2), []), **spread(1, ZONE)).values()) == [3, 4]


def test_group_by_with_more_groups_than_zones_stops_at_one_each() -> None:
    assert place(4, snapshot(zoned(2), []), **spread(1, ZONE, minDomains=3)) == {"n0": 1, "n1": 1, "": 2}


def test_spread_does_not_count_the_other_version() -> None:
    nodes = snapshot(zoned(2), [])
    assert place(2, nodes, version="1", **spread(1, minDomains=ANY)) == {"n0": 1, "n1": 1}
    assert place(2, nodes, version="2", **spread(1, minDomains=ANY)) == {"n0": 1, "n1": 1}


def test_cluster_by_affinity_stays_in_the_zone_of_the_first() -> None:
    found = place(5, snapshot(zoned(4), []), **apart("podAffinity", ZONE))
    assert set(found) in ({"n0", "n2"}, {"n1", "n3"})


def test_anti_affinity_places_one_per_node_and_version() -> None:
    nodes = snapshot(zoned(2), [])
    assert place(3, nodes, version="1", **apart("podAntiAffinity")) == {"n0": 1, "n1": 1, "": 1}
    assert place(2, nodes, version="2", **apart("podAntiAffinity")) == {"n0": 1, "n1": 1}


@pytest.mark.parametrize(("rule", "reused"), [(spread(1, minDomains=ANY), True), (apart("podAntiAffinity"), False)])
def test_a_terminating_pod_blocks_its_node_for_anti_affinity_only(rule: dict[str, Any], reused: bool) -> None:
    going = pod("old", nodeName="n0", **rule)
    going["metadata"]["deletionTimestamp"] = "2024-05-01T10:00:00Z"
    nodes = snapshot([node("n0")], [going])
    assert place(1, nodes, **rule) == ({"n0": 1} if reused else {"": 1})


def test_pods_without_rules_spread_over_the_nodes() -> None:
    assert place(6, snapshot(zoned(3), [])) == {"n0": 2, "n1": 2, "n2": 2}


def test_a_node_label_can_be_required_or_refused() -> None:
    nodes = [node("n0", rack="1"), node("n1", rack="2"), node("n2")]
    wanted = need({"key": "rack", "operator": "In", "values": ["2", "3"]})
    unwanted = need({"key": "rack", "operator": "NotIn", "values": ["1"]})
    assert place(2, snapshot(nodes, []), **wanted) == {"n1": 2}
    assert place(2, snapshot(nodes, []), **unwanted) == {"n1": 1, "n2": 1}


def test_one_host_port_per_node_and_protocol() -> None:
    nodes = snapshot(zoned(2), [])
    for protocol in ("TCP", "UDP"):
        ports = {"ports": [{"containerPort": 80, "hostPort": 31000, "protocol": protocol}]}
        assert place(3, nodes, container=ports) == {"n0": 1, "n1": 1, "": 1}


def test_finished_pods_take_no_place() -> None:
    big = {"resources": {"requests": {"cpu": "8"}}}
    done = {**pod("done", nodeName="n0", container=big), "status": {"phase": "Failed"}}
    assert choose(pod(container=big), snapshot([node("n0")], [done])) == "n0"


def test_a_missing_attribute_is_told_in_the_schedulers_words() -> None:
    text = why_not(pod(**need({"key": "no-such", "operator": "Exists"})), zoned(3))
    assert text == (
        "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. "
        "no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )


def test_reasons_are_counted_over_the_nodes() -> None:
    taint = [{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}]
    nodes = [node("n0", cpu="1"), node("n1", cpu="1"), node("n2", taints=taint)]
    busy = pod("busy", nodeName="n0", container={"resources": {"requests": {"cpu": "600m"}}})
    text = why_not(pod(container={"resources": {"requests": {"cpu": "1", "memory": "64Gi"}}}), nodes, [busy])
    assert text.startswith(
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), "
        "2 Insufficient memory. no new claims to deallocate, preemption: 0/3 nodes are available: "
    )


def test_no_nodes_at_all() -> None:
    assert why_not(pod(), []) == "no nodes available to schedule pods"


def test_a_cordoned_node_is_left_out() -> None:
    cordoned = node("n0")
    cordoned["spec"]["unschedulable"] = True
    assert why_not(pod(), [cordoned]).startswith("0/1 nodes are available: 1 node(s) were unschedulable. ")


def test_a_toleration_opens_a_tainted_node() -> None:
    nodes = snapshot([node("n0", taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}])], [])
    assert place(1, nodes) == {"": 1}
    assert place(1, nodes, tolerations=[{"key": "gpu", "operator": "Equal", "value": "yes"}]) == {"n0": 1}
    assert place(1, nodes, tolerations=[{"operator": "Exists"}]) == {"n0": 1}
