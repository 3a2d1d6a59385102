"""Time as a dependency: the real one, and one that tests move by hand.

Everything that waits or stamps takes a Clock, so a test of a five-minute back-off takes no time and is the same every run.
"""

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock", "VirtualClock", "timestamp"]


class Clock(Protocol):
    def time(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump back, for measuring how long."""
        ...

    async def sleep(self, delay_s: float) -> None: ...


class SystemClock:
    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class VirtualClock:
    """A clock that stands still until `advance` is called. Sleepers wake in the order of their times."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start
        self._now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def time(self) -> float:
        return self._start + self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, delay_s: float) -> None:
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + delay_s, next(self._order), waiter))
        await waiter

    async def advance(self, seconds: float) -> None:
        """Moves time, waking each sleeper at its own moment and letting what it starts run first."""
        end = self._now + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now, _, waiter = heapq.heappop(self._sleepers)
            if not waiter.done():
                waiter.set_result(None)
            await self.settle()
        self._now = end
        await self.settle()

    async def settle(self, turns: int = 50) -> None:
        """Lets ready tasks run without moving time."""
        for _ in range(turns):
            await asyncio.sleep(0)


def timestamp(seconds: float) -> str:
    """A Marathon time stamp: `2024-05-01T10:00:00.000Z`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
