import json

from tests.translators.kubernetes.pods import CHECKED, UID, container, node, ready, running, seen, terminated
from translators.kubernetes.task_json import failure_json, task_json


def test_a_task_has_the_keys_of_the_recorded_one_in_its_order() -> None:
    labels = {"topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": "z"}
    found = task_json(seen(running(), on=node(**labels)), service_ports=[10000])
    assert list(found) == [
        "appId",
        "healthCheckResults",
        "host",
        "id",
        "ipAddresses",
        "ports",
        "servicePorts",
        "slaveId",
        "state",
        "stagedAt",
        "startedAt",
        "version",
        "localVolumes",
        "region",
        "zone",
        "role",
    ]
    assert found["servicePorts"] == [10000]
    assert found["ipAddresses"] == [{"ipAddress": "10.0.0.7", "protocol": "IPv4"}]


def test_a_task_that_waits_for_its_next_start_has_no_times_and_no_version() -> None:
    found = task_json(seen(container(terminated(1))))
    assert found["state"] == "TASK_FAILED"
    assert found["ports"] == []
    assert not {"stagedAt", "startedAt", "version"} & set(found)


def test_a_health_result_names_the_instance_as_marathon_does() -> None:
    found = task_json(seen({**running(), **ready("True")}, app=CHECKED))
    assert json.dumps(found["healthCheckResults"]) == json.dumps(
        [
            {
                "alive": True,
                "consecutiveFailures": 0,
                "firstSuccess": "2024-05-01T10:00:30.000Z",
                "instanceId": f"instance [prod_web.marathon-{UID}]",
                "lastSuccess": "2024-05-01T10:00:30.000Z",
            }
        ]
    )


def test_a_failure_has_the_keys_of_the_recorded_one_in_its_order() -> None:
    failure = seen(container(terminated(1))).failure
    assert failure is not None
    assert list(failure_json(failure)) == [
        "appId",
        "host",
        "message",
        "state",
        "taskId",
        "timestamp",
        "version",
        "slaveId",
    ]
