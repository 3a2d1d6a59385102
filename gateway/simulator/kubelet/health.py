"""The probes of one run of a container: when it has started, whether it is ready, and when it must be restarted.

Thresholds, delays and order are a kubelet's: readiness and liveness wait for the startup probe, delays count from the start of the
container, a failed startup or liveness probe ends the run, readiness only moves `ready`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.clock import Clock
from gateway.simulator.kubelet.probes import Outcome

__all__ = ["Check", "Health"]

Check = Callable[[dict[str, Any]], Awaitable[Outcome]]
"""Executes one probe."""


class Health:
    """`on_change` is told of each change of `started` and `ready`, `on_failure` of each failed probe (kind and message)."""

    def __init__(
        self,
        container: dict[str, Any],
        *,
        clock: Clock,
        check: Check,
        on_change: Callable[[], None],
        on_failure: Callable[[str, str], None],
    ) -> None:
        self._container = container
        self._clock = clock
        self._check = check
        self._on_change = on_change
        self._on_failure = on_failure
        self._begin = clock.monotonic()
        self.started = False
        self.ready = False

    async def watch(self) -> dict[str, Any]:
        """Returns the probe that wants the container restarted, if that ever happens."""
        startup = self._container.get("startupProbe")
        if startup and not await self._passes(startup, "Startup"):
            return dict(startup)
        self.started = True
        readiness = self._container.get("readinessProbe")
        self.ready = not readiness
        self._on_change()
        follower = asyncio.ensure_future(self._follow(readiness)) if readiness else None
        try:
            liveness = self._container.get("livenessProbe")
            if liveness:
                await self._fails(liveness, "Liveness")
                return dict(liveness)
            return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]
        finally:
            if follower:
                follower.cancel()

    async def _passes(self, probe: dict[str, Any], kind: str) -> bool:
        """Whether it succeeds often enough before it fails too often."""
        counter = _Counter(probe)
        await self._delay(probe)
        while (verdict := counter.count(await self._probe(probe, kind))) is None:
            await self._clock.sleep(_period(probe))
        return verdict

    async def _fails(self, probe: dict[str, Any], kind: str) -> None:
        counter = _Counter(probe)
        await self._delay(probe)
        while counter.count(await self._probe(probe, kind)) is not False:
            await self._clock.sleep(_period(probe))

    async def _follow(self, probe: dict[str, Any]) -> None:
        counter = _Counter(probe)
        await self._delay(probe)
        while True:
            verdict = counter.count(await self._probe(probe, "Readiness"))
            if verdict is not None and verdict != self.ready:
                self.ready = verdict
                self._on_change()
            await self._clock.sleep(_period(probe))

    async def _probe(self, probe: dict[str, Any], kind: str) -> bool:
        outcome = await self._check(probe)
        if not outcome.healthy:
            self._on_failure(kind, outcome.message)
        return outcome.healthy

    async def _delay(self, probe: dict[str, Any]) -> None:
        since = self._clock.monotonic() - self._begin
        await self._clock.sleep(max(0.0, float(probe.get("initialDelaySeconds") or 0) - since))


class _Counter:
    """Consecutive results against the two thresholds."""

    def __init__(self, probe: dict[str, Any]) -> None:
        self._wanted = {True: int(probe.get("successThreshold") or 1), False: int(probe.get("failureThreshold") or 3)}
        self._last: bool | None = None
        self._run = 0

    def count(self, healthy: bool) -> bool | None:
        """The verdict once a threshold is reached, None while it is not."""
        self._run = self._run + 1 if healthy == self._last else 1
        self._last = healthy
        return healthy if self._run >= self._wanted[healthy] else None


def _period(probe: dict[str, Any]) -> float:
    return float(probe.get("periodSeconds") or 10)
