"""Instances are derived anew for what can change them, and for nothing else."""

from typing import Any

import pytest

from gateway.kubernetes.resources import EVENTS
from gateway.rollouts import instances
from tests.api.house import House
from translators.kubernetes.failures import TELLING


@pytest.fixture
def derived(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pods that were derived, one after another."""
    made: list[str] = []
    inner = instances.instance

    def noting(pod: Any, *more: Any, **named: Any) -> Any:
        made.append(pod.metadata.name)
        return inner(pod, *more, **named)

    monkeypatch.setattr(instances, "instance", noting)
    return made


def event(uid: str, reason: str) -> dict[str, Any]:
    return {"metadata": {"name": f"e.{reason.lower()}"}, "involvedObject": {"uid": uid}, "reason": reason}


@pytest.mark.parametrize(
    ("reason", "times"), [*((r, 1) for r in sorted(TELLING)), *((r, 0) for r in ("Scheduled", "Pulled", "Started"))]
)
async def test_only_an_event_that_says_something_of_a_task_has_it_derived_anew(
    derived: list[str], reason: str, times: int
) -> None:
    async with House() as house:
        (running,) = await house.deployed()
        derived.clear()
        house.cluster.add(EVENTS, event(running.uid, reason))
        assert derived == [running.pod] * times
