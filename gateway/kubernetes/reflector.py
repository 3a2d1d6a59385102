"""Keeps a Store equal to what the API server has: list, watch, and recover from everything a watch can do.

The version that counts is the list's (or that of the mark at the end of a streamed list), then the last event's or
bookmark's; it never goes back but by a list. A watch has an end (300-600 s, so that reconnects spread out and tokens
rotate) and an idle limit (70 s, just above the server's one bookmark a minute). 410 in either form leads to a list, and so
does a watch that said nothing at all, since a server that has forgotten our version is silent. Lists are consistent reads:
never older than what was seen, unless the server itself went back; an event that is not newer than what was reached is
dropped. Anything that is not an event is an error; errors back
off with jitter; a stream that ends within a second without an event counts as an error. A list is diffed by name and uid,
so a deletion in a gap is never missed; once an hour a list is made in any case.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from gateway.clock import Clock
from gateway.kubernetes.answers import error_of
from gateway.kubernetes.errors import Gone, Invalid, KubernetesError, NotFound, TooManyRequests, Unavailable
from gateway.kubernetes.resources import Resource
from gateway.kubernetes.store import Store
from gateway.kubernetes.waiting import within
from translators.kubernetes.objects import ListMeta

__all__ = ["Api", "Reflector"]

T = TypeVar("T")

_IDLE_S = 70.0
_PAGE = 500
_BACKOFF_S, _BACKOFF_MAX_S = 0.8, 30.0
_MISSING_MAX_S = 5.0  # somebody is about to install what is missing
_SHORT_S = 1.0
_MARK_S = 30.0  # some servers accept a streamed list and never send the mark at its end
_RELIST_S = 3600.0  # cheap insurance against a missed deletion
_TURN = 100  # objects handled before others may run: about a millisecond
_MARK = "k8s.io/initial-events-end"

log = logging.getLogger(__name__)


class Api(Protocol):
    """What the reflector asks of the transport. A watch yields an empty line once it is accepted."""

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, timeout_s: float = 30.0) -> bytes: ...

    def watch(self, path: str, params: Mapping[str, str], *, idle_timeout_s: float) -> AsyncGenerator[bytes, None]: ...


class _Page(msgspec.Struct, frozen=True):
    metadata: ListMeta = ListMeta()
    items: list[msgspec.Raw] = []


class _Line(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Meta(msgspec.Struct, frozen=True):
    name: str = ""
    uid: str = ""
    resourceVersion: str = ""  # noqa: N815
    annotations: dict[str, str] = {}


class _Any(msgspec.Struct):
    metadata: _Meta = _Meta()


class _Status(msgspec.Struct):
    code: int = 0


class Reflector(Generic[T]):
    """`changed(before, after)` is called synchronously after the store has changed. Run it as a task.

    `before` of a deletion is the final state, as far as it was told. `problem` is what hinders it now, or empty; `missing`
    is what to say if the resource is unknown to the server; `heard` is called whenever the server says anything.
    `streaming` asks for the first state by a watch, and falls back to pages where the server does not do that.
    """

    def __init__(
        self,
        api: Api,
        resource: Resource[T],
        store: Store[T],
        *,
        path: str,
        clock: Clock,
        changed: Callable[[T | None, T | None], None],
        heard: Callable[[], None] = lambda: None,
        params: Mapping[str, str] | None = None,
        missing: str = "",
        streaming: bool = True,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._api = api
        self._resource = resource
        self._store = store
        self._path = path
        self._clock = clock
        self._changed = changed
        self._heard = heard
        self._params = dict(params or {})
        self._missing = missing
        self._streaming = streaming
        self._jitter = jitter
        self._failures = 0
        self._version = ""
        self._lines = 0
        self._relist_at = 0.0
        self._unreadable: set[str] = set()
        self.problem = ""

    async def run(self) -> None:
        """Until cancelled. Recovers from every error of the server; what it cannot explain ends it."""
        while True:
            try:
                await self._round()
            except Gone:
                self._version = ""  # the list that follows is a consistent one: never older than what was seen
                await self._back_off("the watched version has expired", expected=self._failures == 0)
            except NotFound as error:
                self._version = ""
                await self._back_off(self._missing or error.message, at_most_s=_MISSING_MAX_S)
            except KubernetesError as error:
                if isinstance(error, Invalid) or error.status == 504:
                    self._version = ""  # the server does not take it: it counts from the start again
                asked_s = error.retry_after_s if isinstance(error, TooManyRequests) else 0.0
                await self._back_off(error.message, at_least_s=asked_s)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self._version = ""
                await self._back_off(f"not an answer of a Kubernetes API: {error}")

    async def _round(self) -> None:
        if self._clock.monotonic() >= self._relist_at:
            self._version = ""
        if not self._version and self._streaming:
            await self._stream()
        else:
            if not self._version:
                await self._list()
            await self._watch()

    async def _back_off(
        self, problem: str, *, expected: bool = False, at_least_s: float = 0.0, at_most_s: float = _BACKOFF_MAX_S
    ) -> None:
        """Sleeps. What is expected is no problem, but every replica meets it at the same moment: hence the full range."""
        self._failures += 1
        limit = min(at_most_s, _BACKOFF_S * 2 ** min(self._failures - 1, 10))
        if not expected:
            if self.problem != problem:
                log.warning("%s: %s", self._resource.name, problem)
            self.problem = problem
        await self._clock.sleep(at_least_s + self._jitter(0 if expected else limit / 2, limit))

    # The whole state

    async def _list(self) -> None:
        found: dict[str, T] = {}
        params = {**self._params, "limit": str(_PAGE)}
        while True:
            page = msgspec.json.decode(await self._api.get(self._path, params), type=_Page)
            self._heard()
            for raw in page.items:
                self._collect(found, raw)
            if not page.metadata.continue_:
                break
            params["continue"] = page.metadata.continue_
            await asyncio.sleep(0)  # a page is decoded in a few milliseconds; others may run between two
        await self._swap(found, page.metadata.resourceVersion)

    async def _stream(self) -> None:
        """The state as a burst of events up to a mark, and the events after it, in one watch."""
        params = {**self._watching(), "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        async with aclosing(self._api.watch(self._path, params, idle_timeout_s=_IDLE_S)) as lines:
            try:
                found, version = await within(self._clock, _MARK_S, self._burst(lines))
            except (Invalid, TimeoutError) as error:
                log.info("%s: lists are not streamed here (%s); reading pages", self._resource.name, error)
                self._streaming = False
                return
            await self._swap(found, version)
            await self._follow(lines)

    async def _burst(self, lines: AsyncGenerator[bytes, None]) -> tuple[dict[str, T], str]:
        """A burst is in no order of versions; only the mark has one that counts."""
        found: dict[str, T] = {}
        count = 0
        async for text in lines:
            self._heard()
            if not text:
                continue
            line = _event(text)
            if line.type == "BOOKMARK":
                meta = _meta_of(line.object)
                if meta.annotations.get(_MARK) == "true":
                    return found, meta.resourceVersion
            elif line.type == "DELETED":
                found.pop(_meta_of(line.object).name, None)
            else:
                self._collect(found, line.object)
            count += 1
            if count % _TURN == 0:
                await asyncio.sleep(0)
        raise Unavailable("the watch ended before the whole state was sent")

    def _collect(self, found: dict[str, T], raw: msgspec.Raw) -> None:
        """Keeps the newest of an object that is told twice, in whatever order."""
        item = self._decoded(raw)
        if item is None:  # what was known of it is better than nothing
            meta = _meta_of(raw)
            item = self._store.get(meta.name)
            if item is None or _meta(item).uid != meta.uid:
                return
        name, version = _meta(item).name, _meta(item).resourceVersion
        if name not in found or _newer(version, _meta(found[name]).resourceVersion):
            found[name] = item

    async def _swap(self, found: Mapping[str, T], version: str) -> None:
        """At once, unless it is the first: then nobody reads yet, and the loop must go on turning."""
        for name in self._store.names():
            known = self._store.get(name)
            now = found.get(name)
            if known is not None and (now is None or _meta(now).uid != _meta(known).uid):
                self._store.remove(name)
                self._changed(known, None)
        for i, (name, item) in enumerate(found.items()):
            known = self._store.get(name)
            if known is None or _meta(known).resourceVersion != _meta(item).resourceVersion:
                self._store.put(name, item)
                self._changed(known, item)
            if not self._store.synced and i % _TURN == _TURN - 1:
                await asyncio.sleep(0)
        self._version = self._store.resource_version = version
        self._store.synced = True
        self._relist_at = self._clock.monotonic() + self._jitter(_RELIST_S, _RELIST_S * 2)
        self.problem = ""  # but not yet well: a version that expires right after the list must back off

    # What changes

    def _watching(self) -> dict[str, str]:
        timeout_s = str(round(self._jitter(300, 600)))
        return {**self._params, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": timeout_s}

    async def _watch(self) -> None:
        params = {**self._watching(), "resourceVersion": self._version}
        began, self._lines = self._clock.monotonic(), 0
        try:
            async with aclosing(self._api.watch(self._path, params, idle_timeout_s=_IDLE_S)) as lines:
                await self._follow(lines)
        except Unavailable:
            if not self._lines and self._clock.monotonic() - began >= _IDLE_S:
                self._version = ""  # not even a bookmark: so behaves a server for which our version is in the future
            raise
        if not self._lines and self._clock.monotonic() - began < _SHORT_S:
            raise Unavailable("the watch ended at once")

    async def _follow(self, lines: AsyncGenerator[bytes, None]) -> None:
        async for text in lines:
            self.problem = ""
            self._heard()
            if not text:
                continue
            self._apply(_event(text))
            self._failures = 0
            self._lines += 1
            if self._lines % _TURN == 0:
                await asyncio.sleep(0)

    def _apply(self, line: _Line) -> None:
        if line.type == "BOOKMARK":
            self._advance(_meta_of(line.object).resourceVersion)
            return
        item = self._decoded(line.object)
        meta = _meta_of(line.object) if item is None else _meta(item)
        if not _newer(meta.resourceVersion, self._version):
            return  # told before, or by a server that is behind: an object deleted since must not come back
        known = self._store.get(meta.name)
        if line.type == "DELETED":
            if known is not None and _meta(known).uid == meta.uid:
                self._store.remove(meta.name)
                self._advance(meta.resourceVersion)
                self._changed(item or known, None)
        elif item is not None:
            self._put(known, item)
        self._advance(meta.resourceVersion)

    def _put(self, known: T | None, item: T) -> None:
        meta = _meta(item)
        if known is not None and not _newer(meta.resourceVersion, _meta(known).resourceVersion):
            return
        if known is not None and _meta(known).uid != meta.uid:
            self._store.remove(meta.name)
            self._changed(known, None)
            known = None
        self._store.put(meta.name, item)
        self._advance(meta.resourceVersion)
        self._changed(known, item)

    def _advance(self, version: str) -> None:
        if version and _newer(version, self._version):
            self._version = self._store.resource_version = version

    def _decoded(self, raw: msgspec.Raw) -> T | None:
        """None for one object that cannot be read, reported once: it must not stop the watch that all others live on."""
        try:
            item = self._resource.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            name = _meta_of(raw).name
            if name not in self._unreadable:
                log.error("%s %s cannot be read, it is passed by: %s", self._resource.kind, name, error)
            self._unreadable.add(name)
            return None
        self._unreadable.discard(_meta(item).name)
        return item


def _event(text: bytes) -> _Line:
    """Raises what an ERROR event says, and Unavailable for what is no event at all."""
    line = msgspec.json.decode(text, type=_Line)
    if line.type == "ERROR":
        raise error_of(msgspec.json.decode(line.object, type=_Status).code or 500, bytes(line.object))
    if line.type not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK"):
        raise Unavailable(f"the watch sent an event of type {line.type!r}")
    return line


def _meta(item: Any) -> Any:
    return item.metadata


def _meta_of(raw: msgspec.Raw) -> _Meta:
    return msgspec.json.decode(raw, type=_Any).metadata


def _newer(one: str, other: str) -> bool:
    """Versions of one kind grow as integers (guaranteed from 1.35, true before); what does not parse is only compared."""
    if one.isdecimal() and other.isdecimal():
        return int(one) > int(other)
    return one != other
