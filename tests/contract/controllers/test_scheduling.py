"""Where pods go and what is said when they go nowhere. Messages count all nodes of the cluster, so the tests name only theirs."""

import re
from collections import Counter
from typing import Any

import pytest

from tests.contract.client import Client, pod
from tests.contract.controllers.conftest import Nodes
from tests.contract.controllers.workload import Obj, Workload
from tests.contract.servers import Paths
from tests.processes import eventually

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
ANY = 2147483647
ELSEWHERE = "node(s) didn't match Pod's node affinity/selector"


def spread(app: str, skew: int, key: str = HOST, **more: Any) -> list[Obj]:
    base = {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule"}
    return [{**base, "labelSelector": {"matchLabels": {"app": app}}, "matchLabelKeys": ["pod-template-hash"], **more}]


def term(kind: str, app: str, key: str = HOST) -> Obj:
    rule = {
        "labelSelector": {"matchLabels": {"app": app}},
        "topologyKey": key,
        "matchLabelKeys": ["pod-template-hash"],
    }
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [rule]}}


def need(*expressions: Obj) -> Obj:
    terms = {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def selector(names: list[str]) -> dict[str, str]:
    return {"pool": names[0].rpartition("-")[0]}


def placed(work: Workload, app: str, expected: int) -> Counter[str]:
    """The live pods of each node once so many have one and the others were told that they have none."""

    def quiet() -> bool:
        pods = work.live(app)
        waiting = [p for p in pods if not p["spec"].get("nodeName")]
        wanted = sum(s["spec"]["replicas"] for s in work.sets(app))
        return len(pods) == wanted and len(pods) - len(waiting) == expected and all(map(said, waiting))

    eventually(quiet)
    return Counter(p["spec"]["nodeName"] for p in work.live(app) if p["spec"].get("nodeName"))


def said(found: Obj) -> Obj | None:
    conditions = found["status"].get("conditions", [])
    return next((c for c in conditions if (c["type"], c["status"]) == ("PodScheduled", "False")), None)


def why(work: Workload, kube: Client, name: str) -> tuple[list[str], list[str]]:
    """Why the pod is not placed, and why preemption does not help: each as the counted reasons, all nodes but this
    test's own left out."""
    path = f"{work.ns.core}/pods/{name}"
    message = eventually(lambda: (c := said(kube.get(path).json())) and c["reason"] == "Unschedulable" and c["message"])
    total = r"0/\d+ nodes are available: "
    found = re.fullmatch(rf"{total}(.*)\. no new claims to deallocate, preemption: {total}(.*)\.", message)
    assert found, message
    event = eventually(lambda: work.events(name).get("FailedScheduling"))
    assert event == message
    reasons, preemption = (group.split(", ") for group in found.groups())
    return [r for r in reasons if ELSEWHERE not in r], preemption


def refused(work: Workload, kube: Client, n: str, names: list[str], **spec: Any) -> list[str]:
    container = spec.pop("container", None)
    body = pod(n, container=container, nodeSelector=selector(names), **spec)
    assert kube.post(f"{work.ns.core}/pods", body).status_code == 201
    return why(work, kube, n)[0]


# Placing


@pytest.mark.parametrize(("skew", "wanted", "each"), [(1, 5, [1, 1, 1]), (2, 8, [2, 2, 2])])
def test_a_spread_with_boundless_domains_places_so_many_per_node(
    work: Workload, pool: dict[str, str], n: str, skew: int, wanted: int, each: list[int]
) -> None:
    work.create(n, wanted, nodeSelector=pool, topologySpreadConstraints=spread(n, skew, minDomains=ANY))
    assert sorted(placed(work, n, sum(each)).values()) == each


def test_zones_are_filled_and_nodes_without_one_left_out(work: Workload, nodes: Nodes, n: str) -> None:
    names = [*nodes(2, **{ZONE: ["a", "b"]}), *nodes(1)]
    for app, constraints, wanted, expected in (
        (f"{n}-max", spread(f"{n}-max", 2, ZONE, minDomains=ANY), 7, [2, 2]),
        (f"{n}-by", spread(f"{n}-by", 1, ZONE, nodeTaintsPolicy="Honor"), 7, [3, 4]),
        (f"{n}-by3", spread(f"{n}-by3", 1, ZONE, minDomains=3), 4, [1, 1]),
    ):
        work.create(app, wanted, nodeSelector=selector(names), topologySpreadConstraints=constraints)
        found = placed(work, app, sum(expected))
        assert sorted(found.values()) == expected
        assert names[2] not in found


def test_affinity_stays_in_the_zone_of_the_first(work: Workload, nodes: Nodes, n: str) -> None:
    names = nodes(4, **{ZONE: ["a", "b"]})
    affinity = {**term("podAffinity", n, ZONE), **need({"key": ZONE, "operator": "Exists"})}
    work.create(n, 5, nodeSelector=selector(names), affinity=affinity)
    found = set(placed(work, n, 5))
    assert found <= {names[0], names[2]} or found <= {names[1], names[3]}


@pytest.mark.parametrize(
    ("expression", "places"),
    [
        ({"key": "x", "operator": "In", "values": ["1"]}, {0}),
        ({"key": "x", "operator": "NotIn", "values": ["1"]}, {1, 2}),
        ({"key": "x", "operator": "Exists"}, {0, 1}),
        ({"key": "x", "operator": "DoesNotExist"}, {2}),
        ({"key": "x", "operator": "Gt", "values": ["1"]}, {1}),
        ({"key": "x", "operator": "Lt", "values": ["5"]}, {0}),
    ],
)
def test_node_affinity(work: Workload, xs: list[str], n: str, expression: Obj, places: set[int]) -> None:
    work.create(n, 3, nodeSelector=selector(xs), affinity=need(expression))
    assert set(placed(work, n, 3)) <= {xs[index] for index in places}


@pytest.fixture
def xs(kube: Client, nodes: Nodes) -> list[str]:
    """Three nodes with x=1, x=5 and without."""
    return [*nodes(2, x=["1", "5"]), *nodes(1)]


@pytest.mark.parametrize("kind", ["spread", "anti-affinity"])
def test_unique_counts_neither_other_versions_nor_twice(
    work: Workload, pool: dict[str, str], n: str, kind: str
) -> None:
    for version in ("1", "2"):
        labels = {"app": f"{n}-{version}", "both": n}
        rule = (
            {"topologySpreadConstraints": [{**c, "labelSelector": {"matchLabels": {"both": n}}} for c in spread(n, 1, minDomains=ANY)]}
            if kind == "spread"
            else {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {"matchLabels": {"both": n}}, "topologyKey": HOST, "matchLabelKeys": ["pod-template-hash"]}]}}}
        )  # fmt: skip
        work.create(f"{n}-{version}", 4, labels=labels, nodeSelector=pool, **rule)
    for version in ("1", "2"):
        assert sorted(placed(work, f"{n}-{version}", 3).values()) == [1, 1, 1]


@pytest.mark.parametrize(("kind", "reused"), [("spread", True), ("anti-affinity", False)])
def test_a_terminating_pod_keeps_its_node_from_anti_affinity_only(
    kube: Client, work: Workload, one: dict[str, str], n: str, kind: str, reused: bool
) -> None:
    rule: Obj = {"topologySpreadConstraints": spread(n, 1, minDomains=ANY)}
    rule = rule if kind == "spread" else {"affinity": term("podAntiAffinity", n)}
    work.create(n, 1, nodeSelector=one, **rule)
    [first] = work.running(n, 1)
    kube.delete(f"{work.ns.core}/pods/{first['metadata']['name']}")
    eventually(lambda: len(work.pods(n)) == 2)
    assert sum(placed(work, n, int(reused)).values()) == int(reused)


def test_host_ports_are_one_per_node_and_protocol(work: Workload, pool: dict[str, str], n: str) -> None:
    for protocol in ("TCP", "UDP"):
        ports = {"ports": [{"containerPort": 80, "hostPort": 31998, "protocol": protocol}]}
        work.create(f"{n}-{protocol.lower()}", 4, container=ports, nodeSelector=pool)
    for protocol in ("tcp", "udp"):
        assert sorted(placed(work, f"{n}-{protocol}", 3).values()) == [1, 1, 1]


def test_a_gated_pod_waits_until_its_gate_is_removed(
    kube: Client, ns: Paths, work: Workload, pool: dict[str, str], n: str
) -> None:
    work.create(n, 1, nodeSelector=pool, schedulingGates=[{"name": "example.org/hold"}])
    [gated] = work.made(n, 1)
    path = f"{ns.core}/pods/{gated['metadata']['name']}"
    told = eventually(lambda: said(kube.get(path).json()))
    text = "Scheduling is blocked due to non-empty scheduling gates"
    assert (told["reason"], told["message"]) == ("SchedulingGated", text)
    refusal = kube.patch(path, {"spec": {"schedulingGates": [{"name": "example.org/other"}]}})
    assert refusal.status_code == 422
    assert kube.patch(path, {"spec": {"schedulingGates": []}}).status_code == 200
    work.bound(n, 1)
    eventually(lambda: said(kube.get(path).json()) is None)
    conditions = kube.get(path).json()["status"]["conditions"]
    assert [(c["type"], c["status"]) for c in conditions] == [("PodScheduled", "True")]


def test_a_placed_pod_is_told_where_it_is(kube: Client, ns: Paths, work: Workload, one: dict[str, str], n: str) -> None:
    kube.post(f"{ns.core}/pods", pod(n, nodeSelector=one))
    node = eventually(lambda: kube.get(f"{ns.core}/pods/{n}").json()["spec"].get("nodeName"))
    text = f"Successfully assigned {ns.name}/{n} to {node}"
    eventually(lambda: work.events(n).get("Scheduled") == text)


# Refusals


def test_too_little_of_several_resources(kube: Client, work: Workload, nodes: Nodes, n: str) -> None:
    names = nodes(2, size={"cpu": "1", "memory": "1Gi", "pods": "1"})
    big = {"resources": {"requests": {"cpu": "2", "memory": "2Gi"}}}
    assert refused(work, kube, n, names, container=big) == ["2 Insufficient cpu", "2 Insufficient memory"]
    for name in names:
        kube.post(f"{work.ns.core}/pods", pod(f"{n}-{name}", nodeName=name))
    assert refused(work, kube, f"{n}-late", names) == ["2 Too many pods"]
    gpu = {"resources": {"limits": {"example.org/gpu": "1"}}}
    expected = ["2 Insufficient example.org/gpu", "2 Too many pods"]
    assert refused(work, kube, f"{n}-gpu", names, container=gpu) == expected


def test_preemption_is_told_to_be_useless_or_without_victims(
    kube: Client, work: Workload, nodes: Nodes, n: str
) -> None:
    names = nodes(2, size={"cpu": "1", "memory": "1Gi", "pods": "9"})
    half = {"resources": {"requests": {"cpu": "800m"}}}
    kube.post(f"{work.ns.core}/pods", pod(f"{n}-a", container=half, nodeName=names[0]))
    kube.post(f"{work.ns.core}/pods", pod(f"{n}-b", container=half, nodeName=names[1]))
    assert refused(work, kube, n, names, container=half) == ["2 Insufficient cpu"]
    _, preemption = why(work, kube, n)
    assert "2 No preemption victims found for incoming pod" in preemption
    assert len(preemption) == 2
    huge = {"resources": {"requests": {"cpu": "3"}}}
    assert refused(work, kube, f"{n}-huge", names, container=huge) == ["2 Insufficient cpu"]
    [useless] = why(work, kube, f"{n}-huge")[1]
    assert useless.endswith(" Preemption is not helpful for scheduling")


def test_taints_and_unschedulable_nodes(kube: Client, work: Workload, nodes: Nodes, n: str) -> None:
    names = nodes(3)
    for name, taint in zip(names[:2], (("a", "b"), ("a", None)), strict=True):
        value = {"value": taint[1]} if taint[1] else {}
        spec = {"spec": {"taints": [{"key": taint[0], "effect": "NoSchedule", **value}]}}
        assert kube.patch(f"/api/v1/nodes/{name}", spec).status_code == 200
    kube.patch(f"/api/v1/nodes/{names[2]}", {"spec": {"unschedulable": True}})
    key = "node.kubernetes.io/unschedulable"
    eventually(lambda: key in str(kube.get(f"/api/v1/nodes/{names[2]}").json()["spec"].get("taints")))
    assert refused(work, kube, n, names) == ["1 node(s) were unschedulable", "2 node(s) had untolerated taint(s)"]
    tolerations = [{"key": "a", "operator": "Exists"}]
    kube.post(f"{work.ns.core}/pods", pod(f"{n}-ok", nodeSelector=selector(names), tolerations=tolerations))
    eventually(lambda: kube.get(f"{work.ns.core}/pods/{n}-ok").json()["spec"].get("nodeName") in names[:2])


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("spread", "node(s) didn't match pod topology spread constraints"),
        ("label", "node(s) didn't match pod topology spread constraints (missing required label)"),
        ("near", "node(s) didn't match pod affinity rules"),
        ("apart", "node(s) didn't match pod anti-affinity rules"),
        ("ports", "node(s) didn't have free ports for the requested pod ports"),
    ],
)
def test_rules_between_pods(kube: Client, work: Workload, pool: dict[str, str], n: str, rule: str, reason: str) -> None:
    work.create(n, 3, nodeSelector=pool, topologySpreadConstraints=spread(n, 1), container=port(rule))
    placed(work, n, 3)
    labels = {"matchLabels": {"app": n}}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    base = {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": labels}
    spec: Obj = {
        "spread": {"topologySpreadConstraints": [{**base, "topologyKey": HOST, "minDomains": ANY}]},
        "label": {"topologySpreadConstraints": [{**base, "topologyKey": "no-such"}]},
        "near": {"affinity": {"podAffinity": {required: [
            {"labelSelector": {"matchLabels": {"app": "nobody"}}, "topologyKey": HOST}]}}},
        "apart": {"affinity": {"podAntiAffinity": {required: [{"labelSelector": labels, "topologyKey": HOST}]}}},
        "ports": {"container": port(rule)},
    }[rule]  # fmt: skip
    container = spec.pop("container", None)
    body = pod(f"{n}-x", labels={"app": n}, container=container, nodeSelector=pool, **spec)
    kube.post(f"{work.ns.core}/pods", body)
    reasons, preemption = why(work, kube, f"{n}-x")
    assert reasons == [f"3 {reason}"]
    helpful = rule in ("spread", "apart", "ports")
    assert ("3 No preemption victims found for incoming pod" in preemption) == helpful
    assert helpful or all(text.endswith("Preemption is not helpful for scheduling") for text in preemption)


def port(rule: str) -> Obj | None:
    return {"ports": [{"containerPort": 80, "hostPort": 31997}]} if rule == "ports" else None


def test_a_pod_that_others_want_elsewhere(kube: Client, work: Workload, pool: dict[str, str], n: str) -> None:
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"pest": n}}, "topologyKey": HOST}]}}  # fmt: skip
    work.create(n, 3, nodeSelector=pool, affinity=apart, topologySpreadConstraints=spread(n, 1))
    placed(work, n, 3)
    kube.post(f"{work.ns.core}/pods", pod(f"{n}-x", labels={"pest": n}, nodeSelector=pool))
    assert why(work, kube, f"{n}-x")[0] == ["3 node(s) didn't satisfy existing pods anti-affinity rules"]


def test_a_pod_is_placed_as_soon_as_something_changed(kube: Client, work: Workload, nodes: Nodes, n: str) -> None:
    names = nodes(1, size={"cpu": "1", "memory": "1Gi", "pods": "9"})
    body = pod(n, container={"resources": {"requests": {"cpu": "1"}}}, nodeSelector=selector(names))
    kube.post(f"{work.ns.core}/pods", {**body, "metadata": {**body["metadata"], "name": f"{n}-first"}})
    eventually(lambda: kube.get(f"{work.ns.core}/pods/{n}-first").json()["spec"].get("nodeName"))
    kube.post(f"{work.ns.core}/pods", body)
    why(work, kube, n)
    kube.delete(f"{work.ns.core}/pods/{n}-first", gracePeriodSeconds=0)
    eventually(lambda: kube.get(f"{work.ns.core}/pods/{n}").json()["spec"].get("nodeName") == names[0])
