"""The ReplicaSet controller: as many active pods as wanted, no more and no fewer.

Finished pods (`Succeeded`, `Failed`) and terminating ones do not count and are replaced; finished ones are left for others to
delete. A refused pod shows as condition `ReplicaFailure` and is tried again with growing delays.
"""

from datetime import datetime
from typing import Any

from gateway.clock import Clock
from gateway.simulator.controllers.conditions import condition, is_true, replaced, without
from gateway.simulator.controllers.owners import claim, controller_of, reference
from gateway.simulator.controllers.queue import Key, Queue, work
from gateway.simulator.controllers.recorder import Recorder, stamp
from gateway.simulator.controllers.victims import victims
from gateway.simulator.objects import ApiError, Objects
from gateway.simulator.scheduling.labels import selects
from gateway.simulator.scheduling.snapshot import finished

__all__ = ["ReplicaSets"]

BURST = 25
"""Pods made or deleted before others get their turn on the loop."""


class ReplicaSets:
    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._queue = Queue(clock)
        self._recorder = Recorder(objects, clock, "replicaset-controller")

    async def run(self) -> None:
        stop = [
            self._objects.subscribe("replicasets", self._on_set),
            self._objects.subscribe("pods", self._on_pod),
        ]
        try:
            for found in self._objects.list("replicasets"):
                self._queue.add(_key(found))
            await work(self._queue, self._reconcile)
        finally:
            for end in stop:
                end()

    def _on_set(self, _type: str, after: dict[str, Any] | None, before: dict[str, Any] | None) -> None:
        obj = after or before
        if obj:
            self._queue.add(_key(obj))

    def _on_pod(self, _type: str, after: dict[str, Any] | None, before: dict[str, Any] | None) -> None:
        pods = [pod for pod in (after, before) if pod]
        owners = [owner for pod in pods if (owner := controller_of(pod)) and owner["kind"] == "ReplicaSet"]
        for owner in owners:
            self._queue.add((pods[0]["metadata"]["namespace"], owner["name"]))
        if not owners and after:
            self._wake_adopters(after)

    def _wake_adopters(self, pod: dict[str, Any]) -> None:
        meta = pod["metadata"]
        for found in self._objects.list("replicasets", meta["namespace"]):
            if selects(found["spec"]["selector"], meta.get("labels")):
                self._queue.add(_key(found))

    async def _reconcile(self, key: Key) -> None:
        try:
            owner = self._objects.get("replicasets", *key)
        except ApiError:
            return
        pods = claim(self._objects, "pods", owner)
        active = [p for p in pods if not finished(p) and not p["metadata"].get("deletionTimestamp")]
        failure = None
        if not owner["metadata"].get("deletionTimestamp"):
            failure = await self._adjust(owner, active)
        self._write_status(key, [p for p in pods if not finished(p)], failure)
        if failure:
            raise failure

    async def _adjust(self, owner: dict[str, Any], active: list[dict[str, Any]]) -> ApiError | None:
        missing = _wanted(owner) - len(active)
        if missing > 0:
            return await self._create(owner, missing)
        if missing < 0:
            self._delete(owner, active, -missing)
        return None

    async def _create(self, owner: dict[str, Any], count: int) -> ApiError | None:
        """Makes up to a burst of pods; what is still missing makes the pods' own events bring us back."""
        template = owner["spec"]["template"]
        for _ in range(min(count, BURST)):
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "generateName": f"{owner['metadata']['name']}-",
                    "namespace": owner["metadata"]["namespace"],
                    **{k: v for k, v in (template.get("metadata") or {}).items() if k in ("labels", "annotations")},
                    "ownerReferences": [reference(owner)],
                },
                "spec": template["spec"],
            }
            try:
                if self._objects.reviewer:
                    pod = await self._objects.reviewer("pods", pod)
                made = self._objects.create("pods", pod)
            except ApiError as refusal:
                self._recorder.warning(owner, "FailedCreate", f"Error creating: {_text(refusal)}")
                return refusal
            self._recorder.normal(owner, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
        return None

    def _delete(self, owner: dict[str, Any], active: list[dict[str, Any]], count: int) -> None:
        doomed = victims(active, min(count, BURST), related=self._related(owner), now=self._clock.time())
        for pod in doomed:
            meta = pod["metadata"]
            self._objects.delete("pods", meta["namespace"], meta["name"], uid=meta["uid"])
            self._recorder.normal(owner, "SuccessfulDelete", f"Deleted pod: {meta['name']}")

    def _related(self, owner: dict[str, Any]) -> list[dict[str, Any]]:
        """The active pods of all sets of the same Deployment: what "co-located" is counted over."""
        namespace, controller = owner["metadata"]["namespace"], controller_of(owner)
        uids = {owner["metadata"]["uid"]}
        if controller:
            sets = self._objects.list("replicasets", namespace)
            uids |= {s["metadata"]["uid"] for s in sets if (controller_of(s) or {}).get("uid") == controller["uid"]}
        pods = self._objects.list("pods", namespace)
        return [p for p in pods if (controller_of(p) or {}).get("uid") in uids and not finished(p)]

    def _write_status(self, key: Key, pods: list[dict[str, Any]], failure: ApiError | None) -> None:
        """Counts the pods as they were found; those made or deleted since then bring us back by their events."""
        try:
            owner = self._objects.get("replicasets", *key)
        except ApiError:
            return
        terminating = [p for p in pods if p["metadata"].get("deletionTimestamp")]
        active = [p for p in pods if not p["metadata"].get("deletionTimestamp")]
        ready = [p for p in active if is_true(p, "Ready")]
        labels = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
        counts = {
            "fullyLabeledReplicas": sum(_has_labels(p, labels) for p in active),
            "readyReplicas": len(ready),
            "availableReplicas": self._available(key, owner, ready),
        }
        status = {
            "replicas": len(active),
            **{name: count for name, count in counts.items() if count},
            "terminatingReplicas": len(terminating),
            "observedGeneration": owner["metadata"].get("generation", 1),
        }
        if conditions := self._conditions(owner, failure):
            status["conditions"] = conditions
        if status != owner.get("status"):
            self._objects.update("replicasets", {**owner, "status": status}, subresource="status")

    def _available(self, key: Key, owner: dict[str, Any], ready: list[dict[str, Any]]) -> int:
        """Ready for `minReadySeconds`; comes back when the next one will be."""
        minimum = owner["spec"].get("minReadySeconds") or 0
        if not minimum:
            return len(ready)
        waits = [minimum - (self._clock.time() - _ready_since(pod)) for pod in ready]
        if soonest := min((w for w in waits if w > 0), default=0.0):
            self._queue.add_after(key, soonest)
        return sum(1 for w in waits if w <= 0)

    def _conditions(self, owner: dict[str, Any], failure: ApiError | None) -> list[dict[str, Any]]:
        known = (owner.get("status") or {}).get("conditions")
        if failure is None:
            return without(known, "ReplicaFailure")
        new = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": _text(failure)}
        return replaced(known, new, stamp(self._clock.time()))


def _key(obj: dict[str, Any]) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _wanted(owner: dict[str, Any]) -> int:
    replicas = owner["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def _has_labels(pod: dict[str, Any], labels: dict[str, str]) -> bool:
    mine = pod["metadata"].get("labels") or {}
    return all(mine.get(key) == value for key, value in labels.items())


def _ready_since(pod: dict[str, Any]) -> float:
    found = condition(pod["status"].get("conditions"), "Ready") or {}
    return datetime.fromisoformat(found["lastTransitionTime"]).timestamp()


def _text(refusal: ApiError) -> str:
    return str(refusal)
