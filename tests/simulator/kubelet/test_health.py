"""Probe thresholds, delays and order are a kubelet's, in virtual time."""

import asyncio
from collections.abc import Iterator
from typing import Any

from gateway.clock import VirtualClock
from gateway.simulator.kubelet.health import Health
from gateway.simulator.kubelet.probes import Outcome


class Patient:
    """A container whose probes answer as told, with everything that was noticed."""

    def __init__(self, clock: VirtualClock, **probes: dict[str, Any]) -> None:
        self.clock = clock
        self.well = {"startup": True, "readiness": True, "liveness": True}
        self.asked: list[tuple[str, float]] = []
        self.failures: list[str] = []
        named = {f"{kind}Probe": {**probe, "kind": kind} for kind, probe in probes.items()}
        self.health = Health(
            named,
            clock=clock,
            check=self._check,
            on_change=lambda: None,
            on_failure=lambda kind, message: self.failures.append(f"{kind}: {message}"),
        )
        self.task = asyncio.ensure_future(self.health.watch())

    async def _check(self, probe: dict[str, Any]) -> Outcome:
        self.asked.append((probe["kind"], self.clock.monotonic()))
        return Outcome(self.well[probe["kind"]], "sick")

    def times(self, kind: str) -> Iterator[float]:
        return (moment for asked, moment in self.asked if asked == kind)


async def end(patient: Patient) -> None:
    patient.task.cancel()
    await asyncio.gather(patient.task, return_exceptions=True)


async def test_without_probes_a_container_is_started_and_ready_at_once() -> None:
    patient = Patient(VirtualClock())
    await patient.clock.settle()
    assert (patient.health.started, patient.health.ready) == (True, True)
    await end(patient)


async def test_readiness_follows_the_probe_and_never_ends_the_run() -> None:
    patient = Patient(VirtualClock(), readiness={"periodSeconds": 5, "failureThreshold": 2})
    patient.well["readiness"] = False
    await patient.clock.advance(30)
    assert (patient.health.started, patient.health.ready) == (True, False)
    seen = []
    for well in (True, False, False):
        patient.well["readiness"] = well
        await patient.clock.advance(5)
        seen.append(patient.health.ready)
    assert seen == [True, True, False], "one failure of two is none"
    assert not patient.task.done()
    await end(patient)


async def test_liveness_ends_the_run_after_its_threshold() -> None:
    patient = Patient(VirtualClock(), liveness={"periodSeconds": 10, "failureThreshold": 3, "initialDelaySeconds": 4})
    await patient.clock.advance(15)
    assert list(patient.times("liveness")) == [4, 14]
    patient.well["liveness"] = False
    await patient.clock.advance(28)
    assert not patient.task.done()
    await patient.clock.advance(1)
    assert patient.task.result()["kind"] == "liveness"
    assert patient.failures == ["Liveness: sick"] * 3


async def test_readiness_and_liveness_wait_for_the_startup_probe() -> None:
    probe = {"periodSeconds": 1, "failureThreshold": 10}
    patient = Patient(VirtualClock(), startup=probe, readiness=probe, liveness=probe)
    patient.well["startup"] = False
    await patient.clock.advance(5)
    assert {kind for kind, _ in patient.asked} == {"startup"}
    assert not patient.health.started
    patient.well["startup"] = True
    await patient.clock.advance(1)
    assert (patient.health.started, patient.health.ready) == (True, True)
    await patient.clock.advance(5)
    assert len(list(patient.times("liveness"))) == 6
    await end(patient)


async def test_a_startup_probe_that_never_succeeds_ends_the_run() -> None:
    patient = Patient(VirtualClock(), startup={"periodSeconds": 2, "failureThreshold": 3})
    patient.well["startup"] = False
    await patient.clock.advance(4)
    assert patient.task.result()["kind"] == "startup"
