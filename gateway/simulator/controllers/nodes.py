"""The node lifecycle: what the loss of a node does to its taints and its pods.

Readiness and `spec.unschedulable` become taints at once; a pod that does not tolerate a `NoExecute` taint (for long enough) is
evicted. `lose` and `restore` play the part of the heartbeat monitor: no kubelet here falls silent by itself.
A real cluster takes 50 s to notice and taints one node per 10 s; this one waits for nothing but `tolerationSeconds`.
"""

from datetime import datetime
from typing import Any

from gateway.clock import Clock
from gateway.simulator.controllers.conditions import condition, is_true, replaced
from gateway.simulator.controllers.queue import Key, Queue, work
from gateway.simulator.controllers.recorder import Recorder, stamp
from gateway.simulator.objects import ApiError, Objects
from gateway.simulator.scheduling.filters import tolerations_for
from gateway.simulator.scheduling.snapshot import finished

__all__ = ["NodeLifecycle", "lose", "restore", "tainted"]

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"

_MANAGED = (NOT_READY, UNREACHABLE, UNSCHEDULABLE)

Node = dict[str, Any]


class NodeLifecycle:
    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._queue = Queue(clock)
        self._recorder = Recorder(objects, clock, "node-controller")

    async def run(self) -> None:
        stop = [self._objects.subscribe("nodes", self._on_node), self._objects.subscribe("pods", self._on_pod)]
        try:
            for node in self._objects.list("nodes"):
                self._queue.add(("", node["metadata"]["name"]))
            await work(self._queue, self._reconcile)
        finally:
            for end in stop:
                end()

    def _on_node(self, _type: str, after: Node | None, before: Node | None) -> None:
        if after is not None and (before is None or _relevant(after) != _relevant(before)):
            self._queue.add(("", after["metadata"]["name"]))

    def _on_pod(self, _type: str, after: dict[str, Any] | None, before: dict[str, Any] | None) -> None:
        if after and after["spec"].get("nodeName") and not (before and before["spec"].get("nodeName")):
            self._queue.add(("", after["spec"]["nodeName"]))

    def _reconcile(self, key: Key) -> None:
        try:
            node = self._objects.get("nodes", "", key[1])
        except ApiError:
            return
        node = self._taint(node)
        pods = [p for p in self._objects.list("pods") if p["spec"].get("nodeName") == key[1] and not finished(p)]
        if not is_true(node, "Ready"):
            self._mark_not_ready(node, pods)
        taints = [t for t in (node.get("spec") or {}).get("taints") or () if t["effect"] == "NoExecute"]
        waits = [wait for pod in pods if taints and (wait := self._evict(pod, taints)) is not None]
        if waits:
            self._queue.add_after(key, min(waits))

    def _taint(self, node: Node) -> Node:
        """Writes the taints that follow from the node's state, keeping the times of those it has."""
        spec = node.get("spec") or {}
        taints = spec.get("taints") or []
        wanted = _wanted_taints(node)
        present = [(t["key"], t["effect"]) for t in taints if t["key"] in _MANAGED]
        if sorted(present) == sorted(wanted):
            return node
        now = stamp(self._clock.time())
        kept = [t for t in taints if t["key"] not in _MANAGED or (t["key"], t["effect"]) in wanted]
        new = [{"key": k, "effect": e, "timeAdded": now} for k, e in wanted if (k, e) not in present]
        spec = {key: value for key, value in spec.items() if key != "taints"}
        return self._objects.update(
            "nodes", {**node, "spec": {**spec, **({"taints": kept + new} if kept + new else {})}}
        )

    def _mark_not_ready(self, node: Node, pods: list[dict[str, Any]]) -> None:
        found = condition((node.get("status") or {}).get("conditions"), "Ready")
        if not found or found["status"] != "Unknown":
            return  # a kubelet that talks tells about its pods itself
        for pod in pods:
            if is_true(pod, "Ready"):
                self._recorder.warning(pod, "NodeNotReady", "Node is not ready")
                self._write_condition(pod, {"type": "Ready", "status": "False"})

    def _evict(self, pod: dict[str, Any], taints: list[dict[str, Any]]) -> float | None:
        """Deletes the pod if its time is up; else how long it has, None for ever."""
        if pod["metadata"].get("deletionTimestamp"):
            return None
        ends = []
        for taint in taints:
            limits = tolerations_for(pod, taint)
            if limits and None in limits:
                continue
            since = datetime.fromisoformat(taint["timeAdded"]).timestamp() if "timeAdded" in taint else 0.0
            ends.append(since + max(0.0, min((limit for limit in limits if limit is not None), default=0.0)))
        if not ends:
            return None
        left = min(ends) - self._clock.time()
        if left > 0:
            return left
        self._delete(pod)
        return None

    def _delete(self, pod: dict[str, Any]) -> None:
        meta = pod["metadata"]
        self._recorder.normal(
            pod, "TaintManagerEviction", f"Marking for deletion Pod {meta['namespace']}/{meta['name']}"
        )
        new = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
        }
        self._write_condition(pod, new)
        self._objects.delete("pods", meta["namespace"], meta["name"], uid=meta["uid"])

    def _write_condition(self, pod: dict[str, Any], new: dict[str, Any]) -> None:
        pod = self._objects.get("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
        status = pod.get("status") or {}
        conditions = replaced(status.get("conditions"), new, stamp(self._clock.time()))
        self._objects.update("pods", {**pod, "status": {**status, "conditions": conditions}}, subresource="status")


def _relevant(node: Node) -> tuple[Any, ...]:
    found = condition((node.get("status") or {}).get("conditions"), "Ready") or {}
    return found.get("status"), (node.get("spec") or {}).get("unschedulable"), (node.get("spec") or {}).get("taints")


def _wanted_taints(node: Node) -> list[tuple[str, str]]:
    found = condition((node.get("status") or {}).get("conditions"), "Ready")
    wanted = []
    if found and found["status"] != "True":
        key = UNREACHABLE if found["status"] == "Unknown" else NOT_READY
        wanted += [(key, "NoSchedule"), (key, "NoExecute")]
    if (node.get("spec") or {}).get("unschedulable"):
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    return wanted


def tainted(plural: str, obj: Node) -> Node:
    """The admission of a new node: nothing is put there until its state is known."""
    if plural != "nodes":
        return obj
    spec = obj.get("spec") or {}
    taint = {"key": NOT_READY, "effect": "NoSchedule"}
    others = [t for t in spec.get("taints") or () if (t["key"], t["effect"]) != (NOT_READY, "NoSchedule")]
    return {**obj, "spec": {**spec, "taints": [*others, taint]}}


def lose(objects: Objects, clock: Clock, name: str, *, status: str = "Unknown") -> None:
    """Makes the node look silent (`Unknown`) or sick (`False`)."""
    if status == "Unknown":
        reason, message = "NodeStatusUnknown", "Kubelet stopped posting node status."
    else:
        reason, message = "KubeletNotReady", "container runtime is down"
    _set_ready(objects, clock, name, {"status": status, "reason": reason, "message": message})


def restore(objects: Objects, clock: Clock, name: str) -> None:
    """Makes the node ready again."""
    ready = {"status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
    _set_ready(objects, clock, name, ready)


def _set_ready(objects: Objects, clock: Clock, name: str, ready: dict[str, str]) -> None:
    node = objects.get("nodes", "", name)
    status, now = node.get("status") or {}, stamp(clock.time())
    conditions = replaced(status.get("conditions"), {"type": "Ready", "lastHeartbeatTime": now, **ready}, now)
    objects.update("nodes", {**node, "status": {**status, "conditions": conditions}}, subresource="status")
