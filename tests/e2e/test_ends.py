"""How real containers end comes back in Marathon's states and words: tasks, `lastTaskFailure`, `/v2/queue`, events."""

import re
from typing import Any

import pytest

from tests.e2e.marathon import Marathon, until

BUSYBOX = {"type": "DOCKER", "docker": {"image": "mgw.test/busybox:1"}}
SELF = 'sh -c "kill -{} \\$\\$"; exit $?'  # the first process of a container cannot kill itself


def docker(**more: Any) -> dict[str, Any]:
    return {"type": "DOCKER", "docker": {**BUSYBOX["docker"], **more}}


ENDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "exit": ({"cmd": "exit 7"}, "TASK_FAILED", r"Command exited with status 7"),
    "docker-exit": ({"cmd": "exit 3", "container": BUSYBOX}, "TASK_FAILED", r"Container exited with status 3"),
    "not-found": ({"cmd": "no-such-program"}, "TASK_FAILED", r"Command exited with status 127"),
    "signal": ({"cmd": SELF.format("KILL")}, "TASK_FAILED", r"Command terminated with signal Killed"),
    "docker-signal": (
        {"cmd": SELF.format("TERM"), "container": BUSYBOX},
        "TASK_FAILED",
        r"Container exited with status 143",
    ),
    "memory": (
        {"cmd": "exec tail /dev/zero"},
        "TASK_FAILED",
        r"Memory limit exceeded: Requested: 32MB Maximum Used: 32MB",
    ),
    "docker-memory": (
        {"cmd": "exec tail /dev/zero", "container": BUSYBOX, "mem": 40},
        "TASK_FAILED",
        r"Memory limit exceeded: Requested: 40MB Maximum Used: 40MB",
    ),
    "no-image": (
        {"cmd": "sleep 1000", "container": docker(image="127.0.0.1:1/missing:1")},
        "TASK_FAILED",
        r"Failed to launch container: .*127\.0\.0\.1:1/missing:1.*connection refused",
    ),
    "forced-pull": (
        {"cmd": "sleep 1000", "container": docker(image="127.0.0.1:1/busybox:1", forcePullImage=True)},
        "TASK_FAILED",
        r"Failed to launch container: .*127\.0\.0\.1:1/busybox:1.*",
    ),
    "bad-image": (
        {"cmd": "sleep 1000", "container": docker(image="UPPER:::1")},
        "TASK_FAILED",
        r"Failed to launch container: .*UPPER.*",
    ),
    "no-program": (
        {"args": ["x"], "container": docker(parameters=[{"key": "entrypoint", "value": "/no/program"}])},
        "TASK_FAILED",
        r"Failed to launch container: .*/no/program.*no such file.*",
    ),
    "no-artifact": (
        {"cmd": "sleep 1000", "fetch": [{"uri": "http://127.0.0.1:1/artifact"}]},
        "TASK_FAILED",
        r"Failed to launch container: .*",
    ),
}
FINISHED = {"cmd": "exit 0"}


@pytest.fixture(scope="module")
def ending(serving: Marathon) -> Any:
    """All at once: most of their time is waiting."""
    with serving.cleaned_up():
        for name, (app, _, _) in ENDS.items():
            serving.post(id=f"/ends/{name}", **app)
        serving.post(id="/ends/finished", **FINISHED)
        yield serving


@pytest.mark.parametrize("name", ENDS)
def test_it_is_the_last_task_failure(ending: Marathon, name: str) -> None:
    _, state, words = ENDS[name]
    failure = until(lambda: ending.app(f"/ends/{name}").get("lastTaskFailure"))
    assert failure["state"] == state
    assert re.fullmatch(words, failure["message"], re.DOTALL), failure["message"]
    assert failure["version"] == ending.app(f"/ends/{name}")["version"]
    assert failure["host"]
    assert failure["slaveId"] in _node_ids(ending)


@pytest.mark.parametrize("name", ENDS)
def test_it_is_the_state_of_the_task_while_it_waits(ending: Marathon, name: str) -> None:
    _, state, _ = ENDS[name]
    (task,) = until(lambda: [t for t in ending.tasks(f"/ends/{name}") if t["state"] == state])
    assert task["ports"] == []
    assert not {"stagedAt", "startedAt", "version"} & set(task)


@pytest.mark.parametrize("name", ENDS)
def test_the_queue_tells_that_it_is_held_back(ending: Marathon, name: str) -> None:
    queued = until(lambda: (item := ending.queued(f"/ends/{name}"))["delay"]["overdue"] is False and item)
    assert queued["count"] == 1
    assert 0 <= queued["delay"]["timeLeftSeconds"] <= 300


@pytest.mark.parametrize("name", ENDS)
def test_events_tell_it_once_for_each_task(ending: Marathon, name: str) -> None:
    _, state, words = ENDS[name]

    def told() -> list[dict[str, Any]]:
        return [e for e in ending.events.of(f"/ends/{name}", "status_update_event") if e["taskStatus"] == state]

    told_first = until(told)[0]
    assert re.fullmatch(words, told_first["message"], re.DOTALL), told_first
    ids = [event["taskId"] for event in told()]
    assert len(ids) == len(set(ids))
    launched = not re.match("Failed to launch", told_first["message"])
    before = ["TASK_STARTING", "TASK_RUNNING"] if launched else []
    assert ending.events.states(ids[0]) == [*before, state]


def test_an_exit_with_0_is_finished_and_no_failure(ending: Marathon) -> None:
    until(lambda: [t for t in ending.tasks("/ends/finished") if t["state"] == "TASK_FINISHED"])
    assert "lastTaskFailure" not in ending.app("/ends/finished")
    first = until(lambda: ending.events.of("/ends/finished", "status_update_event"))[0]["taskId"]
    until(lambda: ending.events.states(first) == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"])


def test_a_crash_loop_starts_a_new_task_each_time_with_longer_waits(ending: Marathon) -> None:
    def failed() -> list[str]:
        events = ending.events.of("/ends/exit", "status_update_event")
        return [event["taskId"] for event in events if event["taskStatus"] == "TASK_FAILED"]

    until(lambda: len(failed()) >= 3)
    assert len(set(failed())) == len(failed())
    queued = until(lambda: (item := ending.queued("/ends/exit"))["delay"]["timeLeftSeconds"] > 10 and item)
    assert queued["delay"]["overdue"] is False
    assert ending.log("/ends/exit", previous=True) == ""


def test_a_reset_delay_starts_it_again_at_once(ending: Marathon) -> None:
    before = {pod["metadata"]["uid"] for pod in ending.pods("/ends/no-image")}
    assert ending.client.delete("/v2/queue//ends/no-image/delay").status_code == 204
    until(lambda: {p["metadata"]["uid"] for p in ending.pods("/ends/no-image")}.isdisjoint(before))


def _node_ids(marathon: Marathon) -> set[str]:
    with marathon.control_plane.client() as client:
        return {node["metadata"]["uid"] for node in client.get("/api/v1/nodes").json()["items"]}
