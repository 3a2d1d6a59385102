"""One leader at a time; a leader that is cut off stops before another may start."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.clock import VirtualClock
from gateway.kubernetes.errors import Unavailable
from gateway.kubernetes.lease import LeaderElection
from gateway.kubernetes.resources import LEASES
from gateway.kubernetes.testing import FakeCluster


class Replica:
    def __init__(self, cluster: FakeCluster, name: str) -> None:
        self.cluster = cluster
        self.election = LeaderElection(cluster, "marathon-gateway", f"{name}:8080", clock=cluster.clock)
        self.leads = 0
        self.stopped = 0

    async def lead(self) -> None:
        self.leads += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped += 1

    @property
    def leading(self) -> bool:
        return self.leads > self.stopped


@asynccontextmanager
async def running(*replicas: Replica) -> AsyncIterator[list["asyncio.Task[None]"]]:
    tasks = [asyncio.create_task(r.election.run(r.lead)) for r in replicas]
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_of_two_leads_and_both_know_who() -> None:
    clock = VirtualClock()
    cluster = FakeCluster(clock=clock)
    one, two = Replica(cluster, "one"), Replica(cluster, "two")
    async with running(one, two):
        await clock.advance(30)
        assert [one.leading, two.leading].count(True) == 1
        assert one.election.leader() == two.election.leader() == ("one:8080" if one.leading else "two:8080")
        assert one.leads + two.leads == 1


async def test_an_orderly_end_hands_over_without_waiting_for_the_lease_to_expire() -> None:
    clock = VirtualClock()
    cluster = FakeCluster(clock=clock)
    one, two = Replica(cluster, "one"), Replica(cluster, "two")
    async with running(one) as (task,):
        await clock.advance(1)
        assert one.leading
        async with running(two):
            await clock.advance(3)
            task.cancel()
            await clock.advance(3)
            assert (one.leading, two.leading) == (False, True)


async def test_a_leader_that_is_cut_off_stops_before_another_starts() -> None:
    clock = VirtualClock()
    cluster, other = FakeCluster(clock=clock), FakeCluster(clock=clock)
    other._objects = cluster._objects  # the same API server, reached over another way
    one, two = Replica(cluster, "one"), Replica(other, "two")

    def cut(write: object) -> None:
        raise Unavailable("no route to host")

    async with running(one):
        await clock.advance(5)
        async with running(two):
            await clock.advance(5)
            cluster.before_write = cut
            for _ in range(40):
                await clock.advance(1)
                assert not (one.leading and two.leading)
            assert (one.leading, two.leading) == (False, True)


async def test_a_renewal_that_hangs_after_others_failed_does_not_outlast_the_lease() -> None:
    clock = VirtualClock()
    cluster, other = FakeCluster(clock=clock), FakeCluster(clock=clock)
    other._objects = cluster._objects  # the same API server, reached over another way
    one, two = Replica(cluster, "one"), Replica(other, "two")
    began = 0.0

    async def refused_then_silent(*_: object, **__: object) -> None:
        if clock.monotonic() - began < 8:
            raise Unavailable("connection refused")
        await asyncio.Event().wait()

    async with running(one):
        await clock.advance(5)
        async with running(two):
            await clock.advance(5)
            began = clock.monotonic()
            cluster.replace = refused_then_silent  # type: ignore[assignment,method-assign]
            for _ in range(40):
                await clock.advance(1)
                assert not (one.leading and two.leading)
            assert (one.leading, two.leading) == (False, True)


async def test_abdication_lets_another_lead_within_seconds() -> None:
    clock = VirtualClock()
    cluster = FakeCluster(clock=clock)
    one, two = Replica(cluster, "one"), Replica(cluster, "two")
    async with running(one):
        await clock.advance(1)
        async with running(two):
            await clock.advance(3)
            await one.election.abdicate()
            await clock.advance(3)
            assert (one.leading, two.leading) == (False, True)
            assert (await cluster.get(LEASES, "marathon-gateway")).spec.holderIdentity == "two:8080"


async def test_times_have_exactly_six_decimals() -> None:
    clock = VirtualClock()
    cluster = FakeCluster(clock=clock)
    one = Replica(cluster, "one")
    async with running(one):
        await clock.advance(1)
        renewed = (await cluster.get(LEASES, "marathon-gateway")).spec.renewTime
    assert renewed
    assert len(renewed.partition(".")[2]) == len("000000Z")
