"""One leader at a time; a leader that is cut off stops before another may start."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from gateway.clock import VirtualClock
from gateway.kubernetes.errors import Unavailable
from gateway.kubernetes.lease import LeaderElection
from gateway.kubernetes.resources import LEASES, Resource
from gateway.kubernetes.testing import FakeCluster

T = TypeVar("T")


class SlowCluster(FakeCluster):
    """Answers no write while `hangs`."""

    hangs = False

    async def replace(self, resource: Resource[T], name: str, body: Mapping[str, Any], *, wait: bool = True) -> T:
        if self.hangs:
            await asyncio.Event().wait()
        return await super().replace(resource, name, body, wait=wait)


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


async def test_a_renewal_that_hangs_has_no_more_time_than_the_deadline_leaves() -> None:
    clock = VirtualClock()
    cluster, other = SlowCluster(clock=clock), FakeCluster(clock=clock)
    other._objects = cluster._objects
    one, two = Replica(cluster, "one"), Replica(other, "two")
    async with running(one):
        await clock.advance(1)
        async with running(two):
            await clock.advance(8)
            cluster.hangs = True
            for _ in range(60):
                await clock.advance(0.5)
                assert not (one.leading and two.leading)
            assert (one.leading, two.leading) == (False, True)


async def test_a_leader_that_misses_a_few_renewals_goes_on_leading() -> None:
    clock = VirtualClock()
    cluster = FakeCluster(clock=clock)
    one = Replica(cluster, "one")
    async with running(one):
        await clock.advance(5)
        cluster.fail_next(Unavailable("no answer"), Unavailable("no answer"))
        await clock.advance(30)
        assert (one.leads, one.stopped) == (1, 0)


async def test_a_stranger_s_note_on_the_lease_is_kept_and_costs_nobody_the_leadership() -> None:
    clock = VirtualClock()
    cluster = FakeCluster(clock=clock)
    one = Replica(cluster, "one")
    async with running(one):
        await clock.advance(5)
        cluster.set(LEASES, "marathon-gateway", {"metadata": {"annotations": {"note": "hands off"}}})
        await clock.advance(10)
        assert (one.leads, one.stopped) == (1, 0)
        assert (await cluster.get(LEASES, "marathon-gateway")).metadata.annotations == {"note": "hands off"}


async def test_leading_that_ends_by_an_error_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    starts: list[float] = []

    async def lead() -> None:
        starts.append(clock.monotonic())
        if len(starts) == 1:
            raise ValueError("a mistake")
        await asyncio.Event().wait()

    election = LeaderElection(FakeCluster(clock=clock), "marathon-gateway", "one:8080", clock=clock)
    task = asyncio.create_task(election.run(lead))
    await clock.advance(10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(starts) == 2
    assert "a mistake" in caplog.text


async def test_a_follower_s_abdication_leaves_the_leader_alone() -> None:
    clock = VirtualClock()
    cluster = FakeCluster(clock=clock)
    one, two = Replica(cluster, "one"), Replica(cluster, "two")
    async with running(one):
        await clock.advance(1)
        async with running(two):
            await clock.advance(3)
            await two.election.abdicate()
            await clock.advance(10)
            assert (one.leading, two.leading) == (True, False)


async def test_a_restarted_leader_takes_its_own_lease_at_once() -> None:
    clock = VirtualClock()
    cluster = FakeCluster(clock=clock)
    before, after = Replica(cluster, "one"), Replica(cluster, "one")
    async with running(before):
        await clock.advance(3)
        cluster.before_write = lambda write: (_ for _ in ()).throw(Unavailable("killed before it could release"))
    cluster.before_write = lambda write: None
    async with running(after):
        await clock.advance(1)
        assert after.leading


async def test_nobody_leads_once_the_lease_has_run_out() -> None:
    clock = VirtualClock()
    cluster = FakeCluster(clock=clock)
    one = Replica(cluster, "one")
    async with running(one):
        await clock.advance(3)
        assert one.election.leader() == "one:8080"
        cluster.before_write = lambda write: (_ for _ in ()).throw(Unavailable("cut off"))
        await clock.advance(20)
        assert one.election.leader() is None
