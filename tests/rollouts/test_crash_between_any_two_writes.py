"""A runner that dies between any two writes is followed by one that reaches the same end, within the same capacities."""

import asyncio
from dataclasses import dataclass

import pytest

from tests.rollouts.world import World, record
from translators.kubernetes.objects import AppRecord, GroupChange, GroupRecord


@dataclass(frozen=True)
class Case:
    """The app at first (None: there is none) and after; `cancelled` is a change that is under way and is forced aside."""

    before: AppRecord | None
    after: AppRecord | None
    cancelled: AppRecord | None = None
    groups: tuple[GroupChange, ...] = ()
    cancelled_groups: tuple[GroupChange, ...] = ()
    most: int = 3
    fewest: int = 0


CASES = {
    "create": Case(None, record("/a", 3, version=1)),
    "scale up": Case(record("/a", 1, version=1), record("/a", 3, version=2, config=1), fewest=1),
    "scale down": Case(record("/a", 3, version=1), record("/a", 1, version=2, config=1), fewest=1),
    "replace": Case(record("/a", 3, version=1), record("/a", 3, version=2, strategy=(1.0, 0.0)), most=4, fewest=3),
    "replace with kills at once": Case(
        record("/a", 4, version=1), record("/a", 4, version=2, strategy=(0.5, 0.25)), most=5, fewest=2
    ),
    "restart": Case(record("/a", 2, version=1), record("/a", 2, version=2), most=4, fewest=2),
    "replace and scale": Case(
        record("/a", 5, version=1), record("/a", 2, version=2, strategy=(1.0, 1.0)), most=5, fewest=2
    ),
    "delete": Case(record("/a", 3, version=1), None),
    "force over a replace": Case(
        record("/a", 3, version=1),
        record("/a", 3, version=3, strategy=(1.0, 0.0)),
        cancelled=record("/a", 3, version=2, strategy=(1.0, 0.0)),
        most=4,
        fewest=3,
    ),
    "rollback": Case(
        record("/a", 3, version=1),
        record("/a", 3, version=3, config=1, strategy=(1.0, 0.0)),
        cancelled=record("/a", 3, version=2, strategy=(1.0, 0.0)),
        most=4,
        fewest=3,
    ),
    "groups made and changed": Case(
        None,
        record("/a", 1, version=1),
        groups=(
            GroupChange(id="/g", after=GroupRecord(dependencies=["/a"])),
            GroupChange(id="/old", before=GroupRecord(), after=GroupRecord(enforceRole=True)),
        ),
    ),
    "groups removed": Case(
        record("/a", 1, version=1), None, groups=(GroupChange(id="/old", before=GroupRecord(), after=None),)
    ),
    "groups of a change that is forced aside": Case(
        record("/a", 3, version=1),
        record("/a", 3, version=3, strategy=(1.0, 0.0)),
        cancelled=record("/a", 3, version=2, strategy=(1.0, 0.0)),
        groups=(GroupChange(id="/g", before=GroupRecord(dependencies=["/a"]), after=GroupRecord()),),
        cancelled_groups=(
            GroupChange(id="/g", after=GroupRecord(dependencies=["/a"])),
            GroupChange(id="/h", after=GroupRecord()),
            GroupChange(id="/old", before=GroupRecord()),
        ),
        most=4,
        fewest=3,
    ),
    "delete during a replace": Case(
        record("/a", 3, version=1), None, cancelled=record("/a", 3, version=2, strategy=(1.0, 0.0)), most=4
    ),
}


async def prepared(case: Case) -> World:
    world = World()
    async with world.runner():
        if case.before is not None:
            world.accept({}, {"/a": case.before}, groups=[GroupChange(id="/old", after=GroupRecord())])
            await world.rest()
    world.forget()
    apps = {"/a": case.before} if case.before else {}
    after = {"/a": case.after} if case.after else {}
    if case.cancelled is not None:
        change = world.accept(apps, {"/a": case.cancelled}, groups=case.cancelled_groups)
        async with world.runner():
            await world.until(lambda: len(world.state()["pods"]) == 2)
        world.accept({"/a": case.cancelled}, after, cancels=[change], groups=case.groups)
    else:
        world.accept(apps, after, groups=case.groups)
    world.cluster.writes.clear()
    return world


async def dies_at(world: World, number: int) -> None:
    """Runs until the write of that number, which is not carried out."""
    left, dead = number, asyncio.Event()

    def die(_: tuple[str, str, str]) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            dead.set()
            raise asyncio.CancelledError

    world.cluster.before_write = die
    async with world.runner():
        await world.until(dead.is_set)
    world.cluster.before_write = lambda write: None


def within(world: World, case: Case) -> None:
    assert world.most["/a"] <= case.most
    if case.after is not None and case.before is not None:
        assert world.fewest["/a"] >= case.fewest


@pytest.mark.parametrize("name", CASES)
async def test_the_successor_reaches_the_same_end(name: str) -> None:
    case = CASES[name]
    world = await prepared(case)
    async with world.runner():
        await world.rest()
    expected, writes = world.state(), len(world.cluster.writes)
    within(world, case)
    assert len(expected["deployments"]) == (1 if case.after else 0)
    assert writes > 3
    for number in range(writes):
        world = await prepared(case)
        await dies_at(world, number)
        async with world.runner():
            await world.rest()
        assert world.state() == expected, f"died at write {number}: {world.cluster.writes}"
        within(world, case)


async def test_dying_at_every_third_write_still_gets_there() -> None:
    case = CASES["replace"]
    world = await prepared(case)
    for _ in range(200):
        if not world.open:
            break
        allowed = 2  # one that repeats what is there already, and one that is new
        dead = asyncio.Event()

        def die(_: tuple[str, str, str], dead: asyncio.Event = dead) -> None:
            nonlocal allowed
            if allowed == 0:
                dead.set()
                raise asyncio.CancelledError
            allowed -= 1

        world.cluster.before_write = die
        async with world.runner():
            await world.until(lambda dead=dead: dead.is_set() or not world.open)  # type: ignore[misc]
        world.step()
    assert not world.open
    within(world, case)
