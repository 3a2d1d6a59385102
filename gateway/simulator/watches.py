"""One watch: from a version, or from what there is, to the end the client asked for."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.simulator.errors import ApiError, expired
from gateway.simulator.history import Entry
from gateway.simulator.kinds import Kind
from gateway.simulator.objects import Objects
from gateway.simulator.responses import encode
from gateway.simulator.versions import too_new

__all__ = ["BOOKMARK_EVERY_S", "Watch", "watch"]

Obj = dict[str, Any]
Matcher = Callable[[Obj], bool]

BOOKMARK_EVERY_S = 60.0
_LAST_BOOKMARK_S = 2.0  # before the end a client gets one more, to resume from
_TOO_NEW_WAIT_S = 3.0
_BACKLOG = 20_000
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Watch:
    """What a client asked for. `mixed_up` gives the initial events out of order and one of them twice."""

    kind: Kind
    namespace: str
    matches: Matcher
    version: str = ""
    timeout_s: float = 1800.0
    bookmarks: bool = False
    initial_events: bool = False
    mixed_up: bool = False


async def watch(objects: Objects, asked: Watch, *, bookmark_every_s: float = BOOKMARK_EVERY_S) -> AsyncIterator[bytes]:
    """Lines, each with its newline, several at once if there are. An expired version is an ERROR event, as on a real one."""
    feed = _Feed(objects, asked.kind.plural)
    try:
        if asked.initial_events and asked.version.isdecimal() and int(asked.version) > objects.version:
            await objects.clock.sleep(_TOO_NEW_WAIT_S)
            if int(asked.version) > objects.version:
                raise too_new(int(asked.version), objects.version)
        first = b"".join(_beginning(objects, asked))
        if first:
            yield first
        async for lines in _live(objects, asked, feed, bookmark_every_s):
            yield lines
    except ApiError as error:
        yield _line("ERROR", error.body())
    finally:
        feed.close()


class _Feed:
    """The changes of a kind that a watch has not told yet."""

    def __init__(self, objects: Objects, plural: str) -> None:
        self._objects = objects
        self._pending: deque[Entry] = deque()
        self._came = asyncio.Event()
        self._overrun = False
        self._unsubscribe = objects.subscribe(plural, self._on_change)

    def close(self) -> None:
        self._unsubscribe()

    def _on_change(self, event: str, after: Obj | None, before: Obj | None) -> None:
        version = self._objects.version
        if after is None:
            gone = before or {}
            after = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(version)}}
        if len(self._pending) >= _BACKLOG:
            self._overrun = True
        else:
            self._pending.append(Entry(version, event, after, before))
        self._came.set()

    async def wait(self) -> None:
        await self._came.wait()

    def take(self) -> list[Entry]:
        """Raises ApiError (410) for a watcher that is too slow."""
        if self._overrun:
            raise expired("the watcher was too slow")
        taken = [self._pending.popleft() for _ in range(min(_BATCH, len(self._pending)))]
        if not self._pending:
            self._came.clear()
        return taken


def _beginning(objects: Objects, asked: Watch) -> Iterator[bytes]:
    if asked.initial_events or asked.version in ("", "0"):
        found = [obj for obj in objects.list(asked.kind.plural, asked.namespace or None) if asked.matches(obj)]
        if asked.mixed_up:
            found = [*reversed(found), *found[-1:]]
        for obj in found:
            yield _line("ADDED", obj)
        if asked.initial_events and asked.bookmarks:
            yield _bookmark(asked.kind, objects.version, {"k8s.io/initial-events-end": "true"})
        return
    version = int(asked.version)
    if version > objects.version:
        return
    entries = objects.history.since(asked.kind.plural, version)
    if entries is None:
        raise expired(f"too old resource version: {version} ({objects.version})")
    for entry in entries:
        yield _told(entry, asked)


async def _live(objects: Objects, asked: Watch, feed: _Feed, bookmark_every_s: float) -> AsyncIterator[bytes]:
    """Until the time is up. A version of the future is waited for in silence, without bookmarks."""
    clock = objects.clock
    end = clock.monotonic() + asked.timeout_s
    ahead = int(asked.version) if asked.version.isdecimal() and not asked.initial_events else 0
    next_mark = clock.monotonic() + bookmark_every_s
    last_mark = end - _LAST_BOOKMARK_S if asked.timeout_s > 2 * _LAST_BOOKMARK_S else end
    timer: asyncio.Future[None] | None = None
    waiter: asyncio.Future[None] | None = None
    try:
        while (now := clock.monotonic()) < end:
            if now >= min(next_mark, last_mark):
                next_mark = now + bookmark_every_s
                last_mark = end if now >= last_mark else last_mark
                if asked.bookmarks and objects.version >= ahead:
                    yield _bookmark(asked.kind, objects.version)
            if timer is None or timer.done():
                timer = asyncio.ensure_future(clock.sleep(min(next_mark, last_mark, end) - now))
            if waiter is None or waiter.done():
                waiter = asyncio.ensure_future(feed.wait())
            await asyncio.wait({timer, waiter}, return_when=asyncio.FIRST_COMPLETED)
            lines = b"".join(_told(entry, asked) for entry in feed.take() if entry.version > ahead)
            if lines:
                yield lines
    finally:
        await _cancelled(timer, waiter)


async def _cancelled(*futures: asyncio.Future[None] | None) -> None:
    found = [future for future in futures if future is not None]
    for future in found:
        future.cancel()
    await asyncio.gather(*found, return_exceptions=True)


def _told(entry: Entry, asked: Watch) -> bytes:
    """An object that enters the selector is ADDED to it, one that leaves is DELETED from it, in its last state there."""
    if asked.namespace and entry.after["metadata"].get("namespace") != asked.namespace:
        return b""
    is_in = entry.type != "DELETED" and asked.matches(entry.after)
    was_in = entry.before is not None and asked.matches(entry.before)
    if is_in:
        return _line("MODIFIED" if was_in else "ADDED", entry.after)
    if not was_in or entry.before is None:
        return b""
    if entry.type == "DELETED":
        return _line("DELETED", entry.after)
    meta = {**entry.before["metadata"], "resourceVersion": entry.after["metadata"]["resourceVersion"]}
    return _line("DELETED", {**entry.before, "metadata": meta})


def _bookmark(kind: Kind, version: int, annotations: dict[str, str] | None = None) -> bytes:
    meta: Obj = {"resourceVersion": str(version), "creationTimestamp": None}
    if annotations:
        meta["annotations"] = annotations
    return _line("BOOKMARK", {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta})


def _line(event: str, obj: Obj) -> bytes:
    return encode({"type": event, "object": obj}) + b"\n"
