"""A running piece of the embedded cluster for tests, and the waiting that real processes need."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, TypeVar

from gateway.simulator.objects import ApiError, Objects

T = TypeVar("T")

NAMESPACE = "marathon"
SHELL = ["/bin/sh", "-c"]


class Runnable(Protocol):
    async def run(self) -> None: ...


@contextlib.asynccontextmanager
async def running(*parts: Runnable) -> AsyncIterator[None]:
    """Runs the parts for the time of the block; one that fails fails the test."""
    tasks = [asyncio.ensure_future(part.run()) for part in parts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def eventually(check: Callable[[], T], *, within_s: float = 15.0) -> T:
    """The first true value of `check`, looked at every 20 ms; fails the test when time is up."""
    end = time.monotonic() + within_s
    while not (value := check()):
        assert time.monotonic() < end, f"not within {within_s} s: {check}"
        await asyncio.sleep(0.02)
    return value


def get(objects: Objects, kind: str, name: str) -> dict[str, Any] | None:
    try:
        return objects.get(kind, "" if kind == "nodes" else NAMESPACE, name)
    except ApiError:
        return None


def pod(name: str, *command: str, containers: list[dict[str, Any]] | None = None, **spec: Any) -> dict[str, Any]:
    """A pod of one container `app` with a shell command, or of the given containers."""
    app = {"name": "app", "image": "busybox", **({"command": [*SHELL, *command]} if command else {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 5, "containers": containers or [app], **spec},
    }


def deployment(
    name: str, replicas: int, *command: str, spec: dict[str, Any] | None = None, **pod_spec: Any
) -> dict[str, Any]:
    template = pod(name, *command, **pod_spec)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": template["spec"]},
            **(spec or {}),
        },
    }


def node(name: str, **labels: str) -> dict[str, Any]:
    size = {"cpu": "8", "memory": "16Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}},
        "spec": {},
        "status": {
            "capacity": size,
            "allocatable": size,
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2023-11-14T22:00:00Z"}],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        },
    }


def add_node(objects: Objects, name: str, **labels: str) -> None:
    """Creates the node with its status, which a create alone does not take."""
    body = node(name, **labels)
    made = objects.create("nodes", body)
    objects.update("nodes", {**made, "status": body["status"]}, subresource="status")


def play(
    objects: Objects,
    a_pod: dict[str, Any],
    *,
    ready: bool = True,
    phase: str = "Running",
    since: str = "2023-11-14T22:13:20Z",
    restarts: int = 0,
) -> None:
    """Plays the kubelet: phase, Ready condition and restart count of one pod."""
    current = objects.get("pods", NAMESPACE, a_pod["metadata"]["name"])
    others = [c for c in (current.get("status") or {}).get("conditions") or () if c["type"] != "Ready"]
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": since}
    container = {
        "name": "app",
        "ready": ready,
        "restartCount": restarts,
        "image": "busybox",
        "imageID": "",
        "state": {"running": {"startedAt": since}},
    }
    status = {
        **(current.get("status") or {}),
        "phase": phase,
        "conditions": [*others, condition],
        "containerStatuses": [container],
    }
    objects.update("pods", {**current, "status": status}, subresource="status")
