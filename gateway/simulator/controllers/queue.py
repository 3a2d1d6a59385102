"""Work queues and the loop over them: what makes a controller level-based.

A key is in the queue once however often it is added, and is looked at again when it was added meanwhile. A reconcile that
the store refused comes back later, each time after a longer delay; one that succeeded forgets its delays. One object that a controller stumbles over is logged and does not stop the others.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from gateway.clock import Clock
from gateway.simulator.objects import ApiError

__all__ = ["Key", "Queue", "work"]

Key = tuple[str, str]
"""Namespace and name."""

FIRST_DELAY_S = 0.005
LONGEST_DELAY_S = 1000.0

log = logging.getLogger(__name__)


class Queue:
    """Keys that wait to be looked at."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: deque[Key] = deque()
        self._waiting: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._later: dict[Key, tuple[float, asyncio.Task[None]]] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: Key) -> None:
        if key not in self._waiting:
            self._waiting.add(key)
            self._keys.append(key)
            self._wake.set()

    def add_after(self, key: Key, delay_s: float) -> None:
        """Adds the key after a while; an earlier appointment stays, a later one is replaced."""
        due = self._clock.monotonic() + delay_s
        if known := self._later.get(key):
            if known[0] <= due:
                return
            known[1].cancel()
        self._later[key] = (due, asyncio.ensure_future(self._add_at(key, delay_s)))

    def retry(self, key: Key) -> None:
        """Adds the key after a delay that doubles with each retry."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self.add_after(key, min(FIRST_DELAY_S * 2.0 ** min(failures - 1, 30), LONGEST_DELAY_S))

    def forget(self, key: Key) -> None:
        self._failures.pop(key, None)

    async def get(self) -> Key:
        while not self._keys:
            self._wake.clear()
            await self._wake.wait()
        key = self._keys.popleft()
        self._waiting.discard(key)
        return key

    def close(self) -> None:
        for _, task in self._later.values():
            task.cancel()
        self._later.clear()

    async def _add_at(self, key: Key, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        self._later.pop(key, None)
        self.add(key)


async def work(queue: Queue, reconcile: Callable[[Key], Awaitable[None] | None]) -> None:
    """Takes keys and reconciles them, until cancelled."""
    try:
        while True:
            key = await queue.get()
            try:
                if (later := reconcile(key)) is not None:
                    await later
            except ApiError as refusal:
                log.debug("reconcile of %s refused, will retry: %s", key, refusal)
                queue.retry(key)
            except Exception:
                log.exception("reconcile of %s failed, will retry", key)
                queue.retry(key)
            else:
                queue.forget(key)
            await asyncio.sleep(0)
    finally:
        queue.close()
