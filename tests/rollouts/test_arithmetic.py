"""Marathon's rolling-update arithmetic, to the instance (deployments.md §4.2 and §12.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rollouts.arithmetic import ignition, start_now


@pytest.mark.parametrize(
    ("n", "min_hc", "max_oc", "old", "healthy", "capacity", "kill", "start"),
    [
        (1, 1, 1, 1, 1, 2, 0, 1),
        (1, 0.5, 0, 1, 1, 2, 0, 1),
        (1, 1, 0, 1, 1, 2, 0, 1),
        (1, 0, 0, 1, 0, 1, 1, 0),
        (2, 0.5, 0, 2, 1, 2, 1, 0),
        (3, 0.5, 0, 3, 2, 3, 1, 0),
        (3, 0.7, 1, 3, 3, 6, 0, 3),
        (3, 1, 0, 3, 3, 4, 0, 1),
        (3, 1, 0.3, 3, 3, 4, 0, 1),
        (3, 1, 0.7, 3, 3, 5, 0, 2),
        (4, 0.5, 0.25, 4, 2, 5, 2, 1),
        (4, 0.75, 0.25, 4, 3, 5, 1, 1),
        (4, 1, 0.25, 4, 4, 5, 0, 1),
        (4, 1, 1, 4, 4, 8, 0, 4),
        (5, 0, 0, 5, 0, 5, 5, 0),
        (5, 0, 1, 5, 0, 10, 5, 5),
        (10, 0.1, 1, 10, 1, 20, 9, 10),
        (10, 1, 0, 10, 10, 11, 0, 1),
        (10, 0.5, 0.2, 10, 5, 12, 5, 2),
        (10, 0.9, 0.1, 10, 9, 11, 1, 1),
        (3, 1, 0.3, 4, 3, 4, 1, 0),
        (2, 1, 1, 5, 2, 4, 3, 0),
        (8, 0.75, 1, 4, 6, 16, 0, 8),
        (8, 1, 0, 4, 8, 8, 0, 4),
        (4, 1, 0, 2, 4, 4, 0, 2),
        (100, 0.07, 0, 100, 8, 100, 92, 0),
    ],
)
def test_what_is_killed_and_started_at_once(
    n: int, min_hc: float, max_oc: float, old: int, healthy: int, capacity: int, kill: int, start: int
) -> None:
    found = ignition(n, minimum_health_capacity=min_hc, maximum_over_capacity=max_oc, running=old, present=old)
    assert (found.min_healthy, found.max_capacity, found.kill_now) == (healthy, capacity, kill)
    assert start_now(n, started=0, old=old, max_capacity=found.max_capacity) == start


@pytest.mark.parametrize(
    ("n", "min_hc", "max_oc", "resident", "present", "running", "capacity", "kill"),
    [
        (1, 0.5, 0, True, 1, 1, 1, 1),
        (1, 0.5, 0, True, 1, 0, 1, 0),
        (5, 0.5, 0, True, 5, 5, 5, 2),
        (5, 1, 0, True, 7, 7, 5, 3),
        (5, 1, 0, True, 5, 3, 5, 0),
        (5, 1, 0, True, 5, 5, 5, 1),
        (1, 0.5, 0, False, 1, 1, 2, 0),
        (1, 0.5, 0, False, 0, 0, 1, 0),
        (2, 0.5, 0, False, 2, 2, 2, 1),
        (10, 0.1, 0, False, 1, 1, 10, 0),
        (10, 0.1, 1, False, 10, 10, 20, 9),
        (10, 1, 1, False, 10, 10, 20, 0),
    ],
)
def test_ignition_of_ordinary_and_resident_apps(
    n: int, min_hc: float, max_oc: float, resident: bool, present: int, running: int, capacity: int, kill: int
) -> None:
    found = ignition(
        n,
        minimum_health_capacity=min_hc,
        maximum_over_capacity=max_oc,
        running=running,
        present=present,
        resident=resident,
    )
    assert (found.max_capacity, found.kill_now) == (capacity, kill)


@given(st.integers(1, 50), st.floats(0, 1), st.floats(0, 1), st.integers(0, 60))
def test_a_rollout_of_healthy_instances_can_always_begin(n: int, min_hc: float, max_oc: float, old: int) -> None:
    found = ignition(n, minimum_health_capacity=min_hc, maximum_over_capacity=max_oc, running=old, present=old)
    start = start_now(n, started=0, old=old, max_capacity=found.max_capacity)
    assert found.kill_now > 0 or start > 0
    assert old - found.kill_now >= min(old, found.min_healthy, n)
    assert start <= n
