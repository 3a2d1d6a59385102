from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.translators.kubernetes.pods import (
    APP,
    CHECKED,
    CREATED,
    ENDED,
    LATER,
    NOW,
    STARTED,
    UID,
    VERSION,
    container,
    event,
    node,
    pod,
    ready,
    running,
    seen,
    terminated,
    waiting,
)
from translators.kubernetes.instances import Health
from translators.kubernetes.tasks import ended, instance

BACK_OFF = "back-off 1m20s restarting failed container=app pod=web-1_marathon(uid)"


def test_a_running_pod_is_a_running_task_with_its_address_and_ports() -> None:
    found = seen(running(), on=node(**{"topology.kubernetes.io/region": "r1", "topology.kubernetes.io/zone": "z1"}))
    assert (found.condition, found.state, found.active, found.ready) == ("Running", "TASK_RUNNING", True, True)
    assert found.task_id == f"prod_web.{UID}"
    assert found.instance_id == f"prod_web.marathon-{UID}"
    assert (found.host, found.ports, found.ip_addresses) == ("10.0.0.7", (10000, 10001), ("10.0.0.7",))
    assert (found.slave_id, found.region, found.zone, found.role) == ("node-uid", "r1", "z1", "prod")
    assert (found.staged_at, found.started_at) == ("2024-05-01T10:00:01.000Z", "2024-05-01T10:00:05.000Z")
    assert (found.config_version, found.version, found.healthy) == (VERSION, VERSION, None)


def test_a_pod_without_node_is_scheduled_with_the_words_of_the_scheduler() -> None:
    refused = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available",
    }
    made = pod({"phase": "Pending", "podIP": "", "podIPs": [], "conditions": [refused]})
    made = type(made)(metadata=made.metadata, status=made.status)
    found = instance(made, None, app=APP, now=NOW)
    assert (found.condition, found.state, found.active) == ("Scheduled", "TASK_STAGING", False)
    assert found.unschedulable == "0/1 nodes are available"
    assert found.staged_at is None


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_placed_pod_is_staging_until_its_container_runs(reason: str) -> None:
    found = seen({"phase": "Pending", "podIP": "", "podIPs": [], **container(waiting(reason), containerID="")})
    assert (found.condition, found.state, found.active, found.ready) == ("Provisioned", "TASK_STAGING", True, False)
    assert (found.host, found.ip_addresses, found.started_at) == ("192.168.0.1", (), None)
    assert found.ports == (10000, 10001)


@pytest.mark.parametrize(
    ("end", "state", "condition", "message"),
    [
        (terminated(1), "TASK_FAILED", "Failed", "Command exited with status 1"),
        (terminated(137), "TASK_FAILED", "Failed", "Command terminated with signal Killed"),
        (
            terminated(137, "OOMKilled"),
            "TASK_FAILED",
            "Failed",
            "Memory limit exceeded: Requested: 128MB Maximum Used: 128MB",
        ),
        (
            terminated(128, "StartError", "no such file"),
            "TASK_FAILED",
            "Failed",
            "Failed to launch container: no such file",
        ),
        (terminated(137, "ContainerStatusUnknown", "lost"), "TASK_LOST", "Gone", "lost"),
        (terminated(0, "Completed"), "TASK_FINISHED", "Finished", None),
    ],
)
@pytest.mark.parametrize("backing_off", [False, True])
def test_a_container_that_ended_keeps_its_task_id_and_terminal_state_until_the_next_start(
    end: dict[str, Any], state: str, condition: str, message: str | None, *, backing_off: bool
) -> None:
    status = container(waiting("CrashLoopBackOff", BACK_OFF), end) if backing_off else container(end)
    found = seen(status)
    assert (found.condition, found.state, found.active) == (condition, state, False)
    assert (found.ports, found.started_at, found.staged_at) == ((), None, None)
    assert (found.incarnation, found.task_id) == (1, f"prod_web.{UID}")
    assert found.delay_s == (80 if backing_off else 0)
    assert (found.failure.message if found.failure else None) == message
    if found.failure:
        assert (found.failure.taskId, found.failure.timestamp) == (found.task_id, "2024-05-01T10:00:09.000Z")
        assert (found.failure.host, found.failure.slaveId) == ("10.0.0.7", "node-uid")


def test_docker_apps_fail_in_the_words_of_the_docker_containerizer() -> None:
    app = {**APP, "container": {"type": "DOCKER", "docker": {"image": "nginx"}}}
    found = seen(container(terminated(137)), app=app)
    assert found.failure is not None
    assert found.failure.message == "Container exited with status 137"


def test_a_restarted_container_is_a_new_task_and_remembers_how_the_last_one_ended() -> None:
    first = seen(running())
    second = seen(running(restartCount=1, lastState=terminated(1)), before=first)
    assert (second.incarnation, second.condition) == (2, "Running")
    assert second.task_id != first.task_id
    assert second.failure is not None
    assert second.failure.taskId == first.task_id
    assert seen(running(restartCount=1, lastState=terminated(1))).task_id == second.task_id


def test_the_incarnation_never_falls_when_the_kubelet_forgets_the_restarts() -> None:
    third = seen(running(restartCount=2))
    forgotten = seen(container(waiting("ContainerCreating"), restartCount=0, containerID=""), before=third)
    again = seen(running(restartCount=0), before=forgotten)
    assert (third.incarnation, forgotten.incarnation, again.incarnation) == (3, 3, 4)
    assert seen(running(restartCount=0), before=again).incarnation == 4
    assert seen(running(restartCount=1), before=again).incarnation == 5


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_the_incarnation_is_monotonic_whatever_restart_counts_are_seen(counts: list[int]) -> None:
    before = None
    for count in counts:
        after = seen(running(restartCount=count), before=before)
        assert before is None or after.incarnation >= before.incarnation
        before = after


@pytest.mark.parametrize(
    "reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"]
)
def test_a_container_that_can_not_be_started_has_failed(reason: str) -> None:
    found = seen({"phase": "Pending", **container(waiting(reason, "pull of x failed"), containerID="")})
    assert (found.condition, found.state, found.ports) == ("Failed", "TASK_FAILED", ())
    assert found.failure is not None
    assert found.failure.message == "Failed to launch container: pull of x failed"
    assert found.waiting == f"{reason}: pull of x failed"


def test_an_image_that_is_pulled_again_and_again_failed_once() -> None:
    first = seen(container(waiting("ErrImagePull", "not found"), containerID=""))
    again = seen(container(waiting("ImagePullBackOff", "Back-off pulling image"), containerID=""), before=first)
    assert again.failure == first.failure


@pytest.mark.parametrize("between", ["ContainerCreating", "PodInitializing"])
def test_a_failed_launch_stays_failed_between_two_tries_and_until_it_runs(between: str) -> None:
    failed = seen(container(waiting("ErrImagePull", "no such image"), containerID=""))
    again = seen(container(waiting(between), containerID=""), before=failed)
    assert (again.condition, again.state, again.active) == ("Failed", "TASK_FAILED", False)
    assert again.waiting == "ErrImagePull: no such image"
    assert again.failure == failed.failure
    assert seen(running(), before=again).condition == "Running"


def test_a_failed_fetch_is_a_failed_launch() -> None:
    init = {"name": "fetch", "state": waiting("CrashLoopBackOff", BACK_OFF), "lastState": terminated(1, message="404")}
    found = seen({"phase": "Pending", "initContainerStatuses": [init], **container(waiting("PodInitializing"))})
    assert (found.condition, found.state, found.delay_s) == ("Failed", "TASK_FAILED", 80)
    assert found.failure is not None
    assert found.failure.message == "Failed to launch container: 404"


def test_a_health_kill_is_told_from_a_crash_by_the_events_of_the_kubelet() -> None:
    events = [
        event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500"),
        event("Killing", "Container app failed liveness probe, will be restarted"),
    ]
    found = seen(container(terminated(137)), events=events, app=CHECKED)
    assert (found.condition, found.state) == ("Killed", "TASK_KILLED")
    assert found.failure is not None
    assert found.failure.state == "TASK_KILLED"
    assert found.failure.message == (
        "Task was killed since health check failed. Reason: HTTP probe failed with statuscode: 500"
    )
    assert seen(container(terminated(0, "Completed")), events=events, app=CHECKED).state == "TASK_KILLED"
    old = [event("Killing", "Container app failed liveness probe, will be restarted", at=CREATED)]
    assert seen(container(terminated(1)), events=old, app=CHECKED).state == "TASK_FAILED"


def test_health_is_unknown_until_the_first_result_and_then_follows_the_condition() -> None:
    starting = seen({**running(started=False), **ready("False", STARTED)}, app=CHECKED)
    assert (starting.healthy, starting.health, starting.ready) == (None, (), False)
    fine = seen({**running(started=True), **ready("True", LATER)}, app=CHECKED, before=starting)
    assert (fine.healthy, fine.ready) == (True, True)
    assert fine.health[0].firstSuccess == fine.health[0].lastSuccess == "2024-05-01T10:00:30.000Z"
    failures = [event("Unhealthy", "Readiness probe failed: 500", at="2024-05-01T10:00:40Z", count=2)]
    sick = seen(
        {**running(started=True), **ready("False", "2024-05-01T10:00:40Z")}, app=CHECKED, before=fine, events=failures
    )
    assert (sick.healthy, sick.ready) == (False, False)
    assert (sick.health[0].consecutiveFailures, sick.health[0].lastFailureCause) == (2, "500")
    assert sick.health[0].lastFailure == "2024-05-01T10:00:40.000Z"
    assert sick.health[0].firstSuccess == fine.health[0].firstSuccess


def test_failures_in_the_grace_period_count_for_nothing_but_the_task_is_not_alive() -> None:
    events = [event("Unhealthy", "Startup probe failed: connection refused")]
    found = seen({**running(started=False), **ready("False", STARTED)}, app=CHECKED, events=events)
    assert (found.healthy, found.health) == (False, (Health(alive=False),))


def test_each_task_starts_without_health() -> None:
    first = seen({**running(), **ready("True")}, app=CHECKED)
    second = seen({**running(restartCount=1, started=False), **ready("False", LATER)}, app=CHECKED, before=first)
    assert second.healthy is None


def test_an_app_without_checks_is_ready_when_it_runs() -> None:
    assert seen({**running(), **ready("False")}).ready
    assert seen({**running(), **ready("False")}).healthy is None


def test_a_pod_whose_definition_is_lost_still_knows_that_it_needs_health() -> None:
    made = pod({**running(started=False), **ready("False")}, app=CHECKED)
    assert not instance(made, node(), app=None, now=NOW).ready


def test_a_readiness_check_counts_once() -> None:
    app = {**APP, "readinessChecks": [{"portName": "http"}]}
    waiting_for_it = seen({**running(), **ready("False")}, app=app)
    passed = seen({**running(), **ready("True")}, app=app, before=waiting_for_it)
    later = seen({**running(), **ready("False")}, app=app, before=passed)
    assert (waiting_for_it.ready, passed.ready, later.ready) == (False, True, True)


def test_a_task_that_drains_says_so_by_its_health() -> None:
    before = seen({**running(started=True), **ready("True")}, app=CHECKED)
    found = seen({**running(started=True), **ready("False")}, app=CHECKED, before=before, deletionTimestamp=LATER)
    assert (found.state, found.deleting, before.healthy, found.healthy) == ("TASK_RUNNING", True, True, False)


@pytest.mark.parametrize("status", [container(terminated(143)), container(waiting("ContainerCreating"))])
def test_a_task_that_is_being_stopped_is_shown_as_it_was(status: dict[str, Any]) -> None:
    before = seen({**running(started=True), **ready("True")}, app=CHECKED)
    found = seen({**status, **ready("False")}, app=CHECKED, before=before, deletionTimestamp=LATER)
    assert (found.condition, found.state, found.deleting, found.ready) == ("Running", "TASK_RUNNING", True, False)
    assert (found.healthy, found.ports, found.started_at) == (True, before.ports, before.started_at)


def test_a_task_of_a_lost_node_does_not_run_again_because_the_node_is_removed() -> None:
    lost = seen(running(), on=node("Unknown"))
    removed = seen(running(), on=None, before=lost)
    assert (removed.condition, removed.state, removed.ready) == ("Unreachable", "TASK_UNREACHABLE", False)
    back = seen(running(), before=removed)
    assert (back.condition, back.state) == ("Running", "TASK_RUNNING")


def test_a_task_on_a_silent_node_is_unreachable_and_keeps_its_place() -> None:
    app = {**APP, "unreachableStrategy": {"inactiveAfterSeconds": 300, "expungeAfterSeconds": 600}}
    found = seen(running(), app=app, on=node("Unknown"))
    assert (found.condition, found.state, found.active, found.ready) == (
        "Unreachable",
        "TASK_UNREACHABLE",
        True,
        False,
    )
    assert (found.host, found.ports, found.ip_addresses) == ("10.0.0.7", (10000, 10001), ())
    assert (found.started_at, found.since) == ("2024-05-01T10:00:05.000Z", "2024-05-01T10:00:30.000Z")
    assert seen(running(), app=app, before=found).condition == "Running"


@pytest.mark.parametrize("code", [0, 1])
def test_a_task_that_ended_before_its_node_fell_silent_stays_ended(code: int) -> None:
    over = container(terminated(code))
    before = seen(over)
    assert seen(over, on=node("Unknown"), before=before).condition == before.condition
    assert before.condition == ("Failed" if code else "Finished")


def test_a_task_that_was_given_up_is_inactive() -> None:
    app = {**APP, "unreachableStrategy": {"inactiveAfterSeconds": 20, "expungeAfterSeconds": 600}}
    late = seen(running(), app=app, on=node("Unknown"))
    assert (late.condition, late.active) == ("UnreachableInactive", False)
    disabled = {**APP, "unreachableStrategy": "disabled"}
    assert seen(running(), app=disabled, on=node("Unknown")).condition == "Unreachable"


@pytest.mark.parametrize(
    ("phase", "reason", "state"),
    [
        ("Failed", "Evicted", "TASK_FAILED"),
        ("Failed", "OutOfcpu", "TASK_DROPPED"),
        ("Failed", "NodeAffinity", "TASK_DROPPED"),
        ("Failed", "NodeShutdown", "TASK_KILLED"),
        ("Succeeded", "", "TASK_FINISHED"),
    ],
)
def test_a_pod_that_ended_says_so_by_its_reason(phase: str, reason: str, state: str) -> None:
    found = seen({"phase": phase, "reason": reason, "message": "why"})
    assert (found.state, found.active, found.ports) == (state, False, ())
    recorded = state in ("TASK_FAILED", "TASK_DROPPED")
    assert (found.failure.message if found.failure else None) == ("why" if recorded else None)


def test_the_end_of_a_pod_is_a_kill_unless_something_else_is_known() -> None:
    before = seen(running())
    assert ended(before, pod(running()), wanted=True).state == "TASK_KILLED"
    assert ended(before, None, wanted=False).condition == "Killed"
    gone = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC", "message": "node is gone"}
    lost = pod({**running(), "conditions": [gone]})
    assert ended(before, lost, wanted=False).state == "TASK_GONE"
    assert ended(before, lost, wanted=True).state == "TASK_KILLED"
    crashed = seen(container(terminated(1)))
    assert ended(crashed, None, wanted=True).state == "TASK_FAILED"
    assert not ended(before, None, wanted=True).active


def test_the_other_style_counts_the_incarnation_in_the_id() -> None:
    found = seen(running(restartCount=2), style="instance")
    assert found.task_id == f"prod_web.instance-{UID}._app.3"
    assert found.instance_id == f"prod_web.instance-{UID}"


def test_the_same_pod_is_always_the_same_instance() -> None:
    first = seen({**running(), **ready("True", STARTED)}, app=CHECKED)
    assert seen({**running(), **ready("True", STARTED)}, app=CHECKED, before=first) == first
    failed = seen(container(terminated(1)))
    assert seen(container(terminated(1)), before=failed) == failed
    assert failed.since == "2024-05-01T10:00:09.000Z"
    assert ENDED.startswith("2024-05-01T10:00:09")


def test_the_words_of_a_good_end_are_kept_for_its_event() -> None:
    finished = seen(container(terminated(0, "Completed")))
    assert (finished.state, finished.failure) == ("TASK_FINISHED", None)
    assert finished.end_message == "Command exited with status 0"
