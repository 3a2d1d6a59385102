"""A bound on a wait, on the injected clock, so that tests of deadlines need no real time."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from gateway.clock import Clock

__all__ = ["within"]

T = TypeVar("T")


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises TimeoutError after `seconds`, once the work has been cancelled and has ended."""
    task = asyncio.ensure_future(work)
    bound = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, bound}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimeoutError(f"not done within {seconds:g} s")
        return task.result()
    finally:
        for each in (task, bound):
            each.cancel()
        await asyncio.gather(task, bound, return_exceptions=True)
