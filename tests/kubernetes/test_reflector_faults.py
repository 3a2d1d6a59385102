"""What others got wrong in reflectors, each bug as a fault on a real socket, and that the store is right afterwards."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.clock import VirtualClock
from gateway.kubernetes.reflector import Reflector
from gateway.kubernetes.resources import PODS
from gateway.kubernetes.store import Store
from gateway.kubernetes.transport import ApiServer
from tests.kubernetes.sockets import (
    Collection,
    Reply,
    SocketServer,
    answer,
    bookmark,
    connected,
    event,
    expired,
    pod,
    repeated,
    status,
    until,
    watching,
)
from translators.kubernetes.objects import Pod


class Watched:
    """A reflector of pods on the real transport. `seen` are the differences told, in order."""

    def __init__(self, api: ApiServer, clock: VirtualClock, *, streaming: bool) -> None:
        self.store: Store[Pod] = Store()
        self.seen: list[tuple[str, str, str]] = []
        self.reflector = Reflector(
            api, PODS, self.store, path="/api/v1/pods", clock=clock, changed=self._changed, streaming=streaming
        )

    def _changed(self, before: Pod | None, after: Pod | None) -> None:
        meta = (after or before or Pod()).metadata
        assert self.store.get(meta.name) is after, "in a listener the store already agrees"
        kind = "added" if before is None else "deleted" if after is None else "changed"
        self.seen.append((kind, meta.name, meta.resourceVersion))

    def state(self) -> dict[str, str]:
        return {item.metadata.name: item.metadata.resourceVersion for item in self.store.values()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reflector.run())
        try:
            yield
            assert not task.done(), "a reflector never gives up"
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class World:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = VirtualClock()
        self.server = SocketServer()

    @asynccontextmanager
    async def watching(self, *, streaming: bool = False) -> AsyncIterator[Watched]:
        async with connected(self.server, self.directory, self.clock) as api:
            watched = Watched(api, self.clock, streaming=streaming)
            async with watched.running():
                yield watched

    async def until(self, reached: Callable[[], bool], *, step_s: float = 0.2) -> None:
        await until(self.clock, reached, step_s=step_s)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


both_ways = pytest.mark.parametrize("streaming", [False, True], ids=["listed", "streamed"])


# The table


@both_ways
async def test_after_an_expiry_no_stale_replica_is_believed(world: World, streaming: bool) -> None:
    """A list at version 0 may come from the past (kubernetes 59848): ours asks for a consistent one, always."""
    world.server.collection = Collection(20, [pod("b", 20)])
    world.server.lists.append(answer(200, json.dumps(_page(10, pod("a", 5), pod("b", 6))).encode()))
    world.server.streams.append(watching(event("ADDED", pod("a", 5)), bookmark(10, end_of_list=True), expired()))
    world.server.watches.append(watching(expired()))
    async with world.watching(streaming=streaming) as watched:
        await world.until(lambda: watched.state() == {"b": "20"})
    consistent = [a for a in world.server.asked if not a.params.get("watch") or "sendInitialEvents" in a.params]
    assert len(consistent) == 2
    assert all("resourceVersion" not in asked.params for asked in consistent)


async def test_a_stale_replica_that_repeats_the_past_brings_back_nothing(world: World) -> None:
    world.server.collection = Collection(10, [pod("a", 5)])
    gone = event("DELETED", pod("a", 14))
    past = [event("MODIFIED", pod("a", 11)), event("ADDED", pod("c", 12)), gone]
    world.server.watches.extend(
        [watching(event("ADDED", pod("b", 13)), gone, then="cut"), watching(*past, event("ADDED", pod("d", 15)))]
    )
    async with world.watching() as watched:
        await world.until(lambda: "d" in watched.state())
        assert watched.state() == {"b": "13", "d": "15"}
        assert [kind for kind, *_ in watched.seen] == ["added", "added", "deleted", "added"]


async def test_an_api_server_that_forgot_everything_is_read_anew_after_its_silence(world: World) -> None:
    """A plain watch of a version in the future says nothing at all, not even bookmarks."""
    world.server.collection = Collection(500, [pod("a", 500, "old"), pod("b", 400)])
    world.server.watches.append(watching())
    async with world.watching() as watched:
        await world.until(lambda: len(world.server.versions()) == 1)
        began = world.clock.monotonic()
        world.server.collection = Collection(3, [pod("a", 2, "new")], [("ADDED", pod("c", 4))])
        await world.until(lambda: watched.state() == {"a": "2", "c": "4"}, step_s=1)
        assert world.clock.monotonic() - began < 75
    assert world.server.versions() == ["500", "3"]


@pytest.mark.parametrize("as_event", [False, True], ids=["status", "event"])
async def test_a_version_of_the_future_is_given_up(world: World, as_event: bool) -> None:
    refused = status(504, "Timeout", "Too large resource version: 500, current: 3")
    world.server.collection = Collection(500, [pod("a", 500)])
    world.server.watches.append(watching(event("ERROR", json.loads(refused))) if as_event else answer(504, refused))
    async with world.watching() as watched:
        await world.until(lambda: watched.store.synced)
        world.server.collection = Collection(3, [pod("b", 2)])
        await world.until(lambda: watched.state() == {"b": "2"})


@both_ways
@pytest.mark.parametrize("face", [watching(expired()), answer(410, status(410, "Expired"))], ids=["event", "status"])
async def test_an_expiry_that_repeats_itself_leads_to_a_list_each_time_and_to_patience(
    world: World, face: Reply, streaming: bool
) -> None:
    ended = watching(event("ADDED", pod("a", 5)), bookmark(10, end_of_list=True), then="end")
    world.server.collection = Collection(10, [pod("a", 5)])
    world.server.streams = repeated(ended, 500)
    world.server.watches = repeated(face, 500)
    async with world.watching(streaming=streaming):
        await world.until(lambda: world.clock.monotonic() >= 60)
    wholes = len(world.server.asked) - len(world.server.versions())
    assert 3 <= wholes <= 12
    assert len(world.server.versions()) <= wholes


@both_ways
async def test_the_version_of_the_whole_counts_and_not_that_of_its_last_object(world: World, streaming: bool) -> None:
    objects = [pod("c", 9), pod("a", 3), pod("d", 28), pod("b", 7)]
    world.server.lists.append(answer(200, json.dumps(_page(30, *objects)).encode()))
    burst = [event("ADDED", each) for each in objects]
    world.server.streams.append(watching(*burst, bookmark(30, end_of_list=True), then="end"))
    async with world.watching(streaming=streaming) as watched:
        await world.until(lambda: len(world.server.versions()) == 1)
        assert len(watched.seen) == 4
    assert world.server.versions() == ["30"]


async def test_a_silent_peer_is_left_after_seventy_seconds_and_resumed_where_it_was(world: World) -> None:
    world.server.collection = Collection(10, [pod("a", 5)], [("MODIFIED", pod("a", 12))])
    world.server.watches.append(watching(bookmark(11)))
    async with world.watching():
        await world.until(lambda: len(world.server.versions()) == 1)
        began = world.clock.monotonic()
        await world.until(lambda: len(world.server.versions()) == 2, step_s=1)
        assert 69 <= world.clock.monotonic() - began <= 75
        await world.until(lambda: world.server.open <= 2)
    assert world.server.versions() == ["10", "11"]
    assert len(world.server.of(watch=False)) == 1, "silence after a sign of life is no reason to list"


async def test_a_busy_watch_is_never_cut_by_us(world: World) -> None:
    world.server.watches.append(watching(bookmark(11)))
    async with world.watching() as watched:
        await world.until(lambda: watched.store.resource_version == "11")
        for version in range(12, 24):
            await world.clock.advance(60)
            world.server.send(bookmark(version))
            await world.until(lambda v=version: watched.store.resource_version == str(v), step_s=0)  # type: ignore[misc]
    assert world.server.versions() == ["10"]


async def test_a_session_closed_under_a_live_watch_is_no_end(world: World) -> None:
    world.server.collection = Collection(10, [], [("ADDED", pod("a", 12))])
    world.server.watches.append(watching(bookmark(11)))
    async with connected(world.server, world.directory, world.clock) as api:
        watched = Watched(api, world.clock, streaming=False)
        async with watched.running():
            await world.until(lambda: watched.store.resource_version == "11")
            await api._watches.open().close()
            await world.until(lambda: watched.state() == {"a": "12"})


@both_ways
async def test_an_object_of_a_megabyte_and_a_half_arrives(world: World, streaming: bool) -> None:
    big = pod("big", 12)
    big["metadata"]["annotations"] = {"note": "x" * (3 * 2**19)}
    world.server.collection = Collection(10, [], [("ADDED", big)])
    async with world.watching(streaming=streaming) as watched:
        await world.until(lambda: watched.state() == {"big": "12"})


@both_ways
async def test_a_deletion_in_a_gap_is_told(world: World, streaming: bool) -> None:
    world.server.collection = Collection(10, [pod("a", 5), pod("b", 6), pod("c", 7, "first")])
    world.server.watches.append(watching(expired()))
    world.server.streams.append(
        watching(
            *(event("ADDED", p) for p in world.server.collection.items), bookmark(10, end_of_list=True), then="cut"
        )
    )
    async with world.watching(streaming=streaming) as watched:
        await world.until(lambda: watched.store.synced)
        world.server.collection = Collection(30, [pod("b", 6), pod("c", 29, "second")])
        await world.until(lambda: watched.state() == {"b": "6", "c": "29"})
        assert sorted(watched.seen[3:5]) == [("deleted", "a", "5"), ("deleted", "c", "7")]
        assert watched.seen[5:] == [("added", "c", "29")]


@both_ways
async def test_a_refusal_that_lasts_a_minute_is_asked_about_a_few_times(world: World, streaming: bool) -> None:
    world.server.choose = lambda asked: answer(403, status(403, "Forbidden", "pods is forbidden"))
    async with world.watching(streaming=streaming) as watched:
        await world.until(lambda: world.clock.monotonic() >= 60)
        assert "forbidden" in watched.reflector.problem
    assert 3 <= len(world.server.asked) <= 12


async def test_fifty_thousand_events_at_once_pile_up_nothing(world: World) -> None:
    burst = b"".join(event("MODIFIED", pod(f"p{i % 10}", 11 + i)) for i in range(50_000))
    world.server.watches.append(watching(burst))
    most = 0
    async with world.watching() as watched:
        tasks = len(asyncio.all_tasks())
        while watched.store.resource_version != "50010":
            most = max(most, len(asyncio.all_tasks()))
            await asyncio.sleep(0)
        assert len(watched.store) == 10
    assert most <= tasks + 4


# Other faults at the socket


def _page(version: int, *items: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version)}, "items": list(items)}


LATER = [
    ("ADDED", pod("c", 11)),
    ("MODIFIED", pod("a", 12)),
    ("DELETED", pod("b", 13)),
    ("ADDED", pod("b", 14, "again")),
    ("MODIFIED", pod("c", 15)),
]
TOLD = [
    ("added", "a", "5"),
    ("added", "b", "6"),
    ("added", "c", "11"),
    ("changed", "a", "12"),
    ("deleted", "b", "13"),
    ("added", "b", "14"),
    ("changed", "c", "15"),
]


@both_ways
async def test_a_watch_cut_at_any_byte_leads_to_the_same_store_and_the_same_news(world: World, streaming: bool) -> None:
    world.server.collection = Collection(10, [pod("a", 5), pod("b", 6)], LATER)
    whole = watching(*(event(kind, item) for kind, item in LATER))
    first = [*(event("ADDED", item) for item in world.server.collection.items), bookmark(10, end_of_list=True)]
    if streaming:
        whole = watching(*first, *(event(kind, item) for kind, item in LATER))
    async with connected(world.server, world.directory, world.clock) as api:
        for at in range(len(whole.data) + 1):
            queue = world.server.streams if streaming else world.server.watches
            queue.append(whole.cut(at))
            watched = Watched(api, world.clock, streaming=streaming)
            async with watched.running():
                await world.until(lambda w=watched: w.state() == {"a": "12", "b": "14", "c": "15"}, step_s=1)  # type: ignore[misc]
            assert watched.seen == TOLD, f"cut at byte {at}"


@pytest.mark.parametrize("half", [1, 20, 70])
async def test_half_a_line_at_an_orderly_end_is_not_an_event(world: World, half: int) -> None:
    world.server.collection = Collection(10, [], [("ADDED", pod("a", 12))])
    world.server.watches.append(watching(event("ADDED", pod("a", 12))[:half], then="end"))
    async with world.watching() as watched:
        await world.until(lambda: watched.state() == {"a": "12"})
    assert world.server.versions() == ["10", "10"]


@pytest.mark.parametrize(
    "text",
    [
        answer(503, b"upstream connect error or disconnect/reset before headers", kind="text/plain"),
        answer(200, b"<html>Sign in</html>\n", kind="text/html"),
        watching(b"no healthy upstream\n"),
        watching(b'{"kind":"Status","code":500}\n'),
        watching(event("STRANGE", pod("x", 12))),
        watching(event("ADDED", pod("x", 12)).replace(b"u-x", b"u-\xff")),
        answer(302, b"", Location="http://127.0.0.1:1/login"),
    ],
    ids=["503", "html", "text", "status", "type", "not utf-8", "redirect"],
)
async def test_what_is_no_event_is_an_error_and_the_next_watch_is_read(world: World, text: Reply) -> None:
    world.server.collection = Collection(10, [pod("a", 5)], [("ADDED", pod("b", 13))])
    world.server.watches.append(text)
    async with world.watching() as watched:
        await world.until(lambda: "b" in watched.state())
        assert watched.state() == {"a": "5", "b": "13"}


async def test_without_bookmarks_a_quiet_kind_is_listed_once_in_seventy_seconds(world: World) -> None:
    async with world.watching() as watched:
        await world.until(lambda: world.clock.monotonic() >= 720, step_s=2)
        assert watched.store.synced
    assert 5 <= len(world.server.of(watch=False)) <= 11


async def test_without_bookmarks_a_busy_kind_resumes_at_its_last_event(world: World) -> None:
    world.server.watches.append(watching(event("ADDED", pod("a", 12)), then="cut"))
    async with world.watching():
        await world.until(lambda: len(world.server.versions()) == 2)
    assert world.server.versions() == ["10", "12"]


async def test_a_server_that_ends_every_watch_at_once_is_not_hammered(world: World) -> None:
    world.server.watches = repeated(watching(then="end"), 1000)
    async with world.watching():
        await world.until(lambda: world.clock.monotonic() >= 60)
    assert 3 <= len(world.server.versions()) <= 12


@pytest.mark.parametrize("code", [400, 422])
async def test_a_server_that_refuses_to_stream_is_read_in_pages(world: World, code: int) -> None:
    world.server.collection = Collection(10, [pod("a", 5)])
    world.server.streams.append(answer(code, status(code, "Invalid", "sendInitialEvents is forbidden")))
    world.server.watches.append(watching(expired()))
    async with world.watching(streaming=True):
        await world.until(lambda: len(world.server.of(watch=False)) == 2)
    assert sum("sendInitialEvents" in asked.params for asked in world.server.asked) == 1, "and that is remembered"


async def test_a_server_that_never_marks_the_end_of_the_stream_is_read_in_pages(world: World) -> None:
    world.server.collection = Collection(10, [pod("a", 5)])
    world.server.streams.append(watching(event("ADDED", pod("a", 5)), bookmark(9)))
    async with world.watching(streaming=True) as watched:
        await world.until(lambda: watched.store.synced, step_s=0.5)
        assert world.clock.monotonic() < 40
    assert len(world.server.of(watch=False)) == 1


async def test_a_resource_that_is_not_installed_is_named_and_found_soon_after_it_is(world: World) -> None:
    world.server.streams = repeated(answer(404, b"404 page not found\n", kind="text/plain"), 8)
    async with world.watching(streaming=True) as watched:
        watched.reflector._missing = "the custom resources are not installed"
        await world.until(lambda: bool(watched.reflector.problem))
        assert watched.reflector.problem == "the custom resources are not installed"
        world.server.streams.clear()
        began = world.clock.monotonic()
        await world.until(lambda: watched.store.synced and not watched.reflector.problem)
        assert world.clock.monotonic() - began < 6


async def test_a_server_that_asks_for_patience_gets_it(world: World) -> None:
    world.server.watches.append(answer(429, b"Too many requests\n", kind="text/plain", Retry_After="25"))
    async with world.watching():
        await world.until(lambda: len(world.server.versions()) == 1)
        refused_at = world.clock.monotonic()
        await world.until(lambda: len(world.server.versions()) == 2)
        assert world.clock.monotonic() - refused_at >= 25


async def test_one_unreadable_object_is_reported_once_and_stops_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    odd = [pod("odd", version, spec={"nodeName": 7}) for version in (4, 12, 13)]
    world.server.collection = Collection(
        10, [odd[0], pod("a", 5)], [("MODIFIED", odd[1]), ("MODIFIED", odd[2]), ("ADDED", pod("b", 14))]
    )
    with caplog.at_level(logging.ERROR):
        async with world.watching() as watched:
            await world.until(lambda: watched.state() == {"a": "5", "b": "14"})
    assert [record.message for record in caplog.records if "odd" in record.message] == [caplog.records[0].message]


@given(order=st.permutations(range(6)), twice=st.lists(st.integers(0, 5), max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_initial_events_in_any_order_and_twice_are_one_state(
    tmp_path: Path, order: list[int], twice: list[int]
) -> None:
    world = World(tmp_path)
    versions = [pod("a", 3), pod("a", 8), pod("b", 2), pod("c", 9), pod("c", 4), pod("d", 1)]
    burst = [event("ADDED", versions[i]) for i in [*order, *twice]]
    world.server.streams.append(watching(*burst, bookmark(10, end_of_list=True)))
    async with world.watching(streaming=True) as watched:
        await world.until(lambda: watched.store.synced, step_s=0)
        assert watched.state() == {"a": "8", "b": "2", "c": "9", "d": "1"}
        assert len(watched.seen) == 4
