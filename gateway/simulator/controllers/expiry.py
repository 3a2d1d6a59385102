"""Events go an hour after they were last seen, as a real API server lets them expire."""

import asyncio
from collections import deque
from datetime import datetime
from typing import Any

from gateway.clock import Clock
from gateway.simulator.objects import ApiError, Objects

__all__ = ["LIFETIME_S", "Expiry"]

LIFETIME_S = 3600.0

Event = dict[str, Any]


class Expiry:
    """One task that sleeps until the oldest event is due; one seen again meanwhile goes back to the end."""

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._due: deque[tuple[float, str, str]] = deque()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        stop = self._objects.subscribe("events", self._on_event)
        try:
            for event in sorted(self._objects.list("events"), key=_seen):
                self._enqueue(event)
            while True:
                while not self._due:
                    self._wake.clear()
                    await self._wake.wait()
                await self._clock.sleep(self._due[0][0] - self._clock.time())
                self._look()
        finally:
            stop()

    def _on_event(self, _type: str, after: Event | None, before: Event | None) -> None:
        if after is not None and before is None:
            self._enqueue(after)

    def _enqueue(self, event: Event) -> None:
        meta = event["metadata"]
        self._due.append((_seen(event) + LIFETIME_S, meta["namespace"], meta["name"]))
        self._wake.set()

    def _look(self) -> None:
        """Deletes what is due, in the order in which it came."""
        now = self._clock.time()
        while self._due and self._due[0][0] <= now:
            _, namespace, name = self._due.popleft()
            try:
                event = self._objects.get("events", namespace, name)
                if _seen(event) + LIFETIME_S > now:
                    self._enqueue(event)
                else:
                    self._objects.delete("events", namespace, name)
            except ApiError:
                continue  # gone with its namespace


def _seen(event: Event) -> float:
    """When it was last seen; events of others may say so in another field or not at all."""
    series = event.get("series") or {}
    for moment in (event.get("lastTimestamp"), series.get("lastObservedTime"), event.get("eventTime")):
        if moment:
            return datetime.fromisoformat(moment).timestamp()
    return datetime.fromisoformat(event["metadata"]["creationTimestamp"]).timestamp()
