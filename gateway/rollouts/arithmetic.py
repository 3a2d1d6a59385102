"""How many instances may be killed and started in a rolling replace (deployments.md §4.1). Pure; IEEE doubles, as there."""

import math
from dataclasses import dataclass

__all__ = ["Ignition", "ignition", "start_now"]


@dataclass(frozen=True, slots=True)
class Ignition:
    """`min_healthy` instances stay healthy, at most `max_capacity` exist, `kill_now` are killed before any is ready."""

    min_healthy: int
    max_capacity: int
    kill_now: int


def ignition(
    instances: int,
    *,
    minimum_health_capacity: float,
    maximum_over_capacity: float,
    running: int,
    present: int,
    resident: bool = False,
) -> Ignition:
    """`running` are the healthy instances of all versions, `present` all that exist.

    Where capacity leaves neither a kill nor room for a start, an ordinary app gets one more, a resident one kills one.
    """
    min_healthy = math.ceil(instances * minimum_health_capacity)
    capacity = math.floor(instances * (1 + maximum_over_capacity))
    kill = max(0, running - min_healthy)
    if min_healthy == capacity and capacity <= running:
        if resident:
            kill = running - min_healthy + 1
        else:
            capacity += 1
    if instances < present:
        kill = max(present - instances, kill)
    return Ignition(min_healthy, capacity, kill)


def start_now(instances: int, *, started: int, old: int, max_capacity: int) -> int:
    """How many more new instances may be started while `old` ones still exist."""
    return max(0, min(instances - started, max_capacity - old - started))
