"""What becomes of nodes and of the pods on them: taints, tolerations, evictions, nodes that are no more."""

from datetime import datetime

from tests.contract.client import Client, pod
from tests.contract.controllers.conftest import Heart, Nodes
from tests.contract.controllers.workload import Obj, Workload, name_of
from tests.contract.servers import Paths
from tests.processes import eventually

ZONE = "topology.kubernetes.io/zone"
UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"


def taints(kube: Client, node: str) -> set[tuple[str, str]]:
    spec = kube.get(f"/api/v1/nodes/{node}").json()["spec"]
    return {(t["key"], t["effect"]) for t in spec.get("taints", [])}


def tolerating(key: str, seconds: int | None) -> Obj:
    """The toleration that makes a pod stay for so long, `None` for ever."""
    base = {"key": key, "operator": "Exists", "effect": "NoExecute"}
    return base if seconds is None else {**base, "tolerationSeconds": seconds}


def on(kube: Client, ns: Paths, name: str, node: str, *tolerations: Obj) -> str:
    """A pod bound to the node; its path."""
    made = kube.post(f"{ns.core}/pods", pod(name, nodeName=node, tolerations=list(tolerations)))
    assert made.status_code == 201, made.text
    return f"{ns.core}/pods/{name}"


def test_a_new_node_is_tainted_until_it_is_ready(kube: Client, heart: Heart, n: str) -> None:
    made = kube.post("/api/v1/nodes", {"metadata": {"name": n}}).json()
    assert made["spec"]["taints"] == [{"key": NOT_READY, "effect": "NoSchedule"}]
    heart.say(kube, n, "True")
    heart.forget(n)
    eventually(lambda: taints(kube, n) == set())
    kube.patch(f"/api/v1/nodes/{n}", {"spec": {"unschedulable": True}})
    eventually(lambda: taints(kube, n) == {("node.kubernetes.io/unschedulable", "NoSchedule")})
    kube.delete(f"/api/v1/nodes/{n}")


def test_every_pod_tolerates_the_loss_of_its_node_for_five_minutes(kube: Client, ns: Paths, n: str) -> None:
    made = kube.post(f"{ns.core}/pods", pod(n), dryRun="All").json()
    assert made["spec"]["tolerations"] == [tolerating(NOT_READY, 300), tolerating(UNREACHABLE, 300)]
    own = [tolerating(UNREACHABLE, 5), {"key": "a", "value": "b", "effect": "NoSchedule"}]
    made = kube.post(f"{ns.core}/pods", pod(n, tolerations=own), dryRun="All").json()
    given = {"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"}
    assert made["spec"]["tolerations"][0] == own[0]
    assert made["spec"]["tolerations"][1] in (own[1], given)
    assert made["spec"]["tolerations"][2:] == [tolerating(NOT_READY, 300)]
    everything = [{"operator": "Exists"}]
    made = kube.post(f"{ns.core}/pods", pod(n, tolerations=everything), dryRun="All").json()
    assert made["spec"]["tolerations"] == everything


def test_pods_of_an_unreachable_node_go_when_they_no_longer_tolerate_it(
    kube: Client, ns: Paths, work: Workload, nodes: Nodes, heart: Heart, n: str
) -> None:
    lost, _ = nodes(2, **{ZONE: [f"zone-{n}"]})
    brief, patient = (on(kube, ns, f"{n}-{i}", lost, tolerating(UNREACHABLE, s)) for i, s in enumerate((1, None)))
    for path in (brief, patient):
        work.run(kube.get(path).json())
    heart.say(kube, lost, "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
    eventually(lambda: taints(kube, lost) == {(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")})
    added = [t.get("timeAdded") for t in kube.get(f"/api/v1/nodes/{lost}").json()["spec"]["taints"]]
    assert all(datetime.fromisoformat(moment) for moment in added)

    marked = eventually(lambda: (p := kube.get(brief).json())["metadata"].get("deletionTimestamp") and p)
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    target = condition(marked, "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "DeletionByTaintManager")
    assert target["message"] == "Taint manager: deleting due to NoExecute taint"
    left = kube.get(patient).json()
    assert "deletionTimestamp" not in left["metadata"]
    assert left["status"]["phase"] == "Running"
    text = f"Marking for deletion Pod {ns.name}/{name_of(marked)}"
    eventually(lambda: work.events(name_of(marked)).get("TaintManagerEviction") == text)

    heart.say(kube, lost, "True")
    eventually(lambda: taints(kube, lost) == set())
    assert kube.get(brief).status_code == 200, "without a kubelet nobody confirms its end"


def test_a_node_that_says_it_is_not_ready_is_tainted_so(
    kube: Client, ns: Paths, nodes: Nodes, heart: Heart, n: str
) -> None:
    sick, _ = nodes(2, **{ZONE: [f"zone-{n}"]})
    evicted = on(kube, ns, n, sick, tolerating(NOT_READY, 0))
    heart.say(kube, sick, "False", "KubeletNotReady", "container runtime is down")
    eventually(lambda: taints(kube, sick) == {(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")})
    eventually(lambda: kube.get(evicted).json()["metadata"].get("deletionTimestamp"))


def test_a_taint_of_ones_own_evicts_who_does_not_tolerate_it(kube: Client, ns: Paths, nodes: Nodes, n: str) -> None:
    [node] = nodes(1)
    own = {"key": "example.org/mine", "value": "x", "effect": "NoExecute"}
    stays = on(kube, ns, f"{n}-stays", node, {"key": own["key"], "operator": "Equal", "value": "x"})
    goes = on(kube, ns, f"{n}-goes", node, {"key": own["key"], "operator": "Equal", "value": "y"})
    kube.patch(f"/api/v1/nodes/{node}", {"spec": {"taints": [own]}})
    eventually(lambda: kube.get(goes).json()["metadata"].get("deletionTimestamp"))
    assert "deletionTimestamp" not in kube.get(stays).json()["metadata"]


def test_a_pod_of_a_deployment_is_replaced_elsewhere_when_its_node_is_lost(
    kube: Client, work: Workload, nodes: Nodes, heart: Heart, n: str
) -> None:
    names = nodes(2, **{ZONE: [f"zone-{n}"]})
    pool = {ZONE: f"zone-{n}"}
    work.create(n, 1, nodeSelector=pool, tolerations=[tolerating(UNREACHABLE, 0)])
    [first] = work.running(n, 1)
    lost = first["spec"]["nodeName"]
    heart.say(kube, lost, "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
    eventually(lambda: work.doomed(n) == {name_of(first)})
    [second] = work.bound(n, 1)
    assert second["spec"]["nodeName"] == next(name for name in names if name != lost)
    status = eventually(lambda: (s := work.status(n)).get("terminatingReplicas") == 1 and s)
    assert status["replicas"] == 1


def condition(found: Obj, kind: str) -> Obj:
    return next((c for c in found["status"].get("conditions", []) if c["type"] == kind), {"status": ""})
