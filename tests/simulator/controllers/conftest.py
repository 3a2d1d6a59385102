"""Controllers over an in-memory store in virtual time; tests play the kubelet."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.clock import VirtualClock
from gateway.simulator.controllers import Controllers
from gateway.simulator.objects import Objects
from gateway.simulator.scheduler import Scheduler
from tests.simulator.helpers import NAMESPACE, get, play, running


class Work:
    """Shorthands over Deployments and pods of one namespace."""

    def __init__(self, objects: Objects, clock: VirtualClock) -> None:
        self.objects = objects
        self.clock = clock

    async def create(self, body: dict[str, Any]) -> None:
        self.objects.create("deployments", body)
        await self.settle()

    async def settle(self) -> None:
        await self.clock.settle(300)

    def get(self, name: str) -> dict[str, Any]:
        return get(self.objects, "deployments", name) or {}

    def sets(self) -> list[dict[str, Any]]:
        return self.objects.list("replicasets", NAMESPACE)

    def pods(self) -> list[dict[str, Any]]:
        return sorted(self.objects.list("pods", NAMESPACE), key=lambda p: str(p["metadata"]["name"]))

    def doomed(self) -> set[str]:
        return {p["metadata"]["name"] for p in self.pods() if p["metadata"].get("deletionTimestamp")}

    def names(self) -> set[str]:
        return {p["metadata"]["name"] for p in self.pods()}

    async def scale(self, name: str, replicas: int) -> None:
        found = self.get(name)
        self.objects.update("deployments", {**found, "spec": {**found["spec"], "replicas": replicas}})
        await self.settle()

    def cost(self, a_pod: dict[str, Any], cost: int) -> None:
        current = self.objects.get("pods", NAMESPACE, a_pod["metadata"]["name"])
        annotations = {"controller.kubernetes.io/pod-deletion-cost": str(cost)}
        self.objects.update("pods", {**current, "metadata": {**current["metadata"], "annotations": annotations}})

    async def run(self, *pods: dict[str, Any], **state: Any) -> None:
        for a_pod in pods:
            play(self.objects, a_pod, **state)
        await self.settle()

    async def end(self, a_pod: dict[str, Any]) -> None:
        """Plays the end of a terminating pod."""
        self.objects.delete("pods", NAMESPACE, a_pod["metadata"]["name"], grace_s=0)
        await self.settle()

    def conditions(self, name: str) -> dict[str, tuple[str, str]]:
        return {c["type"]: (c["status"], c["reason"]) for c in self.get(name)["status"]["conditions"]}

    def reasons(self, kind: str) -> list[tuple[str, str]]:
        events = self.objects.list("events", NAMESPACE)
        return [(e["reason"], e["message"]) for e in events if e["involvedObject"]["kind"] == kind]


@pytest.fixture
async def work() -> AsyncIterator[Work]:
    clock = VirtualClock()
    objects = Objects(clock)
    async with running(Controllers(objects, clock), Scheduler(objects, clock)):
        yield Work(objects, clock)
