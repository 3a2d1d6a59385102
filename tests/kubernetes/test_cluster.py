"""A write is seen by the next read, whatever the watch is doing, and the watch still has the last word."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.clock import VirtualClock
from gateway.kubernetes.cluster import Changed, Cluster
from gateway.kubernetes.resources import CHANGES


def change(name: str, version: int, uid: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}, "spec": {}}


class Api:
    """An empty cluster at version 10. `tell` sends a line on the watch of changes, `answer` is what a write gets."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {}
        self._lines: asyncio.Queue[bytes] = asyncio.Queue()

    async def get(self, *_: Any, **__: Any) -> bytes:
        return b'{"metadata":{"resourceVersion":"10"},"items":[]}'

    async def send(self, *_: Any, **__: Any) -> bytes:
        return json.dumps(self.answer).encode()

    async def watch(self, path: str, *_: Any, **__: Any) -> AsyncGenerator[bytes, None]:
        yield b""
        while "marathondeployments" in path:
            yield await self._lines.get()
        await asyncio.Event().wait()

    async def tell(self, kind: str, item: dict[str, Any]) -> None:
        await self._lines.put(json.dumps({"type": kind, "object": item}).encode())
        for _ in range(20):
            await asyncio.sleep(0)


@asynccontextmanager
async def running(api: Api) -> AsyncIterator[tuple[Cluster, list[Changed]]]:
    cluster = Cluster(api, namespace="m", clock=VirtualClock(), streaming=False)  # type: ignore[arg-type]
    seen: list[Changed] = []
    cluster.subscribe(seen.append)
    task = asyncio.create_task(cluster.run())
    for _ in range(1000):
        await asyncio.sleep(0)
    assert cluster.synced
    yield cluster, seen
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_write_is_there_when_it_returns_though_the_watch_is_silent() -> None:
    api = Api()
    async with running(api) as (cluster, seen):
        api.answer = change("change-1", 15)
        await cluster.create(CHANGES, {})
        assert cluster.changes.get("change-1") is not None
        assert [event.after.metadata.name for event in seen if event.after] == ["change-1"]


async def test_the_watch_tells_it_once_more_and_that_is_no_change() -> None:
    api = Api()
    async with running(api) as (cluster, seen):
        api.answer = change("change-1", 15)
        await cluster.create(CHANGES, {})
        await api.tell("ADDED", change("change-1", 15))
        assert len(seen) == 1
        await api.tell("DELETED", change("change-1", 16))
        assert cluster.changes.get("change-1") is None


async def test_what_the_watch_has_still_to_tell_of_others_is_not_missed() -> None:
    api = Api()
    async with running(api) as (cluster, _):
        api.answer = change("change-2", 15)
        await cluster.create(CHANGES, {})
        await api.tell("ADDED", change("change-1", 12))
        assert {item.metadata.name for item in cluster.changes.values()} == {"change-1", "change-2"}


async def test_an_answer_that_comes_late_brings_nothing_back() -> None:
    api = Api()
    async with running(api) as (cluster, _):
        await api.tell("ADDED", change("change-1", 11))
        await api.tell("DELETED", change("change-1", 12))
        api.answer = change("change-1", 11)
        await cluster.create(CHANGES, {})
        assert cluster.changes.get("change-1") is None


async def test_an_answer_that_comes_late_undoes_nothing() -> None:
    api = Api()
    async with running(api) as (cluster, _):
        await api.tell("ADDED", change("change-1", 11))
        await api.tell("MODIFIED", change("change-1", 13))
        api.answer = change("change-1", 12)
        await cluster.replace(CHANGES, "change-1", {})
        kept = cluster.changes.get("change-1")
        assert kept.metadata.resourceVersion == "13"


async def test_a_new_object_of_an_old_name_is_the_end_of_the_old_one() -> None:
    api = Api()
    async with running(api) as (cluster, seen):
        await api.tell("ADDED", change("change-1", 11, uid="old"))
        api.answer = change("change-1", 14, uid="new")
        await cluster.create(CHANGES, {})
        assert [(event.before is None, event.after is None) for event in seen] == [
            (True, False),
            (False, True),
            (True, False),
        ]
