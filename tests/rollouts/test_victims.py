"""A scale-down takes what was named, then what does not run, then by age as the app wants it."""

import msgspec
import pytest

from gateway.rollouts.victims import by_age, cut, old_first, unpaid
from translators.kubernetes.instances import Instance


def instance(uid: str, condition: str = "Running", *, ready: bool | None = None, config: str = "1") -> Instance:
    return Instance(
        uid=uid,
        pod=uid,
        resource_version="1",
        app_id="/a",
        config_version=config,
        version="1",
        condition=condition,
        state="TASK_RUNNING",
        task_id=uid,
        instance_id=uid,
        incarnation=1,
        created_at=uid,
        ready=condition == "Running" if ready is None else ready,
    )


def uids(instances: list[Instance]) -> str:
    return "".join(i.uid for i in instances)


@pytest.mark.parametrize(("oldest_first", "order"), [(False, "cba"), (True, "abc")])
def test_kill_selection_decides_among_equals(oldest_first: bool, order: str) -> None:
    assert uids(by_age([instance("a"), instance("b"), instance("c")], oldest_first=oldest_first)) == order


def test_what_does_not_run_goes_before_what_does() -> None:
    mixed = [
        instance("a"),
        instance("b", ready=False),
        instance("c", "Starting"),
        instance("d", "Provisioned"),
        instance("e", "Unreachable"),
        instance("f", "Scheduled"),
    ]
    assert uids(by_age(mixed)) == "fedcba"


def test_a_rolling_replace_takes_the_lost_and_the_unready_first() -> None:
    assert uids(old_first([instance("a"), instance("b", ready=False), instance("c", "Unreachable")])) == "cba"


def test_named_ones_go_first_and_their_deployment_is_lowered() -> None:
    here = [instance("a"), instance("b", config="2"), instance("c", config="2")]
    victims, replicas = cut(here, 1, replicas={"one": 1, "two": 2}, deployment_of={"1": "one", "2": "two"}, first={"c"})
    assert (uids(victims), replicas) == ("c", {"two": 1})


def test_pods_not_made_yet_are_taken_before_those_that_are() -> None:
    victims, replicas = cut([instance("a")], 2, replicas={"one": 3}, deployment_of={"1": "one"})
    assert (victims, replicas) == ([], {"one": 1})


def test_a_mark_counts_until_the_order_is_carried_out_and_not_longer() -> None:
    here = [instance("a"), instance("b"), msgspec.structs.replace(instance("c"), deleting=True)]
    known = {"deployment_of": {"1": "one"}, "marked": {"a", "c"}}
    assert uids(unpaid(here, replicas={"one": 1}, **known)) == "b"  # type: ignore[arg-type]
    assert uids(unpaid(here, replicas={"one": 2}, **known)) == "ab"  # type: ignore[arg-type]
