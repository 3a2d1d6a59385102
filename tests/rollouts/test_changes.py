"""The change log says which apps are locked and what a change ends, and survives what others write into it."""

import pytest

from gateway.clock import VirtualClock
from gateway.kubernetes.store import Store
from gateway.rollouts.backoff import Backoff
from gateway.rollouts.changes import (
    cancelled_by,
    decode_changes,
    encode_changes,
    listed,
    locked_by,
    log_of,
    open_changes,
    touched_apps,
)
from translators.kubernetes.objects import (
    AppChange,
    AppRecord,
    ChangeSpec,
    ChangeStatus,
    MarathonDeployment,
    Meta,
    Step,
    StepAction,
)


def change(
    number: int, *apps: str, phase: str = "", cancels: tuple[str, ...] = (), text: str = "[]"
) -> MarathonDeployment:
    steps = [Step(actions=[StepAction(action="ScaleApplication", app=app) for app in apps])] if apps else []
    return MarathonDeployment(
        metadata=Meta(name=f"change-{number:010d}"),
        spec=ChangeSpec(id=f"d{number}", steps=steps, cancels=list(cancels), apps=text),
        status=ChangeStatus(phase=phase),
    )


def store(*changes: MarathonDeployment) -> Store[MarathonDeployment]:
    made: Store[MarathonDeployment] = Store()
    for item in changes:
        made.put(item.metadata.name, item)
    return made


def test_a_change_is_read_as_it_was_written() -> None:
    edits = [AppChange(id="/a", after=AppRecord(definition='{"id":"/a","cpus":1.0}', version="v")), AppChange(id="/b")]
    assert list(decode_changes(ChangeSpec(apps=encode_changes(edits)))) == edits


def test_open_changes_come_in_the_order_of_acceptance() -> None:
    changes = store(change(10), change(2, phase="Running"), change(1, phase="Succeeded"), change(3, phase="Failed"))
    assert [c.sequence for c in open_changes(changes)] == [2, 10]
    assert [c.sequence for c in log_of(changes)] == [1, 2, 3, 10]


def test_an_app_is_locked_by_the_open_deployments_that_act_on_it() -> None:
    changes = [change(1, "/a", "/b"), change(2, "/c")]
    assert locked_by(changes, ["/b"]) == ["d1"]
    assert locked_by(changes, ["/a", "/c"]) == ["d1", "d2"]
    assert locked_by(changes, ["/d"]) == []


def test_what_a_later_change_cancels_locks_and_is_listed_no_more() -> None:
    changes = [change(1, "/a"), change(2, "/a", cancels=("d1",)), change(3, cancels=("d9",))]
    assert locked_by(changes, ["/a"]) == ["d2"]
    assert [c.spec.id for c in listed(changes)] == ["d2"]


def test_what_a_cancelled_change_was_to_cancel_ends_too() -> None:
    first, second, third = change(1, "/a"), change(2, "/a", cancels=("d1",)), change(3, "/a", cancels=("d2",))
    assert cancelled_by(third, [first, second, third]) == [first, second]
    assert cancelled_by(first, [first, second, third]) == []


def test_what_is_no_change_of_ours_is_passed_by() -> None:
    stray = MarathonDeployment(metadata=Meta(name="holiday"))
    assert [c.spec.id for c in open_changes(store(stray, change(1)))] == ["d1"]
    assert touched_apps(change(2, "/a", text="not json")) == {"/a"}


@pytest.mark.parametrize(("failures", "delay_s"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (50, 60)])
async def test_what_fails_again_and_again_is_left_alone_for_longer(failures: int, delay_s: float) -> None:
    clock = VirtualClock()
    backoff = Backoff(clock)
    assert [backoff.failed("x") for _ in range(failures)][-1] == delay_s
    await clock.advance(delay_s - 1)
    assert backoff.held_s("x") == 1
    assert backoff.held_s("y") == 0
    backoff.succeeded("x")
    assert backoff.held_s("x") == 0
    assert backoff.failed("x") == 5
