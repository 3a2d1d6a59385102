"""That the scripted servers of the other modules tell the truth: the same reflector on a real API server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from gateway.clock import SystemClock
from gateway.kubernetes.reflector import Reflector
from gateway.kubernetes.resources import DEPLOYMENTS
from gateway.kubernetes.store import Store
from gateway.kubernetes.transport import ApiServer, connect
from tests.controlplane.cluster import ControlPlane
from translators.kubernetes.objects import Deployment

_WITHIN_S = 30.0
_BOX = {"containers": [{"name": "app", "image": "none"}]}


def deployment(name: str) -> bytes:
    template = {"metadata": {"labels": {"app": name}}, "spec": _BOX}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template}
    return msgspec.json.encode(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    )


class Watched:
    def __init__(self, api: ApiServer, namespace: str) -> None:
        self.api = api
        self.path = DEPLOYMENTS.path(namespace)
        self.store: Store[Deployment] = Store()
        self.seen: list[tuple[str, str]] = []
        self.reflector = Reflector(
            api, DEPLOYMENTS, self.store, path=self.path, clock=SystemClock(), changed=self._changed
        )

    def _changed(self, before: Deployment | None, after: Deployment | None) -> None:
        item: Any = after or before
        kind = "added" if before is None else "deleted" if after is None else "changed"
        self.seen.append((kind, item.metadata.name))

    async def create(self, *names: str) -> None:
        for name in names:
            await self.api.send("POST", self.path, deployment(name))


@asynccontextmanager
async def watched(control_plane: ControlPlane, namespace: str) -> AsyncIterator[Watched]:
    """In a namespace that has two Deployments from the start."""
    api = await connect(control_plane.kubeconfig)
    await api.send("POST", "/api/v1/namespaces", msgspec.json.encode({"metadata": {"name": namespace}}))
    found = Watched(api, namespace)
    await found.create("b", "a")
    task = asyncio.create_task(found.reflector.run())
    try:
        await until(lambda: found.store.synced)
        yield found
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await api.close()


async def until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + _WITHIN_S
    while not reached():
        assert time.monotonic() < end, "not reached"
        await asyncio.sleep(0.02)


async def test_the_first_state_and_what_follows_come_over_one_connection(
    api_server: ControlPlane, namespace: str
) -> None:
    async with watched(api_server, namespace) as found:
        assert sorted(found.store.names()) == ["a", "b"]
        await found.create("c")
        await found.api.send("DELETE", f"{found.path}/a", b"{}")
        await until(lambda: sorted(found.store.names()) == ["b", "c"])
        assert found.seen[2:] == [("added", "c"), ("deleted", "a")]
        assert (found.api.calls["WATCH deployments"], found.api.calls["GET deployments"]) == (1, 0)


async def test_a_killed_api_server_that_comes_back_is_caught_up_with(
    another_control_plane: Callable[..., ControlPlane], namespace: str
) -> None:
    control_plane = await asyncio.to_thread(another_control_plane)
    async with watched(control_plane, namespace) as found:
        await asyncio.to_thread(control_plane.kill, "kube-apiserver")
        await until(lambda: bool(found.reflector.problem))
        assert sorted(found.store.names()) == ["a", "b"], "what was known is still answered"
        await asyncio.to_thread(control_plane.start, "kube-apiserver")
        await found.api.send("DELETE", f"{found.path}/a", b"{}")
        await found.create("c")
        await until(lambda: sorted(found.store.names()) == ["b", "c"])
        assert sorted(found.seen[2:]) == [("added", "c"), ("deleted", "a")], "each change is told once"
        await until(lambda: not found.reflector.problem)
