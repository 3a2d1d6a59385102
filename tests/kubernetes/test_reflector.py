"""What a watch can do to a reader, and that the store is right afterwards (each case is a bug somebody had)."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from gateway.clock import VirtualClock
from gateway.kubernetes.errors import Gone, KubernetesError, Unavailable
from gateway.kubernetes.reflector import Reflector
from gateway.kubernetes.resources import PODS
from gateway.kubernetes.store import Store
from translators.kubernetes.objects import Pod


def pod(name: str, version: int, uid: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}}


def line(kind: str, item: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode()


def bookmark(version: int) -> bytes:
    return line("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


SILENCE = b"(silence)"
EXPIRED = line("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})


class Server:
    """Lists and watches as scripted; a watch without a script stays open and silent."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.lists: list[list[dict[str, Any]] | KubernetesError] = []
        self.version = 10
        self.watches: list[list[bytes | KubernetesError]] = []
        self.asked: list[dict[str, str]] = []

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, timeout_s: float = 30.0) -> bytes:
        self.asked.append(dict(params or {}))
        items = self.lists.pop(0) if self.lists else []
        if isinstance(items, KubernetesError):
            raise items
        start = int((params or {}).get("continue") or 0)
        limit = 2 if len(items) > 2 else 500
        if len(items) > start + limit:
            self.lists.insert(0, items)
        more = str(start + limit) if len(items) > start + limit else ""
        page = {
            "metadata": {"resourceVersion": str(self.version), "continue": more},
            "items": items[start : start + limit],
        }
        return json.dumps(page).encode()

    async def watch(self, path: str, params: Mapping[str, str], *, idle_timeout_s: float) -> AsyncIterator[bytes]:
        self.asked.append(dict(params))
        for step in self.watches.pop(0) if self.watches else [SILENCE]:
            if step == SILENCE:
                await self.clock.sleep(idle_timeout_s)
                raise Unavailable("nothing came")
            if isinstance(step, KubernetesError):
                raise step
            yield step
            await asyncio.sleep(0)

    def watched_from(self) -> list[str]:
        return [a["resourceVersion"] for a in self.asked if a.get("watch")]

    def listed(self) -> int:
        return sum(1 for a in self.asked if not a.get("watch") and "continue" not in a)


class Watched:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.server = Server(self.clock)
        self.store: Store[Pod] = Store()
        self.seen: list[tuple[str, str]] = []
        self.reflector = Reflector(
            self.server,
            PODS,
            self.store,
            path="/pods",
            clock=self.clock,
            changed=self._changed,
            jitter=lambda low, high: high,
        )

    def _changed(self, before: Pod | None, after: Pod | None) -> None:
        known = (after or before or Pod()).metadata
        kind = "added" if before is None else "deleted" if after is None else "changed"
        assert (self.store.get(known.name) is None) == (after is None), "the cache agrees when a listener is called"
        self.seen.append((kind, known.name))

    async def run(self, seconds: float = 0) -> None:
        task = asyncio.create_task(self.reflector.run())
        await self.clock.advance(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.fixture
def watched() -> Watched:
    return Watched()


async def test_a_list_in_pages_and_then_events_fill_the_store(watched: Watched) -> None:
    watched.server.lists = [[pod("a", 3), pod("b", 9), pod("c", 1)]]
    watched.server.watches = [
        [line("MODIFIED", pod("a", 11)), line("ADDED", pod("d", 12)), line("DELETED", pod("b", 13))]
    ]
    await watched.run()
    assert sorted(watched.store.names()) == ["a", "c", "d"]
    assert watched.seen[3:] == [("changed", "a"), ("added", "d"), ("deleted", "b")]
    assert watched.server.watched_from() == ["10", "13"], "the list's version counts, then the last event's"
    assert watched.store.synced


async def test_a_bookmark_advances_the_version(watched: Watched) -> None:
    watched.server.watches = [[bookmark(40)]]
    await watched.run()
    assert watched.server.watched_from() == ["10", "40"]


@pytest.mark.parametrize("expired", [EXPIRED, Gone("too old", status=410)])
async def test_an_expired_watch_leads_to_a_list_and_finds_what_was_deleted_meanwhile(
    watched: Watched, expired: bytes | KubernetesError
) -> None:
    watched.server.lists = [[pod("a", 3), pod("b", 4)], [pod("b", 4), pod("c", 20)]]
    watched.server.watches = [[expired]]
    await watched.run()
    assert watched.seen == [("added", "a"), ("added", "b"), ("deleted", "a"), ("added", "c")]


async def test_a_version_that_expires_again_and_again_is_asked_for_ever_more_slowly(watched: Watched) -> None:
    watched.server.watches = [[EXPIRED]] * 100
    await watched.run(60)
    assert watched.server.listed() < 10


async def test_a_deletion_and_recreation_in_a_gap_is_both(watched: Watched) -> None:
    watched.server.lists = [[pod("a", 3, "one")], [pod("a", 30, "two")]]
    watched.server.watches = [[EXPIRED]]
    await watched.run()
    assert watched.seen == [("added", "a"), ("deleted", "a"), ("added", "a")]


async def test_repeated_and_older_events_change_nothing(watched: Watched) -> None:
    watched.server.lists = [[pod("a", 5)]]
    watched.server.watches = [
        [line("MODIFIED", pod("a", 12)), line("MODIFIED", pod("a", 12)), line("MODIFIED", pod("a", 7))]
    ]
    await watched.run()
    assert watched.seen == [("added", "a"), ("changed", "a")]
    assert watched.store.get("a").metadata.resourceVersion == "12"  # type: ignore[union-attr]


async def test_a_watch_that_falls_silent_is_opened_again_where_it_was(watched: Watched) -> None:
    watched.server.watches = [[bookmark(20), SILENCE]]
    await watched.run(75)
    assert watched.server.watched_from()[:2] == ["10", "20"]
    assert watched.server.listed() == 1, "a broken connection is no reason to list"


async def test_a_server_that_forgot_our_version_and_says_nothing_is_listed_again(watched: Watched) -> None:
    watched.server.lists = [[pod("a", 500)], [pod("a", 2, "restored")]]
    watched.server.version = 600
    watched.server.watches = [[SILENCE], [line("ADDED", pod("b", 4)), SILENCE]]
    task = asyncio.create_task(watched.reflector.run())
    await watched.clock.advance(1)
    watched.server.version = 3  # restored from a backup: versions begin again at a low number
    await watched.clock.advance(75)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert watched.server.watched_from()[:2] == ["600", "3"]
    assert sorted(watched.store.names()) == ["a", "b"]
    assert watched.store.get("a").metadata.uid == "restored"  # type: ignore[union-attr]


async def test_a_server_that_ends_every_watch_at_once_is_not_hammered(watched: Watched) -> None:
    watched.server.watches = [[] for _ in range(1000)]
    await watched.run(60)
    assert len(watched.server.watched_from()) < 12


@pytest.mark.parametrize(
    "text", [b"upstream connect error", b'{"kind":"Status"}', b'{"type":"WHAT","object":{"metadata":{}}}']
)
async def test_what_is_not_an_event_is_an_error_and_not_an_event(watched: Watched, text: bytes) -> None:
    watched.server.lists = [[pod("a", 5)], [pod("a", 5)]]
    watched.server.watches = [[text], [line("ADDED", pod("b", 12))]]
    await watched.run(5)
    assert watched.seen == [("added", "a"), ("added", "b")]


async def test_a_server_that_forgot_everything_is_read_anew(watched: Watched) -> None:
    watched.server.lists = [[pod("a", 500)], [pod("b", 2)]]
    watched.server.watches = [
        [line("ERROR", {"code": 504, "reason": "Timeout", "message": "Too large resource version"})]
    ]
    await watched.run(5)
    assert watched.seen == [("added", "a"), ("deleted", "a"), ("added", "b")]


async def test_errors_back_off_and_say_what_hinders(watched: Watched) -> None:
    watched.server.lists = [Unavailable("connection refused")] * 50
    await watched.run(60)
    assert 3 < watched.server.listed() < 12
    assert "connection refused" in watched.reflector.problem
    assert not watched.store.synced
