"""One watch: from a version, or from a listing, to the end the client asked for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from gateway.simulator.errors import ApiError, expired
from gateway.simulator.kinds import Kind
from gateway.simulator.objects import Entry, Objects

__all__ = ["watch"]

Obj = dict[str, Any]
Matcher = Callable[[Obj], bool]
_BOOKMARK_EVERY_S = 5.0
_BACKLOG = 20_000


async def watch(
    objects: Objects,
    kind: Kind,
    *,
    namespace: str,
    matches: Matcher,
    version: str,
    timeout_s: float,
    bookmarks: bool,
    initial_events: bool,
) -> AsyncIterator[bytes]:
    """The lines, each with its newline. An expired version is an ERROR event, as on a real one."""
    queue: asyncio.Queue[Entry] = asyncio.Queue(_BACKLOG)

    def listen(event: str, after: Obj | None, before: Obj | None) -> None:
        obj = after if after is not None else objects_removed(before)
        if queue.full():
            overrun.set()
        else:
            queue.put_nowait(Entry(objects.version, event, obj, before))

    def objects_removed(before: Obj | None) -> Obj:
        meta = {**(before or {})["metadata"], "resourceVersion": str(objects.version)}
        return {**(before or {}), "metadata": meta}

    overrun = asyncio.Event()
    unsubscribe = objects.subscribe(kind.plural, listen)
    try:
        for line in _beginning(objects, kind, namespace, matches, version, initial_events):
            yield line
        if initial_events:
            yield _bookmark(kind, objects.version, {"k8s.io/initial-events-end": "true"})
        async for line in _live(objects, kind, queue, overrun, namespace, matches, timeout_s, bookmarks):
            yield line
    except ApiError as error:
        yield _line("ERROR", error.body())
    finally:
        unsubscribe()


def _beginning(
    objects: Objects, kind: Kind, namespace: str, matches: Matcher, version: str, initial_events: bool
) -> list[bytes]:
    if initial_events or version in ("", "0"):
        found = [obj for obj in objects.list(kind.plural, namespace or None) if matches(obj)]
        return [_line("ADDED", obj) for obj in found]
    entries = objects.changes_since(kind.plural, int(version)) if version.isdecimal() else None
    if entries is None:
        raise expired(f"too old resource version: {version} ({objects.version})")
    lines = (_told(entry, namespace, matches) for entry in entries)
    return [line for line in lines if line]


async def _live(
    objects: Objects,
    kind: Kind,
    queue: asyncio.Queue[Entry],
    overrun: asyncio.Event,
    namespace: str,
    matches: Matcher,
    timeout_s: float,
    bookmarks: bool,
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    end, next_bookmark = loop.time() + timeout_s, loop.time() + _BOOKMARK_EVERY_S
    while (left := min(end, next_bookmark) - loop.time()) > 0 or loop.time() < end:
        if overrun.is_set():
            raise expired("the watcher was too slow")
        try:
            entry = await asyncio.wait_for(queue.get(), max(0.0, left))
        except TimeoutError:
            if loop.time() >= next_bookmark:
                next_bookmark = loop.time() + _BOOKMARK_EVERY_S
                if bookmarks:
                    yield _bookmark(kind, objects.version)
            continue
        batch = [entry]
        while not queue.empty():
            batch.append(queue.get_nowait())
        lines = b"".join(line for e in batch if (line := _told(e, namespace, matches)))
        if lines:
            yield lines


def _told(entry: Entry, namespace: str, matches: Matcher) -> bytes | None:
    """An object that enters the selector is ADDED to it, one that leaves is DELETED from it."""
    if namespace and entry.after["metadata"].get("namespace") != namespace:
        return None
    is_in = entry.type != "DELETED" and matches(entry.after)
    was_in = entry.before is not None and matches(entry.before)
    if is_in:
        return _line("MODIFIED" if was_in else "ADDED", entry.after)
    return _line("DELETED", entry.after) if was_in else None


def _bookmark(kind: Kind, version: int, annotations: dict[str, str] | None = None) -> bytes:
    meta: Obj = {"resourceVersion": str(version)}
    if annotations:
        meta["annotations"] = annotations
    return _line("BOOKMARK", {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta})


def _line(event: str, obj: Obj) -> bytes:
    return msgspec.json.encode({"type": event, "object": obj}) + b"\n"
