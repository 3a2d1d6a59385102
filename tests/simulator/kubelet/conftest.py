"""A node with a real kubelet over an in-memory store."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.simulator.kubelet import Kubelet
from gateway.simulator.objects import Objects
from tests.simulator.helpers import NAMESPACE, eventually, get, running


class Machine:
    """One store, one kubelet, and shorthands over them."""

    def __init__(self, objects: Objects, kubelet: Kubelet, root: Path) -> None:
        self.objects = objects
        self.kubelet = kubelet
        self.root = root

    def add(self, body: dict[str, Any]) -> dict[str, Any]:
        """Creates the pod, bound to the node."""
        return self.objects.create("pods", {**body, "spec": {**body["spec"], "nodeName": "n1"}})

    def pod(self, name: str) -> dict[str, Any] | None:
        return get(self.objects, "pods", name)

    def status(self, name: str) -> dict[str, Any]:
        return (self.pod(name) or {}).get("status") or {}

    def container(self, name: str, index: int = 0, group: str = "containerStatuses") -> dict[str, Any]:
        statuses = self.status(name).get(group) or [{}]
        return dict(statuses[index])

    def is_ready(self, name: str) -> bool:
        return any(c["type"] == "Ready" and c["status"] == "True" for c in self.status(name).get("conditions") or ())

    def output(self, name: str, container: str = "app") -> str:
        a_pod = self.pod(name)
        return self.kubelet.log(a_pod, container).decode() if a_pod else ""

    def events(self, reason: str) -> list[dict[str, Any]]:
        return [e for e in self.objects.list("events", NAMESPACE) if e["reason"] == reason]

    async def running(self, name: str) -> None:
        await eventually(lambda: "running" in self.container(name).get("state", {}))

    async def delete(self, name: str, **options: Any) -> None:
        self.objects.delete("pods", NAMESPACE, name, **options)
        await eventually(lambda: self.pod(name) is None)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    clock = SystemClock()
    objects = Objects(clock)
    kubelet = Kubelet(objects, clock, "n1", tmp_path)
    async with running(kubelet):
        await eventually(lambda: get(objects, "nodes", "n1"))
        yield Machine(objects, kubelet, tmp_path)
