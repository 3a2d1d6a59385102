"""Ending a container's processes: SIGTERM to the group, the grace period, SIGKILL to whatever is left."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.clock import Clock
from gateway.simulator.kubelet.process import Process

__all__ = ["race", "terminate"]


async def race(*contenders: Coroutine[Any, Any, Any]) -> None:
    """Waits for the first to finish and cancels the others."""
    tasks = [asyncio.ensure_future(c) for c in contenders]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def terminate(
    process: Process, *, clock: Clock, deadline: Callable[[], float], moved: asyncio.Event | None = None
) -> None:
    """Returns when the whole tree has gone; `moved` says that the deadline may have changed."""
    process.signal(signal.SIGTERM)
    gone = asyncio.ensure_future(_gone(process))
    moved = moved or asyncio.Event()
    try:
        while not gone.done() and (left := deadline() - clock.time()) > 0:
            moved.clear()
            await race(_shielded(gone), clock.sleep(left), moved.wait())
    finally:
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
        await process.end()


async def _gone(process: Process) -> None:
    await process.wait()
    await process.drained()


async def _shielded(future: "asyncio.Future[None]") -> None:
    await asyncio.shield(future)
