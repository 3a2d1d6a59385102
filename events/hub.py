"""Who listens, and what waits for them. Each event is encoded once and shared by all.

Publishing never waits. A subscriber holds references to finished frames; one that reads too slowly is closed with a reason
when more than `backlog` events pile up, so that nobody's memory grows and nobody else is delayed.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec

from events.catalogue import Event, stream_attached, stream_detached

__all__ = ["Hub", "Subscriber"]

log = logging.getLogger(__name__)


def _frame(event: Event, *, light: bool) -> bytes:
    """CRLF, one blank after each colon, one line of data: what every reader that lived with Marathon can read."""
    data = event.data
    if event.has_plan and not light:
        # marathon-python builds objects from these two; empty ones satisfy it and cost nothing (D13)
        data = {**data, "plan": {"id": data["plan"]["id"], "original": {}, "target": {}, **data["plan"]}}
    return b"event: " + event.type.encode() + b"\r\ndata: " + msgspec.json.encode(data) + b"\r\n\r\n"


class Subscriber:
    """One stream. `types` are the event types it asked for (None: all)."""

    def __init__(self, address: str, types: Iterable[str] | None, *, light: bool, backlog: int) -> None:
        self.address = address
        self.light = light
        self.closed = ""
        self._types = None if types is None else frozenset(types)
        self._backlog = backlog
        self._frames: deque[bytes] = deque()
        self._ready = asyncio.Event()

    def offer(self, kind: str, frame: bytes) -> None:
        if self.closed or (self._types is not None and kind not in self._types):
            return
        if len(self._frames) >= self._backlog:
            self.close(f"more than {self._backlog} events wait for it")
        else:
            self._frames.append(frame)
            self._ready.set()

    def close(self, reason: str) -> None:
        self.closed = self.closed or reason
        self._ready.set()

    async def take(self, limit_bytes: int = 262_144) -> bytes:
        """What waits, joined; empty when the stream is closed and nothing waits."""
        await self._ready.wait()
        parts, size = [], 0
        while self._frames and size < limit_bytes:
            parts.append(self._frames.popleft())
            size += len(parts[-1])
        if not self._frames and not self.closed:
            self._ready.clear()
        return b"".join(parts)


class Hub:
    """`now` gives the time stamp of attach and detach events."""

    def __init__(self, now: Callable[[], str], *, backlog: int = 1024) -> None:
        self._now = now
        self._backlog = backlog
        self._subscribers: dict[Subscriber, None] = {}
        self._closed = False

    @property
    def subscribers(self) -> Sequence[Subscriber]:
        return tuple(self._subscribers)

    def publish(self, events: Iterable[Event]) -> None:
        if not self._subscribers:
            return
        for event in events:
            frames: dict[bool, bytes] = {}
            for subscriber in tuple(self._subscribers):
                light = subscriber.light or not event.has_plan
                if light not in frames:
                    frames[light] = _frame(event, light=light)
                subscriber.offer(event.type, frames[light])

    def attach(self, address: str, types: Iterable[str] | None, *, light: bool) -> Subscriber:
        """The new stream's first frame is its own attachment, which all others see as well."""
        subscriber = Subscriber(address, types, light=light, backlog=self._backlog)
        if self._closed:
            subscriber.close("the gateway is ending")
            return subscriber
        self._subscribers[subscriber] = None
        self.publish([stream_attached(address, self._now())])
        return subscriber

    def detach(self, subscriber: Subscriber) -> None:
        if subscriber not in self._subscribers:
            return
        del self._subscribers[subscriber]
        if subscriber.closed:
            log.warning("the event stream of %s was closed: %s", subscriber.address, subscriber.closed)
        subscriber.close("detached")
        self.publish([stream_detached(subscriber.address, self._now())])

    def close(self) -> None:
        """Ends every stream, so that a server that drains is not held by them."""
        self._closed = True
        for subscriber in tuple(self._subscribers):
            subscriber.close("the gateway is ending")
