"""What goes wrong with real containers comes back in Marathon's states and words: tasks, last failure, queue, events."""

from tests.e2e.marathon import Marathon, until
from tests.processes import eventually


def test_an_exit_code_is_told_and_the_app_waits_in_the_queue(marathon: Marathon) -> None:
    marathon.post(id="/exit", cmd="exit 7")
    failure = until(lambda: marathon.app("/exit").get("lastTaskFailure"))
    assert (failure["state"], failure["message"]) == ("TASK_FAILED", "Command exited with status 7")
    until(lambda: "TASK_FAILED" in marathon.events.states(failure["taskId"]))
    # A crash loop: the kubelet holds the next start back, for longer each time.
    queued = until(lambda: (item := marathon.queued("/exit")) and item["delay"]["timeLeftSeconds"] > 0 and item)
    assert queued["count"] == 1
    assert queued["delay"]["overdue"] is False
    later = until(lambda: marathon.app("/exit").get("lastTaskFailure", {}).get("timestamp", "") > failure["timestamp"])
    assert later


def test_a_signal_is_named(marathon: Marathon) -> None:
    marathon.post(id="/signal", cmd="sh -c 'kill -9 $$'; exit $?")
    failure = until(lambda: marathon.app("/signal").get("lastTaskFailure"))
    assert (failure["state"], failure["message"]) == ("TASK_FAILED", "Command terminated with signal Killed")


def test_an_app_that_ends_well_is_finished_and_runs_again(marathon: Marathon) -> None:
    marathon.post(id="/done", cmd="sleep 1")
    finished = until(lambda: [e for e in marathon.events.of("/done") if e.get("taskStatus") == "TASK_FINISHED"])
    assert finished[0]["message"] == "Command exited with status 0"
    assert "lastTaskFailure" not in marathon.app("/done")


def test_more_memory_than_asked_for_is_told_as_such(marathon: Marathon) -> None:
    hungry = "exec python3 -c 'held = bytearray(300 * 1024 * 1024); print(len(held))'"
    marathon.post(id="/oom", cmd=hungry, mem=48)
    failure = until(lambda: marathon.app("/oom").get("lastTaskFailure"))
    assert failure["state"] == "TASK_FAILED"
    assert failure["message"].startswith("Memory limit exceeded: Requested: 48MB")


def test_an_image_that_cannot_be_pulled_is_a_failed_launch(marathon: Marathon) -> None:
    marathon.post(id="/pull", container={"type": "DOCKER", "docker": {"image": "127.0.0.1:1/missing:1"}})
    failure = until(lambda: marathon.app("/pull").get("lastTaskFailure"))
    assert failure["state"] == "TASK_FAILED"
    assert failure["message"].startswith("Failed to launch container: ")
    assert "127.0.0.1:1/missing:1" in failure["message"]
    assert until(lambda: marathon.queued("/pull"))["count"] == 1
    assert "TASK_RUNNING" not in marathon.events.states(failure["taskId"])


def test_a_failing_health_check_kills_the_task(marathon: Marathon) -> None:
    check = {"protocol": "COMMAND", "command": {"value": "test -f /tmp/well"}, "intervalSeconds": 1}
    times = {"gracePeriodSeconds": 20, "maxConsecutiveFailures": 2, "timeoutSeconds": 5, "delaySeconds": 0}
    # Well at first, so that it is not within its grace period any more.
    marathon.post(id="/sick", cmd="touch /tmp/well; sleep 12; rm /tmp/well; sleep 1000", healthChecks=[check | times])
    until(lambda: marathon.app("/sick")["tasksHealthy"] == 1)
    failure = until(lambda: marathon.app("/sick").get("lastTaskFailure"))
    assert failure["state"] == "TASK_KILLED"
    assert failure["message"].startswith("Task was killed since health check failed.")


def test_a_task_of_a_lost_node_is_unreachable_replaced_and_gone_when_the_node_is_back(marathon: Marathon) -> None:
    [task] = marathon.run(
        id="/lost",
        cmd="sleep 1000",
        constraints=[["rack", "IS", "b"]],
        unreachableStrategy={"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0},
    )
    [name] = marathon.placed("/lost")
    node = next(node for node in marathon.nodes if node.name == name)
    node.lose()
    try:
        eventually(lambda: "TASK_UNREACHABLE" in marathon.events.states(task["id"]), 60)
        new = until(lambda: [t for t in marathon.tasks("/lost") if t["state"] == "TASK_RUNNING"])
        assert task["id"] not in [t["id"] for t in new]
        [elsewhere] = {p["spec"]["nodeName"] for p in marathon.pods("/lost")} - {name}
        assert elsewhere in {"node2", "node3"}
    finally:
        node.start()
    until(lambda: [t["id"] for t in marathon.tasks("/lost")] == [new[0]["id"]])
    states = marathon.events.states(task["id"])
    assert states.index("TASK_UNREACHABLE") < len(states) - 1, states  # and then its end was told
    assert states[-1] in ("TASK_KILLED", "TASK_GONE", "TASK_FAILED", "TASK_LOST"), states
