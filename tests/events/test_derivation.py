"""From observed states to events: in Marathon's order, each end once, nothing twice, nothing backwards."""

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import Event
from events.derivation import derive_app, derive_change, derive_instance
from tests.events.test_catalogue import an_instance
from translators.kubernetes.instances import Health, Instance, TaskFailure
from translators.kubernetes.objects import (
    AppRecord,
    AppSpec,
    ChangeSpec,
    ChangeStatus,
    MarathonApp,
    MarathonDeployment,
    Meta,
    Pod,
    Step,
    StepAction,
)

CHECK = {"protocol": "HTTP", "path": "/"}
STATES = {
    "Scheduled": "TASK_STAGING", "Provisioned": "TASK_STAGING", "Running": "TASK_RUNNING", "Failed": "TASK_FAILED",
    "Finished": "TASK_FINISHED", "Killed": "TASK_KILLED", "Unreachable": "TASK_UNREACHABLE",
    "UnreachableInactive": "TASK_UNREACHABLE",
}  # fmt: skip
TERMINAL = {"TASK_FAILED", "TASK_FINISHED", "TASK_KILLED"}


def seen(condition: str, incarnation: int = 1, **more: Any) -> Instance:
    task = f"a.instance-1._app.{incarnation}"
    return an_instance(condition=condition, state=STATES[condition], incarnation=incarnation, task_id=task, **more)


def failure(
    incarnation: int = 1, state: str = "TASK_FAILED", message: str = "Command exited with status 3"
) -> TaskFailure:
    return TaskFailure(
        appId="/a", host="h", message=message, state=state, taskId=f"a.instance-1._app.{incarnation}",
        instanceId="a.instance-1", slaveId=None, timestamp="t", version="v",
    )  # fmt: skip


def short(event: Event) -> str:
    data = event.data
    what = data.get("taskStatus") or data.get("condition") or data.get("healthy", data.get("alive", ""))
    kind = event.type.removesuffix("_event").removesuffix("_changed")
    return f"{kind} {what}".strip()


def told(
    before: Instance | None, after: Instance | None, *, sentenced: bool = False, pod: Pod | None = None
) -> list[str]:
    events = derive_instance(before, after, pod, sentenced=sentenced, checks=[CHECK], now="now")
    return [short(event) for event in events]


RUN = [
    "instance Provisioned",
    "status_update TASK_STARTING",
    "instance Starting",
    "status_update TASK_RUNNING",
    "instance Running",
]


def test_a_life_is_told_step_by_step() -> None:
    assert told(None, seen("Scheduled")) == ["instance Scheduled"]
    assert told(seen("Scheduled"), seen("Provisioned")) == ["instance Provisioned"]
    assert told(seen("Provisioned"), seen("Running")) == RUN[1:]
    assert told(seen("Running"), seen("Failed", failure=failure())) == ["status_update TASK_FAILED", "instance Failed"]


def test_steps_that_were_not_seen_are_told_nevertheless() -> None:
    assert told(None, seen("Running")) == ["instance Scheduled", *RUN]
    assert told(None, seen("Finished")) == [
        "instance Scheduled",
        *RUN,
        "status_update TASK_FINISHED",
        "instance Finished",
    ]


def test_a_task_that_started_and_ended_between_two_looks_is_told_to_have_run() -> None:
    again = seen("Failed", 2, failure=failure(1))
    assert told(seen("Provisioned"), again)[:6] == [*RUN[1:], "status_update TASK_FAILED", "instance Failed"]


def test_a_launch_that_failed_between_two_looks_is_not_told_to_have_run() -> None:
    again = seen("Provisioned", 2, failure=failure(1, message="Failed to launch container: no such file"))
    assert told(seen("Provisioned"), again)[:2] == ["status_update TASK_FAILED", "instance Failed"]


def test_a_task_that_could_not_be_launched_is_not_told_to_have_run() -> None:
    lost = seen("Failed", failure=failure(message="Failed to launch container: no such image"))
    assert told(seen("Scheduled"), lost) == ["instance Provisioned", "status_update TASK_FAILED", "instance Failed"]


def test_a_launch_that_succeeds_at_last_is_told() -> None:
    failed = seen("Failed", failure=failure(message="Failed to launch container: no such image"))
    assert told(failed, seen("Running", failure=failed.failure, started_at="t")) == RUN


def test_health_comes_after_the_states_and_is_told_when_it_changes() -> None:
    well, ill = [Health(alive=True)], [Health(alive=False)]
    running, healthy = seen("Running"), seen("Running", healthy=True, health=tuple(well))
    unhealthy = seen("Running", healthy=False, health=tuple(ill))
    assert told(running, healthy) == ["health_status True", "instance_health True"]
    assert told(healthy, unhealthy) == ["failed_health_check", "health_status False", "instance_health False"]
    assert told(unhealthy, healthy) == ["health_status True", "instance_health True"]
    assert told(seen("Provisioned"), healthy) == [*RUN[1:], "health_status True", "instance_health True"]
    assert told(healthy, healthy) == []


def test_a_crash_and_the_restart_in_place_are_an_end_and_a_new_task() -> None:
    before, after = seen("Running"), seen("Running", 2, failure=failure(1))
    events = derive_instance(before, after, None, sentenced=False, now="now")
    assert [short(e) for e in events] == ["status_update TASK_FAILED", "instance Failed", *RUN]
    tasks = [event.data["taskId"] for event in events if event.type == "status_update_event"]
    assert tasks == [before.task_id, after.task_id, after.task_id]
    assert events[0].data["message"] == "Command exited with status 3"


def test_an_end_that_was_seen_is_not_told_again_at_the_restart() -> None:
    assert told(seen("Failed", failure=failure()), seen("Running", 2, failure=failure(1))) == RUN


def test_a_restart_because_of_failed_checks_is_told_as_a_kill_of_an_unhealthy_instance() -> None:
    after = seen(
        "Running", 2, failure=failure(1, "TASK_KILLED", "Task was killed since health check failed. Reason: 500")
    )
    events = told(seen("Running"), after)
    assert events[:3] == ["unhealthy_instance_kill", "status_update TASK_KILLED", "instance Killed"]


def test_an_ordered_end_is_told_when_it_is_ordered_and_when_it_came() -> None:
    assert told(seen("Running"), seen("Running", deleting=True), sentenced=True) == ["instance Running"]
    assert told(seen("Running", deleting=True), None) == ["status_update TASK_KILLED", "instance Killed"]


def test_what_was_never_placed_leaves_without_a_status() -> None:
    assert told(seen("Scheduled"), None) == ["instance Killed"]


def test_what_had_ended_leaves_in_silence() -> None:
    assert told(seen("Failed", failure=failure()), None) == []


def test_a_silent_node_is_told_and_its_return() -> None:
    running, lost = seen("Running", started_at="t"), seen("Unreachable", started_at="t")
    assert told(running, lost) == ["status_update TASK_UNREACHABLE", "instance Unreachable"]
    assert told(lost, running) == ["status_update TASK_RUNNING", "instance Running"]
    assert told(lost, seen("UnreachableInactive", started_at="t"))[-1] == "instance UnreachableInactive"
    assert told(lost, None) == ["status_update TASK_KILLED", "instance Killed"]


def test_a_restart_on_a_node_that_was_silent_ends_the_task_before() -> None:
    events = told(seen("Unreachable", started_at="t"), seen("Running", 2, failure=failure(1)))
    assert events == ["status_update TASK_FAILED", "instance Failed", *RUN]


def test_a_node_that_falls_silent_after_the_end_of_a_task_adds_nothing() -> None:
    failed, lost = seen("Failed", failure=failure()), seen("Unreachable", failure=failure())
    assert told(failed, lost) == []
    assert told(lost, failed) == []
    assert told(lost, None) == []


def test_a_state_that_is_seen_to_go_back_adds_nothing() -> None:
    assert told(seen("Running"), seen("Provisioned")) == []
    assert told(seen("Failed", failure=failure()), seen("Finished")) == []


def test_nothing_from_nothing() -> None:
    assert told(None, None) == []


# Any observer of a life tells a possible story of it

LIVES = st.builds(
    lambda restarts, gone: (restarts, gone),
    st.lists(st.sampled_from(["Failed", "Finished", "unseen"]), max_size=3),
    st.booleans(),
)


def life(restarts: Sequence[str]) -> list[Instance]:
    """All that could be seen of an instance whose container ends and starts again in place."""
    out = [seen("Scheduled"), seen("Provisioned")]
    last: TaskFailure | None = None
    for incarnation, end in enumerate([*restarts, ""], start=1):
        if incarnation > 1:
            out.append(seen("Provisioned", incarnation, failure=last))
        out += [
            seen("Running", incarnation, failure=last, started_at="t"),
            seen("Running", incarnation, failure=last, started_at="t", healthy=True),
        ]
        if end:
            last = None if end == "Finished" else failure(incarnation)
        if end in ("Failed", "Finished"):
            out.append(seen(end, incarnation, failure=last))
    return out


@given(st.data())
def test_whoever_sees_only_part_of_a_life_tells_every_end_once_and_never_goes_back(data: st.DataObject) -> None:
    restarts, gone = data.draw(LIVES)
    whole = life(restarts)
    kept = data.draw(st.lists(st.booleans(), min_size=len(whole), max_size=len(whole)))
    again = data.draw(st.lists(st.integers(1, 3), min_size=len(whole), max_size=len(whole)))
    watched = [state for state, keep, times in zip(whole, kept, again, strict=True) if keep for _ in range(times)]
    events: list[Event] = []
    before: Instance | None = None
    for state in watched:
        events += derive_instance(before, state, None, sentenced=False, now="now")
        before = state
    if gone:
        events += derive_instance(before, None, None, sentenced=False, now="now")

    order = ["TASK_STARTING", "TASK_RUNNING", "end"]
    stories: dict[str, list[int]] = {}
    for event in events:
        if event.type == "status_update_event":
            status = "end" if event.data["taskStatus"] in TERMINAL else event.data["taskStatus"]
            stories.setdefault(event.data["taskId"], []).append(order.index(status))
    for task, story in stories.items():
        assert story == sorted(set(story)), (task, story)
    assert list(stories) == sorted(stories)
    if gone and before is not None and before.condition not in ("Scheduled", "Failed", "Finished"):
        assert stories[before.task_id][-1] == order.index("end")


@given(st.data())
def test_an_observation_that_changes_nothing_tells_nothing(data: st.DataObject) -> None:
    state = data.draw(st.sampled_from(life(["Failed", "Finished"])))
    later = msgspec.structs.replace(state, resource_version="2", since="later")
    assert told(state, state) == []
    assert told(state, later) == []


# Deployments and apps


def change(phase: str = "", step: int = 0, *, steps: int = 2, reason: str = "", **spec: Any) -> MarathonDeployment:
    made = [Step(actions=[StepAction(action="ScaleApplication", app="/a")]) for _ in range(steps)]
    return MarathonDeployment(
        metadata=Meta(name="change-1"),
        spec=ChangeSpec(**{"id": "d", "version": "v", "apps": "[]", "steps": made, **spec}),
        status=ChangeStatus(phase=phase, currentStep=step, reason=reason),
    )


def kinds(before: MarathonDeployment | None, after: MarathonDeployment | None) -> list[str]:
    return [event.type for event in derive_change(before, after, "now")]


def test_a_deployment_is_told_from_acceptance_to_success() -> None:
    assert kinds(None, change()) == ["group_change_success"]
    assert kinds(change(), change("Running", 1)) == ["deployment_info"]
    assert kinds(change("Running", 1), change("Running", 2)) == ["deployment_step_success", "deployment_info"]
    assert kinds(change("Running", 2), change("Succeeded", 2)) == ["deployment_step_success", "deployment_success"]


def test_a_deployment_that_is_seen_only_at_its_end_is_told_whole() -> None:
    assert kinds(None, change("Succeeded", 2)) == [
        "group_change_success", "deployment_info", "deployment_step_success", "deployment_info",
        "deployment_step_success", "deployment_success",
    ]  # fmt: skip


def test_a_deployment_that_failed_says_why() -> None:
    (event,) = derive_change(change("Running", 1), change("Failed", 1, reason="cancelled"), "now")
    assert (event.type, event.data["reason"]) == ("deployment_failed", "cancelled")


def test_a_deployment_that_is_seen_again_or_forgotten_tells_nothing() -> None:
    assert kinds(change("Running", 1), change("Running", 1)) == []
    assert kinds(change("Succeeded", 2), change("Succeeded", 2)) == []
    assert kinds(change("Succeeded", 2), None) == []


def test_a_plain_cancellation_is_no_deployment_of_its_own() -> None:
    accepted, ended = change(steps=0, cancels=["d0"]), change("Succeeded", steps=0, cancels=["d0"])
    assert kinds(None, accepted) == []
    assert kinds(accepted, ended) == []


def test_an_app_that_is_gone_takes_its_checks_along() -> None:
    record = AppRecord(definition='{"id":"/a","healthChecks":[{"protocol":"TCP"}]}', version="v")
    app = MarathonApp(spec=AppSpec(id="/a", sequence=1, record=record))
    assert [e.type for e in derive_app(app, None, "now")] == ["remove_health_check_event", "app_terminated_event"]
    assert derive_app(None, app, "now") == derive_app(app, app, "now") == []


def test_a_good_end_is_told_with_its_words_seen_or_not() -> None:
    words = "Command exited with status 0"
    ends = [seen("Finished", end_message=words), seen("Running", 2, end_message=words)]  # the second was started again
    for after in ends:
        events = derive_instance(seen("Running"), after, None, sentenced=False, checks=[], now="now")
        told = [event.data for event in events if event.data.get("taskStatus") == "TASK_FINISHED"]
        assert [data["message"] for data in told] == [words]
