from typing import Any

import pytest

from translators.kubernetes.ports import ports
from translators.kubernetes.probes import probes

HOST = {"id": "/a", "networks": [{"mode": "host"}], "portDefinitions": [{"port": 10000}, {"port": 10001}]}
BRIDGE = {
    "id": "/a",
    "networks": [{"mode": "container/bridge"}],
    "container": {"portMappings": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81, "hostPort": 0}]},
}
TIMES = {"gracePeriodSeconds": 30, "intervalSeconds": 10, "timeoutSeconds": 5, "maxConsecutiveFailures": 3}


def made(check: dict[str, Any], app: dict[str, Any] | None = None) -> dict[str, Any]:
    app = {**(app or HOST), "healthChecks": [check]}
    return probes(app, ports(app))


def test_grace_liveness_and_readiness_of_a_check_that_marathon_runs() -> None:
    get = {"httpGet": {"path": "/h", "port": "p0"}, "periodSeconds": 10, "timeoutSeconds": 5}
    assert made({"protocol": "HTTP", "path": "h", "portIndex": 0, **TIMES}) == {
        "startupProbe": {**get, "initialDelaySeconds": 5, "failureThreshold": 7},
        "readinessProbe": {**get, "successThreshold": 1, "failureThreshold": 1},
        "livenessProbe": {**get, "failureThreshold": 4},
    }


@pytest.mark.parametrize(
    ("protocol", "failures", "threshold"),
    [
        ("HTTP", 3, 4),
        ("TCP", 1, 2),
        ("HTTPS", 0, None),
        ("MESOS_HTTP", 3, 3),
        ("MESOS_TCP", 0, 1),
        ("COMMAND", 0, 1),
        ("COMMAND", 2, 2),
    ],
)
def test_the_kill_comes_after_as_many_failures_as_in_marathon(
    protocol: str, failures: int, threshold: int | None
) -> None:
    found = made({"protocol": protocol, "command": {"value": "true"}, "maxConsecutiveFailures": failures})
    assert ("livenessProbe" in found, "startupProbe" in found) == (threshold is not None, threshold is not None)
    assert found.get("livenessProbe", {}).get("failureThreshold") == threshold
    assert found["readinessProbe"]["failureThreshold"] == 1


@pytest.mark.parametrize(
    ("check", "app", "port"),
    [
        ({"protocol": "TCP"}, HOST, "p0"),
        ({"protocol": "TCP", "portIndex": 1}, HOST, "p1"),
        ({"protocol": "TCP", "port": 10001}, HOST, "p1"),
        ({"protocol": "TCP", "port": 9999}, HOST, 9999),
        ({"protocol": "TCP", "port": 8080}, BRIDGE, "p0"),
        ({"protocol": "MESOS_TCP", "port": 81}, BRIDGE, "p1"),
        ({"protocol": "MESOS_TCP", "port": 82}, BRIDGE, 82),
    ],
)
def test_a_check_goes_to_the_containers_side_of_its_port(
    check: dict[str, Any], app: dict[str, Any], port: object
) -> None:
    assert made(check, app)["readinessProbe"]["tcpSocket"] == {"port": port}


def test_a_check_without_any_port_makes_no_probe() -> None:
    assert made({"protocol": "TCP"}, {**HOST, "portDefinitions": []}) == {}
    assert made({"protocol": "TCP", "port": 9}, BRIDGE) == {}


def test_details_of_each_kind() -> None:
    secure = made({"protocol": "MESOS_HTTPS", "delaySeconds": 7})
    assert secure["readinessProbe"]["httpGet"] == {"path": "/", "port": "p0", "scheme": "HTTPS"}
    assert secure["startupProbe"]["initialDelaySeconds"] == 7
    command = made({"protocol": "COMMAND", "command": {"value": "echo $A"}})
    assert command["livenessProbe"]["exec"] == {"command": ["/bin/sh", "-c", "echo $$A"]}
    odd = made({"protocol": "MESOS_TCP", "intervalSeconds": 0, "timeoutSeconds": 0})["readinessProbe"]
    assert (odd["periodSeconds"], odd["timeoutSeconds"]) == (1, 3600)
    assert made({"protocol": "TCP", "timeoutSeconds": -1})["readinessProbe"]["timeoutSeconds"] == 1


def test_of_several_checks_the_one_that_mesos_runs_is_probed() -> None:
    app = {**HOST, "healthChecks": [{"protocol": "HTTP"}, {"protocol": "COMMAND", "command": {"value": "x"}}]}
    assert "exec" in probes(app, ports(app))["readinessProbe"]
