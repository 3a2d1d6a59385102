"""The disruption controller: counts the healthy pods of each PodDisruptionBudget and says how many may go."""

from datetime import datetime
from typing import Any

from gateway.clock import Clock
from gateway.simulator.budgets import DISRUPTED, matching, wanted_healthy
from gateway.simulator.controllers.conditions import is_true, replaced
from gateway.simulator.controllers.owners import controller_of
from gateway.simulator.controllers.queue import Key, Queue, work
from gateway.simulator.controllers.recorder import stamp
from gateway.simulator.controllers.rolling import replicas_of
from gateway.simulator.objects import ApiError, Objects
from gateway.simulator.scheduling.labels import selects

__all__ = ["Budgets"]

Obj = dict[str, Any]

DISRUPTION_S = 120.0
"""How long an evicted pod counts as going although nothing was seen of its end."""


class Budgets:
    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._queue = Queue(clock)

    async def run(self) -> None:
        stop = [
            self._objects.subscribe("poddisruptionbudgets", self._on_budget),
            self._objects.subscribe("pods", self._on_pod),
            self._objects.subscribe("replicasets", self._on_set),
        ]
        try:
            for budget in self._objects.list("poddisruptionbudgets"):
                self._queue.add(_key(budget))
            await work(self._queue, self._reconcile)
        finally:
            for end in stop:
                end()

    def _on_budget(self, _type: str, after: Obj | None, _before: Obj | None) -> None:
        if after:
            self._queue.add(_key(after))

    def _on_pod(self, _type: str, after: Obj | None, before: Obj | None) -> None:
        for pod in (after, before):
            for budget in matching(self._objects, pod) if pod else ():
                self._queue.add(_key(budget))

    def _on_set(self, _type: str, after: Obj | None, before: Obj | None) -> None:
        if after and before and replicas_of(after) != replicas_of(before):
            for budget in self._objects.list("poddisruptionbudgets", after["metadata"]["namespace"]):
                self._queue.add(_key(budget))

    def _reconcile(self, key: Key) -> None:
        try:
            budget = self._objects.get("poddisruptionbudgets", *key)
        except ApiError:
            return
        pods = self._objects.list("pods", key[0])
        pods = [p for p in pods if selects(budget["spec"].get("selector"), p["metadata"].get("labels"))]
        status = self._status(key, budget, pods)
        if status != budget.get("status"):
            self._objects.update("poddisruptionbudgets", {**budget, "status": status}, subresource="status")

    def _status(self, key: Key, budget: Obj, pods: list[Obj]) -> Obj:
        known = budget.get("status") or {}
        disrupted = self._still_going(key, known.get(DISRUPTED) or {}, pods)
        expected, desired = wanted_healthy(budget["spec"], len(pods), self._replicas(pods))
        healthy = sum(
            is_true(p, "Ready")
            and not p["metadata"].get("deletionTimestamp")
            and p["metadata"]["name"] not in disrupted
            for p in pods
        )
        allowed = max(0, healthy - desired) if expected > 0 else 0
        generation = budget["metadata"].get("generation", 1)
        new = {
            "type": "DisruptionAllowed",
            "status": "True" if allowed else "False",
            "reason": "SufficientPods" if allowed else "InsufficientPods",
            "message": "",
            "observedGeneration": generation,
        }
        return {
            **({DISRUPTED: disrupted} if disrupted else {}),
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "observedGeneration": generation,
            "conditions": replaced(known.get("conditions"), new, stamp(self._clock.time())),
        }

    def _still_going(self, key: Key, disrupted: dict[str, str], pods: list[Obj]) -> dict[str, str]:
        """The evicted pods whose end has not been seen; comes back when the first of them is given up."""
        waiting = {p["metadata"]["name"] for p in pods if not p["metadata"].get("deletionTimestamp")}
        left = {
            name: DISRUPTION_S - (self._clock.time() - datetime.fromisoformat(since).timestamp())
            for name, since in disrupted.items()
            if name in waiting
        }
        if soonest := min((seconds for seconds in left.values() if seconds > 0), default=0.0):
            self._queue.add_after(key, soonest)
        return {name: disrupted[name] for name, seconds in left.items() if seconds > 0}

    def _replicas(self, pods: list[Obj]) -> int:
        """What the controllers of the pods want: the Deployment's word counts, not that of its sets."""
        wanted: dict[str, int] = {}
        for pod in pods:
            owner = self._owner("replicasets", pod)
            top = owner and (self._owner("deployments", owner) or owner)
            if top:
                wanted[top["metadata"]["uid"]] = replicas_of(top)
        return sum(wanted.values())

    def _owner(self, plural: str, obj: Obj) -> Obj | None:
        held = controller_of(obj)
        found = held and self._objects.find(plural, obj["metadata"]["namespace"], held["name"])
        return found if held and found and found["metadata"]["uid"] == held["uid"] else None


def _key(obj: Obj) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]
