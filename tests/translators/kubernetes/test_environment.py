import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translators.kubernetes.environment import environment, java_double
from translators.kubernetes.platform import Platform
from translators.kubernetes.ports import ports

VERSION = "2024-05-01T10:00:00.000Z"
BASE: dict[str, Any] = {"id": "/a", "cpus": 0.5, "mem": 256.0, "disk": 0.0, "gpus": 0, "networks": [{"mode": "host"}]}
BRIDGE = [{"mode": "container/bridge"}]
NET = [{"mode": "container", "name": "n"}]
PORT_NAME = re.compile(r"PORTS?($|\d|_)")


def variables(app: dict[str, Any], platform: Platform | None = None) -> dict[str, Any]:
    """The environment as a container on the cluster sees it, references resolved in order."""
    platform = platform or Platform()
    entries = ports(app, prefix=platform.env_vars_prefix)
    known: dict[str, Any] = {}
    for variable in environment(app, entries, config_version=VERSION, platform=platform):
        text = variable.get("value")
        known[variable["name"]] = variable["valueFrom"] if text is None else _expanded(text, known)
    return known


def _expanded(text: str, known: dict[str, Any]) -> str:
    """References to earlier literals resolved; those to fields of the pod stay as they are."""

    def value(found: re.Match[str]) -> str:
        if found[1] == "$":
            return "$"
        value = known.get(found[2])
        return value if isinstance(value, str) else found[0]

    return re.sub(r"\$(\$|\(([^)]+)\))", value, text)


def mapped(networks: list[dict[str, str]], *mappings: dict[str, Any]) -> dict[str, Any]:
    return {**BASE, "networks": networks, "container": {"type": "MESOS", "portMappings": list(mappings)}}


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        (
            {**BASE, "portDefinitions": [{"port": 10000, "name": "default"}]},
            {"PORT0": "10000", "PORT_10000": "10000", "PORT_DEFAULT": "10000", "PORT": "10000", "PORTS": "10000"},
        ),
        (
            {**BASE, "portDefinitions": [{"port": 8080}], "requirePorts": True},
            {"PORT0": "8080", "PORT_8080": "8080", "PORT": "8080", "PORTS": "8080"},
        ),
        (
            mapped(BRIDGE, {"containerPort": 80, "hostPort": 0}, {"containerPort": 443, "hostPort": 0, "name": "tls"}),
            {
                "PORT0": "80",
                "PORT1": "443",
                "PORT_80": "80",
                "PORT_443": "443",
                "PORT_TLS": "443",
                "PORT": "80",
                "PORTS": "80,443",
            },
        ),
        (
            mapped(BRIDGE, {"containerPort": 0, "hostPort": 0, "servicePort": 10005}),
            {"PORT0": "10005", "PORT_10005": "10005", "PORT": "10005", "PORTS": "10005"},
        ),
        (mapped(NET, {"containerPort": 8080}), {"PORT0": "8080", "PORT_8080": "8080", "PORTS": ""}),
        (
            mapped(NET, {"containerPort": 0, "servicePort": 10005}),
            {"PORT0": "10005", "PORT_10005": "10005", "PORT": "10005", "PORTS": "10005"},
        ),
        ({**BASE, "portDefinitions": []}, {}),
    ],
)
def test_port_variables_follow_the_mode(app: dict[str, Any], expected: dict[str, str]) -> None:
    assert {name: value for name, value in variables(app).items() if PORT_NAME.match(name)} == expected


def test_the_context_is_that_of_marathon() -> None:
    app = {
        **mapped(BRIDGE, {"containerPort": 80, "hostPort": 0}),
        "id": "/product/service/my-app",
        "container": {"type": "DOCKER", "docker": {"image": "nginx:1.25"}},
        "labels": {"team": "web", "traefik.enable": "true", "x" * 493: "too long"},
        "env": {"LEVEL": "info"},
    }
    found = variables(app)
    del found["POD_UID"], found["HOST"]
    assert found == {
        "LEVEL": "info",
        "MARATHON_APP_DOCKER_IMAGE": "nginx:1.25",
        "MARATHON_APP_ENFORCE_GROUP_ROLE": "FALSE",
        "MARATHON_APP_ID": "/product/service/my-app",
        "MARATHON_APP_LABELS": "TEAM TRAEFIK_ENABLE",
        "MARATHON_APP_LABEL_TEAM": "web",
        "MARATHON_APP_LABEL_TRAEFIK_ENABLE": "true",
        "MARATHON_APP_RESOURCE_CPUS": "0.5",
        "MARATHON_APP_RESOURCE_DISK": "0.0",
        "MARATHON_APP_RESOURCE_GPUS": "0",
        "MARATHON_APP_RESOURCE_MEM": "256.0",
        "MARATHON_APP_VERSION": VERSION,
        "MESOS_SANDBOX": "/mnt/mesos/sandbox",
        "MESOS_TASK_ID": "product_service_my-app.$(POD_UID)",
    }


def test_variables_of_the_user_win_and_do_not_mislead_the_others() -> None:
    app = {
        **BASE,
        "portDefinitions": [{"port": 10000}],
        "env": {"PORT0": "mine", "POD_UID": "x", "MARATHON_APP_ID": "y"},
    }
    found = variables(app)
    assert (found["PORT0"], found["PORT"], found["MARATHON_APP_ID"]) == ("mine", "10000", "y")
    assert found["MESOS_TASK_ID"] == "a.$(MARATHON_GATEWAY_POD_UID)"
    assert ports(app)[0].variable == "MARATHON_GATEWAY_PORT0"


def test_the_prefix_renames_host_and_ports_only() -> None:
    found = variables({**BASE, "portDefinitions": [{"port": 10000}]}, Platform(env_vars_prefix="P_"))
    assert {"P_HOST", "P_PORT0", "P_PORT", "P_PORTS", "P_PORT_10000", "MESOS_TASK_ID"} <= set(found)
    assert not {"HOST", "PORT0"} & set(found)


def test_secrets_are_references_to_keys_of_secrets() -> None:
    app = {**BASE, "env": {"A": {"secret": "db"}}, "secrets": {"db": {"source": "db/password"}}}
    found = variables(app, Platform(secrets={"db/password": "db-secret/pw"}))
    assert found["A"] == {"secretKeyRef": {"name": "db-secret", "key": "pw"}}


@given(st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=4))
def test_no_name_is_given_twice_and_none_that_the_cluster_refuses(env: dict[str, str]) -> None:
    app = {**BASE, "env": env, "portDefinitions": [{"port": 10000}]}
    names = [v["name"] for v in environment(app, ports(app), config_version=VERSION, platform=Platform())]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[\x20-\x7e]+", name) and "=" not in name for name in names)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0.0"),
        (1, "1.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (128.5, "128.5"),
        (1e7, "1.0E7"),
        (12345678.5, "1.23456785E7"),
    ],
)
def test_numbers_are_printed_as_java_prints_them(number: float, text: str) -> None:
    assert java_double(number) == text
