"""Events go an hour after they were last seen."""

from tests.simulator.controllers.conftest import Work
from tests.simulator.helpers import NAMESPACE, pod


def events(work: Work) -> list[tuple[str, int]]:
    return [(e["reason"], e["count"]) for e in work.objects.list("events", NAMESPACE)]


async def test_an_event_that_is_not_seen_again_goes_after_an_hour(work: Work) -> None:
    work.objects.create("pods", pod("p"))
    await work.clock.advance(3599)
    assert events(work) == [("FailedScheduling", 1)]
    await work.clock.advance(2)
    assert events(work) == []


async def test_one_that_is_seen_again_stays_an_hour_longer(work: Work) -> None:
    work.objects.create("pods", pod("p"))
    await work.clock.advance(1800)
    for name in ("x", "y"):
        work.objects.create("nodes", {"metadata": {"name": name}, "spec": {"unschedulable": True}})
        await work.settle()
        work.objects.delete("nodes", "", name)
        await work.settle()
    assert all(count > 1 for _, count in events(work))
    await work.clock.advance(3599)
    assert events(work) != []
    await work.clock.advance(2)
    assert events(work) == []
