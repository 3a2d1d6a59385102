from typing import Any

import pytest

from translators.kubernetes.deployments import deployment
from translators.kubernetes.platform import Platform
from translators.kubernetes.support import refusals, warnings

BASE: dict[str, Any] = {
    "id": "/a",
    "cmd": "run",
    "networks": [{"mode": "host"}],
    "portDefinitions": [{"port": 10000, "name": "default", "protocol": "tcp"}],
}
DOCKER: dict[str, Any] = {"type": "DOCKER", "docker": {"image": "nginx"}}
BRIDGE: dict[str, Any] = {"networks": [{"mode": "container/bridge"}]}


def mapping(**fields: Any) -> dict[str, Any]:
    return {"container": {**DOCKER, "portMappings": [{"containerPort": 80, "protocol": "tcp", **fields}]}, **BRIDGE}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"executor": "/my/executor"}, "/executor", "custom executors are not supported by this platform"),
    ({"user": "bob"}, "/user", "user 'bob' is not known to this platform; use a numeric id"),
    (
        {"container": {"docker": {"image": "x", "parameters": [{"key": "link", "value": "db"}]}}},
        "/container/docker/parameters(0)",
        "docker parameter 'link' is not supported by this platform",
    ),
    (
        {"container": {"docker": {"image": "x", "parameters": [{"key": "hostname", "value": "a.b"}]}}},
        "/container/docker/parameters(0)",
        "docker parameter 'hostname=a.b' is not supported by this platform",
    ),
    ({"fetch": [{"uri": "hdfs://n/x"}]}, "/fetch(0)/uri", "URI scheme 'hdfs' is not supported by this platform"),
    (
        {"networks": [{"mode": "container", "name": "dcos"}]},
        "/networks(0)/name",
        "network 'dcos' is not known to this platform",
    ),
    (
        {"constraints": [["rack", "MAX_PER", "2"], ["rack", "GROUP_BY"]]},
        "/constraints",
        "MAX_PER and GROUP_BY can not be combined on field 'rack' on this platform",
    ),
    (
        {"constraints": [["rack", "LIKE", "rack-.*"]]},
        "/constraints",
        "regular expression 'rack-.*' is not supported by this platform; spell out the values (a|b)",
    ),
    (
        {"constraints": [["rack", "IS", "a/b"]]},
        "/constraints",
        "value 'a/b' can not be a node label on this platform",
    ),
    (
        {"container": {"volumes": [{"containerPath": "d", "persistent": {"size": 10}, "mode": "RW"}]}},
        "/container/volumes(0)/persistent",
        "persistent volumes are not supported by this platform",
    ),
    (
        {"container": {"linuxInfo": {"ipcInfo": {"mode": "SHARE_PARENT"}}}},
        "/container/linuxInfo/ipcInfo/mode",
        "SHARE_PARENT is not allowed on this platform",
    ),
    ({"env": {"A": "1", "é": "2"}}, "/env/keys(1)", "environment variable name is not supported by this platform"),
    (
        {**mapping(hostPort=0), "healthChecks": [{"protocol": "HTTP", "port": 8080}]},
        "/healthChecks(0)/port",
        "port does not belong to a port mapping",
    ),
    (
        {"healthChecks": [{"protocol": "TCP", "portIndex": 0}, {"protocol": "HTTP", "portIndex": 0}]},
        "/healthChecks",
        "only one health check is supported by this platform",
    ),
    ({"check": {"tcp": {"portIndex": 0}}}, "/check", "checks are not supported by this platform"),
]


@pytest.mark.parametrize(("fields", "path", "text"), REFUSED)
def test_what_can_not_be_honoured_is_refused_with_path_and_reason(fields: dict[str, Any], path: str, text: str) -> None:
    found = refusals({**BASE, **fields}, Platform())
    assert [(detail.path, detail.errors) for detail in found] == [(path, (text,))]


@pytest.mark.parametrize(("fields", "path", "text"), REFUSED)
def test_an_operator_may_turn_refusals_into_warnings_and_the_app_still_translates(
    fields: dict[str, Any], path: str, text: str
) -> None:
    soft, app = Platform(soft_refusals=True), {**BASE, **fields}
    assert refusals(app, soft) == []
    assert f"{path}: {text}" in warnings(app, soft)
    assert deployment(app, version="v", config_version="v", platform=soft)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"user": "root"},
        {"user": "1000:1000"},
        {"user": "nobody"},
        {"networks": [{"mode": "container", "name": "known"}]},
        {"constraints": [["hostname", "UNIQUE"], ["@zone", "GROUP_BY", "2"], ["rack", "LIKE", "rack-[12]"]]},
        {"constraints": [["rack", "UNIQUE"], ["rack", "GROUP_BY"]]},
        {"healthChecks": [{"protocol": "HTTP", "port": 8080}]},
        {"healthChecks": [{"protocol": "COMMAND", "command": {"value": "true"}}]},
        {**mapping(hostPort=8080), "healthChecks": [{"protocol": "HTTP", "port": 8080}]},
        {**mapping(hostPort=0), "healthChecks": [{"protocol": "MESOS_HTTP", "port": 8080}]},
    ],
)
def test_what_can_be_honoured_is_not_refused(fields: dict[str, Any]) -> None:
    platform = Platform(users={"nobody": "65534"}, networks={"known": ""})
    assert refusals({**BASE, **fields}, platform) == []


def test_what_no_cluster_takes_is_refused_even_softly() -> None:
    twice = {"containerPort": 80, "hostPort": 8080}
    ports: dict[str, Any] = {"container": {**DOCKER, "portMappings": [twice, twice]}, **BRIDGE}
    soft = Platform(soft_refusals=True)
    assert [d.path for d in refusals({**BASE, **ports}, soft)] == ["/container/portMappings(1)"]
    volumes = [{"containerPath": "/d", "hostPath": "/a", "mode": "RW"}, {"containerPath": "/d", "hostPath": "x/../.."}]
    paths = [d.path for d in refusals({**BASE, "container": {"volumes": volumes}}, soft)]
    assert paths == ["/container/volumes(1)/containerPath", "/container/volumes(1)/hostPath"]


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({}, "/container/docker/image: none is given"),
        ({"constraints": [["hostname", "LIKE", "10.0.0.1"]]}, "/constraints: '.' in '10.0.0.1' is taken literally"),
        ({"backoffSeconds": 5}, "/backoffSeconds: "),
        ({"taskKillGracePeriodSeconds": 0}, "/taskKillGracePeriodSeconds: "),
        ({"fetch": [{"uri": "http://h/docker.tar.gz", "cache": True}]}, "/fetch(0)/cache: "),
        ({"acceptedResourceRoles": ["dev"]}, "/acceptedResourceRoles: "),
    ],
)
def test_what_works_a_little_differently_is_told(fields: dict[str, Any], start: str) -> None:
    assert any(text.startswith(start) for text in warnings({**BASE, **fields}, Platform()))


def test_an_ordinary_docker_app_has_nothing_to_warn_of() -> None:
    assert warnings({**BASE, **mapping(hostPort=0), "backoffSeconds": 1}, Platform()) == []
