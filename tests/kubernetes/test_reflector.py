"""What a watch can do to a reader, and that the store is right afterwards (each case is a bug somebody had)."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from gateway.clock import VirtualClock
from gateway.kubernetes.errors import Forbidden, Gone, Invalid, KubernetesError, NotFound, Unavailable
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

    async def watch(
        self, path: str, params: Mapping[str, str], *, idle_timeout_s: float
    ) -> AsyncGenerator[bytes, None]:
        self.asked.append(dict(params))
        steps = self.watches.pop(0) if self.watches else [SILENCE]
        for step in steps:
            if step == SILENCE:
                await self.clock.sleep(idle_timeout_s)
                raise Unavailable("nothing came")
            if isinstance(step, KubernetesError):
                raise step
            yield step
            await asyncio.sleep(0)

    def watched_from(self) -> list[str]:
        return [a["resourceVersion"] for a in self.asked if a.get("watch") and "sendInitialEvents" not in a]

    def listed(self) -> int:
        return sum(1 for a in self.asked if not a.get("watch") and "continue" not in a)


class Watched:
    def __init__(self, *, streaming: bool = False) -> None:
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
            missing="not installed",
            streaming=streaming,
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
    await watched.run(1)
    assert not watched.reflector.problem, "an expiry is expected now and then"
    assert watched.seen == [("added", "a"), ("added", "b"), ("deleted", "a"), ("added", "c")]


async def test_a_version_that_expires_again_and_again_is_asked_for_ever_more_slowly(watched: Watched) -> None:
    watched.server.watches = [[EXPIRED]] * 100
    await watched.run(60)
    assert watched.server.listed() < 10


async def test_a_deletion_and_recreation_in_a_gap_is_both(watched: Watched) -> None:
    watched.server.lists = [[pod("a", 3, "one")], [pod("a", 30, "two")]]
    watched.server.watches = [[EXPIRED]]
    await watched.run(1)
    assert watched.seen == [("added", "a"), ("deleted", "a"), ("added", "a")]


async def test_repeated_and_older_events_change_nothing(watched: Watched) -> None:
    watched.server.lists = [[pod("a", 5)]]
    watched.server.watches = [
        [line("MODIFIED", pod("a", 12)), line("MODIFIED", pod("a", 12)), line("MODIFIED", pod("a", 7))]
    ]
    await watched.run()
    assert watched.seen == [("added", "a"), ("changed", "a")]
    assert watched.store.get("a").metadata.resourceVersion == "12"  # type: ignore[union-attr]
    assert watched.server.watched_from() == ["10", "12"], "what was reached is not asked for again"


async def test_a_watch_that_falls_silent_is_opened_again_where_it_was(watched: Watched) -> None:
    watched.server.watches = [[bookmark(20), SILENCE]]
    await watched.run(75)
    assert watched.server.watched_from() == ["10", "20"]
    assert watched.server.listed() == 1, "a broken connection is no reason to list"


async def test_a_watch_that_never_says_anything_leads_to_a_list_that_may_be_older(watched: Watched) -> None:
    watched.server.lists = [[pod("a", 500)], [pod("a", 2, "restored")]]
    watched.server.version = 600
    watched.server.watches = [[SILENCE], [line("ADDED", pod("b", 4))]]
    task = asyncio.create_task(watched.reflector.run())
    await watched.clock.advance(1)
    watched.server.version = 3
    await watched.clock.advance(75)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert watched.server.watched_from()[:3] == ["600", "3", "4"]
    assert sorted(watched.store.names()) == ["a", "b"]
    assert watched.store.get("a").metadata.uid == "restored"  # type: ignore[union-attr]


async def test_an_accepted_watch_ends_the_problem_before_anything_happens(watched: Watched) -> None:
    watched.server.watches = [[bookmark(20), Unavailable("connection reset")], [b"", SILENCE]]
    task = asyncio.create_task(watched.reflector.run())
    await watched.clock.advance(0.1)
    assert watched.reflector.problem == "connection reset"
    await watched.clock.advance(2)
    assert watched.reflector.problem == ""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


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


async def test_a_refusal_that_lasts_is_met_with_patience(watched: Watched) -> None:
    watched.server.lists = [[]]
    watched.server.watches = [[Forbidden("not yours", status=403)]] * 100
    await watched.run(60)
    assert len(watched.server.watched_from()) < 12


async def test_a_resource_that_is_not_installed_is_looked_for_every_few_seconds(watched: Watched) -> None:
    watched.server.lists = [NotFound("404 page not found", status=404)] * 100
    await watched.run(60)
    assert watched.reflector.problem == "not installed"
    assert 10 < watched.server.listed() < 20


async def test_pages_that_expire_half_way_are_read_from_the_first_again(watched: Watched) -> None:
    three = [pod("a", 1), pod("b", 2), pod("c", 3)]
    watched.server.lists = [three]
    get = watched.server.get
    expired = False

    async def expiring(path: str, params: Mapping[str, str] | None = None, *, timeout_s: float = 30.0) -> bytes:
        nonlocal expired
        if (params or {}).get("continue") and not expired:
            expired = True
            raise Gone("The provided continue parameter is too old", status=410)
        return await get(path, params, timeout_s=timeout_s)

    watched.server.get = expiring  # type: ignore[method-assign]
    await watched.run(2)
    assert sorted(watched.store.names()) == ["a", "b", "c"]
    assert watched.server.listed() == 2


async def test_one_object_that_cannot_be_read_does_not_hide_the_others(watched: Watched) -> None:
    strange = {"metadata": {"name": "odd", "uid": "u", "resourceVersion": "11"}, "spec": {"nodeName": 7}}
    watched.server.lists = [[strange, pod("a", 3)]]
    watched.server.watches = [[line("MODIFIED", strange), line("ADDED", pod("b", 12)), line("DELETED", strange)]]
    await watched.run()
    assert watched.seen == [("added", "a"), ("added", "b")]
    assert watched.reflector.problem == ""


async def test_a_deletion_tells_the_final_state(watched: Watched) -> None:
    last: list[Pod] = []
    watched.server.lists = [[{**pod("a", 3), "status": {"phase": "Running"}}]]
    watched.server.watches = [[line("DELETED", {**pod("a", 12), "status": {"phase": "Failed"}})]]
    watched.reflector._changed = lambda before, after: last.append(before) if before and not after else None
    await watched.run()
    assert [pod.status.phase for pod in last] == ["Failed"]


async def test_a_late_deletion_of_a_former_object_leaves_its_successor(watched: Watched) -> None:
    watched.server.lists = [[pod("a", 9, "second")]]
    watched.server.watches = [[line("DELETED", pod("a", 11, "first"))]]
    await watched.run()
    assert watched.seen == [("added", "a")]


async def test_once_an_hour_or_two_everything_is_listed_again(watched: Watched) -> None:
    watched.server.watches = [[bookmark(20 + i), SILENCE] for i in range(200)]
    await watched.run(3 * 3600)
    assert watched.server.listed() == 2


async def test_others_run_during_a_burst(watched: Watched) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    burst = [line("MODIFIED", pod("a", 11 + i)) for i in range(5000)]

    async def all_at_once(
        path: str, params: Mapping[str, str], *, idle_timeout_s: float
    ) -> AsyncGenerator[bytes, None]:
        if int(params["resourceVersion"]) < 5000:
            for text in burst:
                yield text
        await watched.clock.sleep(idle_timeout_s)

    watched.server.watch = all_at_once  # type: ignore[method-assign]
    task = asyncio.create_task(watched.reflector.run())
    beside = asyncio.create_task(other())
    await watched.clock.settle(500)
    for each in (task, beside):
        each.cancel()
    await asyncio.gather(task, beside, return_exceptions=True)
    assert watched.store.get("a").metadata.resourceVersion == "5010"  # type: ignore[union-attr]
    assert turns >= 50


MARK = line("BOOKMARK", {"metadata": {"resourceVersion": "30", "annotations": {"k8s.io/initial-events-end": "true"}}})


class TestStreamedLists:
    @pytest.fixture
    def watched(self) -> Watched:
        return Watched(streaming=True)

    async def test_the_mark_s_version_counts_and_not_the_largest_of_the_burst(self, watched: Watched) -> None:
        watched.server.watches = [[line("ADDED", pod("b", 28)), line("ADDED", pod("a", 3)), bookmark(5), MARK]]
        await watched.run()
        assert watched.server.listed() == 0
        assert watched.server.watched_from() == ["30"]
        assert sorted(watched.store.names()) == ["a", "b"]

    async def test_what_follows_the_mark_is_followed_on_the_same_connection(self, watched: Watched) -> None:
        watched.server.watches = [[line("ADDED", pod("a", 3)), MARK, line("DELETED", pod("a", 31)), SILENCE]]
        await watched.run()
        assert watched.seen == [("added", "a"), ("deleted", "a")]
        assert len(watched.server.asked) == 1

    async def test_half_a_burst_is_thrown_away(self, watched: Watched) -> None:
        watched.server.watches = [[line("ADDED", pod("a", 3)), Unavailable("cut")]]
        await watched.run(0.1)
        assert watched.seen == []
        assert not watched.store.synced

    @pytest.mark.parametrize("refusal", [Invalid("sendInitialEvents is forbidden", status=422), SILENCE, bookmark(9)])
    async def test_a_server_that_does_not_stream_is_read_in_pages(
        self, watched: Watched, refusal: bytes | KubernetesError
    ) -> None:
        watched.server.lists = [[pod("a", 3)]]
        watched.server.watches = [[refusal, SILENCE]]
        await watched.run(31)
        assert watched.seen == [("added", "a")]
        assert watched.server.listed() == 1

    async def test_an_expired_version_is_streamed_anew_and_compared(self, watched: Watched) -> None:
        watched.server.watches = [
            [line("ADDED", pod("a", 3)), line("ADDED", pod("b", 4)), MARK, EXPIRED],
            [line("ADDED", pod("b", 4)), MARK],
        ]
        await watched.run(1)
        assert watched.seen == [("added", "a"), ("added", "b"), ("deleted", "a")]
