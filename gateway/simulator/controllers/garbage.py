"""The pod garbage collector: pods of nodes that are no more, and finished pods beyond a limit.

A node may come back under its name, so its pods are taken only after a quarantine, as in a real cluster. Without a kubelet
nobody else would ever confirm their end.
"""

from typing import Any

from gateway.clock import Clock
from gateway.simulator.controllers.conditions import replaced
from gateway.simulator.controllers.queue import Key, Queue, work
from gateway.simulator.controllers.recorder import stamp
from gateway.simulator.objects import ApiError, Objects
from gateway.simulator.scheduling.snapshot import finished

__all__ = ["Garbage"]

FINISHED_KEPT = 12500
QUARANTINE_S = 40.0


class Garbage:
    """`quarantine_s` is how long the pods of a deleted node stay."""

    def __init__(self, objects: Objects, clock: Clock, *, quarantine_s: float = QUARANTINE_S) -> None:
        self._objects = objects
        self._clock = clock
        self._quarantine_s = quarantine_s
        self._queue = Queue(clock)

    async def run(self) -> None:
        stop = [self._objects.subscribe("nodes", self._on_node), self._objects.subscribe("pods", self._on_pod)]
        try:
            nodes = {node["metadata"]["name"] for node in self._objects.list("nodes")}
            for name in {pod["spec"].get("nodeName") or "" for pod in self._objects.list("pods")} - nodes - {""}:
                self._queue.add_after(("", name), self._quarantine_s)
            await work(self._queue, self._reconcile)
        finally:
            for end in stop:
                end()

    def _on_node(self, _type: str, after: dict[str, Any] | None, before: dict[str, Any] | None) -> None:
        if after is None and before is not None:
            self._queue.add_after(("", before["metadata"]["name"]), self._quarantine_s)

    def _on_pod(self, _type: str, after: dict[str, Any] | None, before: dict[str, Any] | None) -> None:
        if after and finished(after) and not (before and finished(before)):
            self._queue.add(("", ""))

    def _reconcile(self, key: Key) -> None:
        if key[1]:
            self._collect_from(key[1])
        else:
            self._trim_finished()

    def _collect_from(self, node: str) -> None:
        try:
            self._objects.get("nodes", "", node)
        except ApiError:
            for pod in self._objects.list("pods"):
                if pod["spec"].get("nodeName") == node:
                    self._remove(pod)

    def _remove(self, pod: dict[str, Any]) -> None:
        meta, status = pod["metadata"], pod.get("status") or {}
        new = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists",
        }
        conditions = replaced(status.get("conditions"), new, stamp(self._clock.time()))
        phase = status.get("phase") if finished(pod) else "Failed"
        changed = {**pod, "status": {**status, "conditions": conditions, "phase": phase}}
        self._objects.update("pods", changed, subresource="status")
        self._objects.delete("pods", meta["namespace"], meta["name"], uid=meta["uid"], grace_s=0)

    def _trim_finished(self) -> None:
        over = [pod for pod in self._objects.list("pods") if finished(pod)]
        over.sort(key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        for pod in over[: max(0, len(over) - FINISHED_KEPT)]:
            meta = pod["metadata"]
            self._objects.delete("pods", meta["namespace"], meta["name"], uid=meta["uid"], grace_s=0)
