"""Leader election on one Lease.

Rules (kubernetes-style, each learnt from somebody's outage): expiry is judged by our own monotonic clock from the moment we
saw the record change, never by the times written in it; our own deadline runs from the moment the last successful renewal
was *sent*; a renewal has less time than the deadline leaves; when the deadline is missed the leading task is cancelled and
awaited first; on an orderly end the Lease is released. A leader renews with one PUT and keeps what others noted on the
Lease. This is no fence: what the leader writes must be harmless if two overlap for a second.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from gateway.clock import Clock
from gateway.kubernetes.cluster import Cluster
from gateway.kubernetes.errors import AlreadyExists, Conflict, KubernetesError, NotFound
from gateway.kubernetes.resources import LEASES
from gateway.kubernetes.waiting import within
from translators.kubernetes.objects import Lease

__all__ = ["LeaderElection"]

log = logging.getLogger(__name__)


class LeaderElection:
    """`identity` (`host:port`) is what `leader()` answers on every replica while this one leads."""

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        identity: str,
        *,
        clock: Clock,
        duration_s: float = 15.0,
        renew_deadline_s: float | None = None,
        retry_s: float | None = None,
    ) -> None:
        self._cluster = cluster
        self._name = name
        self._identity = identity
        self._clock = clock
        self._duration_s = duration_s
        self._deadline_s = renew_deadline_s or duration_s * 2 / 3
        self._retry_s = retry_s or duration_s * 2 / 15
        self._seen: Lease | None = None
        self._seen_at = 0.0
        self._renewed_at = 0.0
        self._leading: asyncio.Task[None] | None = None
        self._stand_back_until = 0.0

    @property
    def leading(self) -> bool:
        return self._leading is not None

    @property
    def uid(self) -> str | None:
        """The Lease's uid: the same for every replica and for the life of the installation."""
        return self._seen.metadata.uid if self._seen else None

    def leader(self) -> str | None:
        """Who leads, as far as this replica knows; None while nobody does."""
        if self._seen is None or self._expired():
            return None
        return self._seen.spec.holderIdentity or None

    async def abdicate(self) -> None:
        """Ends our leadership, if we lead, empties the Lease and lets others go first."""
        self._stand_back_until = self._clock.monotonic() + self._retry_s * 2
        await self._stop_leading()
        await self._release()

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled: stands for election, runs `lead` while elected, and stops it before anybody else may lead."""
        try:
            while True:
                await self._round(lead)
                await self._clock.sleep(self._pause_s())
        finally:
            led = self.leading
            await self._stop_leading()
            if led:
                with contextlib.suppress(KubernetesError, TimeoutError):
                    await within(self._clock, self._retry_s, self._release())

    async def _round(self, lead: Callable[[], Awaitable[None]]) -> None:
        if self._leading and self._leading.done():
            task, self._leading = self._leading, None
            if not task.cancelled() and (error := task.exception()):
                log.error("leading ended by an error; it is started again", exc_info=error)
        held = await self._try() and self._clock.monotonic() >= self._stand_back_until
        if held and self._leading is None:
            log.info("%s leads", self._identity)
            self._leading = asyncio.ensure_future(_awaited(lead))
        elif not held and self._leading is not None:
            log.warning("%s has lost the leadership", self._identity)
            await self._stop_leading()

    def _pause_s(self) -> float:
        pause_s = self._retry_s * random.uniform(1.0, 1.2)  # noqa: S311
        return min(pause_s, max(self._left_s(), 0.01)) if self.leading else pause_s

    def _left_s(self) -> float:
        """Seconds until we must have stopped, if no renewal succeeds."""
        return self._renewed_at + self._deadline_s - self._clock.monotonic()

    async def _try(self) -> bool:
        """Whether we hold the Lease after this attempt to take or renew it."""
        bound_s = self._left_s() if self.leading else self._deadline_s
        if bound_s <= 0:
            return False
        try:
            return await within(self._clock, bound_s, self._renew() if self.leading else self._take())
        except (KubernetesError, TimeoutError) as error:
            log.debug("election: %s", error)
            return self.leading and self._left_s() > 0

    async def _renew(self) -> bool:
        """One PUT on what we wrote last. Raises Conflict if somebody else touched the Lease but left it ours."""
        assert self._seen is not None  # noqa: S101
        try:
            await self._write(self._seen, ours=True)
        except (Conflict, NotFound):
            self._observe(await self._cluster.get(LEASES, self._name))
            if self._seen.spec.holderIdentity != self._identity:
                return False
            await self._write(self._seen, ours=True)
        return True

    async def _take(self) -> bool:
        try:
            lease = self._observe(await self._cluster.get(LEASES, self._name))
        except NotFound:
            return await self._make()
        if self._clock.monotonic() < self._stand_back_until:
            return False
        ours = lease.spec.holderIdentity == self._identity  # from before a restart, or a write whose answer was lost
        if not (ours or self._free(lease) or self._expired()):
            return False
        try:
            await self._write(lease, ours=ours)
        except (Conflict, NotFound):
            return False
        return True

    async def _write(self, lease: Lease, *, ours: bool) -> None:
        sent_at = self._clock.monotonic()
        self._observe(await self._cluster.replace(LEASES, self._name, self._body(lease, ours=ours)))
        self._renewed_at = sent_at

    async def _make(self) -> bool:
        sent_at = self._clock.monotonic()
        with contextlib.suppress(AlreadyExists):
            self._observe(await self._cluster.create(LEASES, self._body(None, ours=False)))
            self._renewed_at = sent_at
            return True
        return False

    async def _release(self) -> None:
        """Empties the holder, if it is still us; a renewal of ours may be under way."""
        for _ in range(3):
            lease = await self._cluster.get(LEASES, self._name)
            if lease.spec.holderIdentity != self._identity:
                return
            body = self._body(lease, ours=True)
            body["spec"]["holderIdentity"] = ""
            with contextlib.suppress(Conflict):
                self._observe(await self._cluster.replace(LEASES, self._name, body))
                return

    async def _stop_leading(self) -> None:
        task, self._leading = self._leading, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()):
                log.error("leading ended by an error", exc_info=error)

    def _observe(self, lease: Lease) -> Lease:
        if self._seen is None or self._seen.metadata.resourceVersion != lease.metadata.resourceVersion:
            self._seen_at = self._clock.monotonic()
        self._seen = lease
        return lease

    @staticmethod
    def _free(lease: Lease) -> bool:
        return not lease.spec.holderIdentity

    def _expired(self) -> bool:
        held_for = (self._seen.spec.leaseDurationSeconds if self._seen else None) or self._duration_s
        return self._clock.monotonic() - self._seen_at > max(held_for, self._duration_s)

    def _body(self, lease: Lease | None, *, ours: bool) -> dict[str, Any]:
        now = (
            f"{datetime.fromtimestamp(self._clock.time(), UTC):%Y-%m-%dT%H:%M:%S.%f}Z"  # exactly six decimals, else 400
        )
        metadata: dict[str, Any] = {
            "name": self._name,
            "labels": {"app.kubernetes.io/managed-by": "marathon-gateway"},
        }
        acquired, transitions = now, 0
        if lease is not None:
            metadata["resourceVersion"] = lease.metadata.resourceVersion
            metadata["labels"] = {**lease.metadata.labels, **metadata["labels"]}
            metadata["annotations"] = dict(lease.metadata.annotations)
            acquired = (lease.spec.acquireTime or now) if ours else now
            transitions = (lease.spec.leaseTransitions or 0) + (0 if ours else 1)
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": max(1, round(self._duration_s)),
                "acquireTime": acquired,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }


async def _awaited(lead: Callable[[], Awaitable[None]]) -> None:
    await lead()
