"""A task whose checks fail is killed and started again, as by Marathon, and says why."""

from tests.e2e.marathon import Marathon, until


def test_a_failing_health_check_kills_the_task(marathon: Marathon) -> None:
    command = {"protocol": "COMMAND", "command": {"value": "test -f /tmp/well"}}
    times = {"intervalSeconds": 1, "timeoutSeconds": 5, "delaySeconds": 0, "gracePeriodSeconds": 20}
    # Well at first, so that it is not within its grace period any more.
    cmd = "touch /tmp/well; sleep 12; rm /tmp/well; sleep 1000"
    marathon.post(id="/sick", cmd=cmd, healthChecks=[{**command, **times, "maxConsecutiveFailures": 2}])
    until(lambda: marathon.app("/sick")["tasksHealthy"] == 1)
    failure = until(lambda: marathon.app("/sick").get("lastTaskFailure"))
    assert failure["state"] == "TASK_KILLED"
    assert failure["message"].startswith("Task was killed since health check failed.")
    assert marathon.events.of("/sick", "unhealthy_instance_kill_event")
