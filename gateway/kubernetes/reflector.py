"""Keeps a Store equal to what the API server has: list, watch, and recover from everything a watch can do.

The version that counts is the list's or the last event's or bookmark's. A watch has an end (300-600 s, so that reconnects
spread out and tokens rotate) and an idle limit (70 s, just above the server's one bookmark a minute). 410 in either form
leads to a list, and so does a watch that said nothing at all, since a server that has forgotten our version is silent (kubernetes
issue 92537); anything that is not an event is an error; errors back off with jitter; a stream that ends within a second
without an event counts as an error. A list is diffed by name and uid, so a deletion in a gap is never missed.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from gateway.clock import Clock
from gateway.kubernetes.errors import Gone, Invalid, KubernetesError, Unavailable
from gateway.kubernetes.resources import Resource
from gateway.kubernetes.store import Store
from gateway.kubernetes.transport import error_of
from translators.kubernetes.objects import ListMeta

__all__ = ["Api", "Reflector"]

T = TypeVar("T")

_IDLE_S = 70.0
_PAGE = 500
_BACKOFF_S, _BACKOFF_MAX_S = 0.8, 30.0
_SHORT_S = 1.0

log = logging.getLogger(__name__)


class Api(Protocol):
    async def get(self, path: str, params: Mapping[str, str] | None = None, *, timeout_s: float = 30.0) -> bytes: ...

    def watch(self, path: str, params: Mapping[str, str], *, idle_timeout_s: float) -> AsyncIterator[bytes]: ...


class _Page(msgspec.Struct, frozen=True):
    metadata: ListMeta = ListMeta()
    items: list[msgspec.Raw] = []


class _Line(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Version(msgspec.Struct, frozen=True):
    resourceVersion: str = ""  # noqa: N815


class _Versioned(msgspec.Struct):
    metadata: _Version = _Version()


class _Status(msgspec.Struct):
    code: int = 0


class Reflector(Generic[T]):
    """`changed(before, after)` is called synchronously after the store has changed. Run it as a task.

    `problem` is what hinders it now, or empty; `heard_at` the moment (monotonic) the server last said anything.
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
        self._jitter = jitter
        self._failures = 0
        self._version = ""
        self.problem = ""

    async def run(self) -> None:
        """Until cancelled. Recovers from every error of the server; what it cannot explain ends it."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except Gone:
                self._version = ""  # the list that follows is a consistent one: never older than what was seen
                await self._back_off("the watched version has expired", quiet=self._failures == 0)
            except KubernetesError as error:
                self._relist_after(error)
                await self._back_off(error.message)
            except msgspec.DecodeError as error:
                self._version = ""
                await self._back_off(f"not an answer of a Kubernetes API: {error}")

    def _relist_after(self, error: KubernetesError) -> None:
        """A version the server does not take (it forgot everything and counts from the start again) is given up."""
        if isinstance(error, Invalid) or error.status == 504:
            self._version = ""

    async def _back_off(self, problem: str, *, quiet: bool = False) -> None:
        self._failures += 1
        if not quiet:
            self.problem = problem
            log.warning("%s: %s", self._resource.name, problem)
        if quiet:
            return
        limit = min(_BACKOFF_MAX_S, _BACKOFF_S * 2 ** min(self._failures - 1, 10))
        await self._clock.sleep(self._jitter(limit / 2, limit))

    async def _list(self) -> None:
        found: dict[str, T] = {}
        params = {**self._params, "limit": str(_PAGE)}
        while True:
            page = msgspec.json.decode(await self._api.get(self._path, params), type=_Page)
            for raw in page.items:
                item = self._resource.decode(raw)
                found[_meta(item).name] = item
            if not page.metadata.continue_:
                break
            params["continue"] = page.metadata.continue_
            await asyncio.sleep(0)  # a page is decoded in a few milliseconds; others may run between two
        self._swap(found)
        self._version = page.metadata.resourceVersion
        self._store.resource_version = self._version
        self._store.synced = True
        self.problem = ""
        self._heard()  # not yet well: an expired version right after the list must back off

    def _swap(self, found: Mapping[str, T]) -> None:
        for name in self._store.names():
            known = self._store.get(name)
            now = found.get(name)
            if known is not None and (now is None or _meta(now).uid != _meta(known).uid):
                self._store.remove(name)
                self._changed(known, None)
        for name, item in found.items():
            known = self._store.get(name)
            if known is None or _meta(known).resourceVersion != _meta(item).resourceVersion:
                self._store.put(name, item)
                self._changed(known, item)

    async def _watch(self) -> None:
        params = {
            **self._params,
            "watch": "true",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(round(self._jitter(300, 600))),
        }
        began, lines = self._clock.monotonic(), 0
        try:
            async for line in self._api.watch(self._path, params, idle_timeout_s=_IDLE_S):
                lines += 1
                self._event(msgspec.json.decode(line, type=_Line))
                self._well()
        except Unavailable:
            if not lines and self._clock.monotonic() - began >= _IDLE_S:
                self._version = ""  # not even a bookmark: so behaves a server to which our version is in the future
            raise
        if not lines and self._clock.monotonic() - began < _SHORT_S:
            raise Unavailable("the watch ended at once")

    def _event(self, line: _Line) -> None:
        if line.type == "ERROR":
            status = msgspec.json.decode(line.object, type=_Status)
            raise error_of(status.code or 500, bytes(line.object))
        if line.type == "BOOKMARK":
            self._advance(msgspec.json.decode(line.object, type=_Versioned).metadata.resourceVersion)
            return
        item = self._resource.decode(line.object)
        meta = _meta(item)
        known = self._store.get(meta.name)
        if line.type in ("ADDED", "MODIFIED"):
            self._put(known, item)
        elif line.type == "DELETED":
            if known is not None and _meta(known).uid == meta.uid:
                self._store.remove(meta.name)
                self._advance(meta.resourceVersion)
                self._changed(known, None)
        else:
            raise Unavailable(f"the watch sent an event of type {line.type!r}")
        self._advance(meta.resourceVersion)

    def _put(self, known: T | None, item: T) -> None:
        meta = _meta(item)
        if known is not None and _meta(known).uid == meta.uid and not _newer(meta, _meta(known)):
            return
        if known is not None and _meta(known).uid != meta.uid:
            self._store.remove(meta.name)
            self._changed(known, None)
            known = None
        self._store.put(meta.name, item)
        self._advance(meta.resourceVersion)
        self._changed(known, item)

    def _advance(self, version: str) -> None:
        if version:
            self._version = version
            self._store.resource_version = version

    def _well(self) -> None:
        self._failures = 0
        self.problem = ""
        self._heard()


def _meta(item: Any) -> Any:
    return item.metadata


def _newer(one: Any, other: Any) -> bool:
    """Versions of one kind grow as integers (guaranteed from 1.35, true before); what does not parse is only compared."""
    if one.resourceVersion.isdecimal() and other.resourceVersion.isdecimal():
        return int(one.resourceVersion) > int(other.resourceVersion)
    return bool(one.resourceVersion != other.resourceVersion)
