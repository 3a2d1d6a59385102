"""The scheduler: gives each pod a node, or says in the pod's condition and an event why it cannot.

Pods are looked at in order of priority and age. One that fits nowhere is tried again when something happened that could help:
a node came or changed, a pod went or was placed. Decisions are pure (`gateway.simulator.scheduling`); this module only
keeps the queue and writes the outcome.
"""

import asyncio
import logging
from typing import Any

from gateway.clock import Clock
from gateway.simulator.controllers.conditions import condition, replaced
from gateway.simulator.controllers.recorder import Recorder, stamp
from gateway.simulator.objects import ApiError, Objects
from gateway.simulator.scheduling.choice import Unschedulable, choose
from gateway.simulator.scheduling.snapshot import NodeState, finished, snapshot

__all__ = ["Scheduler"]

Pod = dict[str, Any]
PodKey = tuple[str, str]

log = logging.getLogger(__name__)

BATCH = 20
"""Decisions between two looks at the cluster; a decision over a few nodes takes some 100 µs."""


class Scheduler:
    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._recorder = Recorder(objects, clock, "default-scheduler")
        self._fresh: set[PodKey] = set()
        self._unplaced: set[PodKey] = set()
        self._retry_all = False
        self._wake = asyncio.Event()

    async def run(self) -> None:
        stop = [self._objects.subscribe("pods", self._on_pod), self._objects.subscribe("nodes", self._on_node)]
        try:
            for pod in self._objects.list("pods"):
                self._enqueue(pod)
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._pass()
        finally:
            for end in stop:
                end()

    def _on_pod(self, _type: str, after: Pod | None, before: Pod | None) -> None:
        if after is None or _gone(after):
            self._forget(after or before or {})
            self._try_all()
        elif after["spec"].get("nodeName"):
            self._forget(after)
            if not (before and before["spec"].get("nodeName")):
                self._try_all()
        elif before is None or _differs(after, before):
            self._enqueue(after)

    def _on_node(self, _type: str, after: dict[str, Any] | None, before: dict[str, Any] | None) -> None:
        if after is None or before is None or _offer(after) != _offer(before):
            self._try_all()

    def _enqueue(self, pod: Pod) -> None:
        if not pod["spec"].get("nodeName") and not _gone(pod):
            self._fresh.add(_key(pod))
            self._wake.set()

    def _forget(self, pod: Pod) -> None:
        self._fresh.discard(_key(pod))
        self._unplaced.discard(_key(pod))

    def _try_all(self) -> None:
        if self._unplaced:
            self._retry_all = True
            self._wake.set()

    async def _pass(self) -> None:
        """Decides on every pod that is due; others run between batches, so each batch takes a new picture."""
        due = self._fresh | (self._unplaced if self._retry_all else set())
        self._fresh, self._retry_all = set(), False
        pods = [pod for key in due if (pod := self._read(key))]
        pods.sort(key=_order)
        for start in range(0, len(pods), BATCH):
            nodes = snapshot(self._objects.list("nodes"), self._objects.list("pods"))
            for known in pods[start : start + BATCH]:
                pod = self._read(_key(known))
                if pod and not pod["spec"].get("nodeName") and not _gone(pod):
                    self._try(pod, nodes)
            await asyncio.sleep(0)

    def _read(self, key: PodKey) -> Pod | None:
        try:
            return self._objects.get("pods", *key)
        except ApiError:
            self._unplaced.discard(key)
            return None

    def _try(self, pod: Pod, nodes: dict[str, NodeState]) -> None:
        """Decides; a pod that the scheduler stumbles over waits for the next change and does not stop the others."""
        try:
            self._decide(pod, nodes)
        except Exception:
            log.exception("scheduling of %s failed", _key(pod))
            self._unplaced.add(_key(pod))

    def _decide(self, pod: Pod, nodes: dict[str, NodeState]) -> None:
        if pod["spec"].get("schedulingGates"):
            text = "Scheduling is blocked due to non-empty scheduling gates"
            self._report(pod, "SchedulingGated", text)
            return
        try:
            name = choose(pod, nodes)
        except Unschedulable as reason:
            self._unplaced.add(_key(pod))
            self._report(pod, "Unschedulable", str(reason))
            self._recorder.warning(pod, "FailedScheduling", str(reason))
        else:
            self._bind(pod, name)
            nodes[name].add(pod)

    def _bind(self, pod: Pod, node: str) -> None:
        self._unplaced.discard(_key(pod))
        bound = self._objects.update("pods", {**pod, "spec": {**pod["spec"], "nodeName": node}})
        self._write_condition(bound, {"type": "PodScheduled", "status": "True"})
        namespace, name = _key(pod)
        self._recorder.normal(pod, "Scheduled", f"Successfully assigned {namespace}/{name} to {node}")

    def _report(self, pod: Pod, reason: str, message: str) -> None:
        new = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
        current = condition((pod.get("status") or {}).get("conditions"), "PodScheduled")
        if current is None or any(current.get(k) != v for k, v in new.items()):
            self._write_condition(pod, new)

    def _write_condition(self, pod: Pod, new: dict[str, Any]) -> None:
        status = pod.get("status") or {}
        conditions = replaced(status.get("conditions"), {"lastProbeTime": None, **new}, stamp(self._clock.time()))
        self._objects.update("pods", {**pod, "status": {**status, "conditions": conditions}}, subresource="status")


def _key(pod: Pod) -> PodKey:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


def _gone(pod: Pod) -> bool:
    return finished(pod) or bool(pod["metadata"].get("deletionTimestamp"))


def _order(pod: Pod) -> tuple[int, str, str]:
    return -int(pod["spec"].get("priority") or 0), pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]


def _differs(after: Pod, before: Pod) -> bool:
    """Whether something changed that scheduling depends on: not the status that we write ourselves."""
    return (after["spec"], after["metadata"].get("labels")) != (before["spec"], before["metadata"].get("labels"))


def _offer(node: dict[str, Any]) -> tuple[Any, ...]:
    """The parts of a node that decide what fits on it."""
    status = node.get("status") or {}
    return node["metadata"].get("labels"), node.get("spec"), status.get("allocatable"), status.get("capacity")
