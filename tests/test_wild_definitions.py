"""Definitions as people have them in their repositories: each is taken, comes back as it was given, and makes a Deployment.

`moved` tells what Marathon itself writes differently: old spellings that it normalises away (recorded behaviour).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.api.house import House
from translators.kubernetes.deployments import deployment
from translators.kubernetes.platform import Platform
from translators.marathon import Rules

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Wild:
    """`app` as written. `moved` are members that the answer has in another place or form; `gone` those it no longer has."""

    app: Json
    moved: Json = field(default_factory=dict)
    gone: frozenset[str] = frozenset()


WILD: dict[str, Wild] = {
    "a web service behind marathon-lb": Wild(
        {
            "id": "/shop/web",
            "instances": 3,
            "cpus": 0.5,
            "mem": 256,
            "networks": [{"mode": "container/bridge"}],
            "container": {
                "type": "DOCKER",
                "docker": {"image": "nginx:1.25", "forcePullImage": True},
                "portMappings": [
                    {"containerPort": 80, "hostPort": 0, "servicePort": 10080, "protocol": "tcp", "name": "http"}
                ],
            },
            "labels": {
                "HAPROXY_GROUP": "external",
                "HAPROXY_0_VHOST": "shop.example.com",
                "HAPROXY_0_BACKEND_HTTP_OPTIONS": "  option forwardfor\n",
            },
            "healthChecks": [
                {"protocol": "HTTP", "path": "/healthz", "portIndex": 0, "gracePeriodSeconds": 30,
                 "intervalSeconds": 10, "timeoutSeconds": 5, "maxConsecutiveFailures": 3}
            ],
            "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.2},
        }
    ),
    "a daemon with fixed ports of its host": Wild(
        {
            "id": "/infra/syslog",
            "cmd": "exec ./syslogd -p $PORT0",
            "networks": [{"mode": "host"}],
            "portDefinitions": [
                {"port": 10514, "protocol": "tcp", "name": "syslog", "labels": {"VIP_0": "/syslog:514"}},
                {"port": 10515, "protocol": "udp", "name": "syslog-udp"},
            ],
            "requirePorts": True,
            "constraints": [["hostname", "UNIQUE"]],
            "instances": 2,
            "killSelection": "OLDEST_FIRST",
        }
    ),
    "a jar that is fetched the old way": Wild(
        {
            "id": "/legacy/jar",
            "cmd": "java -Xmx128m -jar app.jar",
            "cpus": 1,
            "mem": 512,
            "instances": 1,
            "uris": ["http://repo.example.com/app.jar", "http://repo.example.com/conf.tar.gz"],
            "env": {"JAVA_OPTS": "-Dfile.encoding=UTF-8", "QUOTED": "it's \"so\" $(HOME)"},
        },
        moved={
            "fetch": [
                {"uri": "http://repo.example.com/app.jar", "extract": False, "executable": False, "cache": False},
                {"uri": "http://repo.example.com/conf.tar.gz", "extract": True, "executable": False, "cache": False},
            ]
        },
        gone=frozenset({"uris"}),
    ),
    "an app of 0.8 with bare ports": Wild(
        {"id": "/legacy/ports", "cmd": "python3 -m http.server $PORT0", "instances": 1, "ports": [10101, 10102], "backoffSeconds": 5,
         "backoffFactor": 2, "maxLaunchDelaySeconds": 600},
        moved={
            "portDefinitions": [
                {"port": 10101, "protocol": "tcp"},
                {"port": 10102, "protocol": "tcp"},
            ]
        },
        gone=frozenset({"ports"}),
    ),
    "a database with a check by command": Wild(
        {
            "id": "/data/redis",
            "instances": 1,
            "args": ["redis-server", "--appendonly", "yes"],
            "networks": [{"mode": "container/bridge"}],
            "container": {
                "type": "DOCKER",
                "docker": {"image": "redis:7"},
                "portMappings": [{"containerPort": 6379, "hostPort": 0, "servicePort": 10379, "protocol": "tcp"}],
                "volumes": [{"containerPath": "/data", "hostPath": "/srv/redis", "mode": "RW"}],
            },
            "healthChecks": [
                {"protocol": "COMMAND", "command": {"value": "redis-cli ping | grep -q PONG"}, "gracePeriodSeconds": 60,
                 "intervalSeconds": 15, "timeoutSeconds": 10, "maxConsecutiveFailures": 2}
            ],
            "upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0},
        }
    ),
    "a service with a check by Mesos, spread over zones": Wild(
        {
            "id": "/api/users",
            "instances": 6,
            "cpus": 0.25,
            "mem": 128,
            "networks": [{"mode": "container/bridge"}],
            "container": {
                "type": "MESOS",
                "docker": {"image": "example/users:2"},
                "portMappings": [{"containerPort": 8080, "hostPort": 0, "protocol": "tcp", "name": "api"}],
            },
            "constraints": [["@zone", "GROUP_BY", "3"]],
            "healthChecks": [
                {"protocol": "MESOS_HTTP", "path": "/health", "portIndex": 0, "delaySeconds": 5, "intervalSeconds": 5}
            ],
        }
    ),
    "a proxy with a check by connection": Wild(
        {
            "id": "/edge/proxy",
            "cmd": "haproxy -f /etc/haproxy.cfg",
            "instances": 2,
            "networks": [{"mode": "host"}],
            "container": {"type": "DOCKER", "docker": {"image": "haproxy:2.8", "privileged": True}},
            "portDefinitions": [{"port": 10443, "protocol": "tcp", "name": "https"}],
            "healthChecks": [
                {"protocol": "TCP", "portIndex": 0, "gracePeriodSeconds": 10, "intervalSeconds": 5, "timeoutSeconds": 2,
                 "maxConsecutiveFailures": 0},
            ],
            "taskKillGracePeriodSeconds": 30,
        }
    ),
    "an app that traefik routes": Wild(
        {
            "id": "/blog",
            "instances": 1,
            "networks": [{"mode": "container/bridge"}],
            "container": {
                "type": "DOCKER",
                "docker": {"image": "ghost:5"},
                "portMappings": [{"containerPort": 2368, "hostPort": 0, "labels": {"public": "yes"}}],
            },
            "labels": {
                "traefik.enable": "true",
                "traefik.frontend.rule": "Host:blog.example.com;PathPrefix:/a b",
                "traefik.portIndex": "0",
                "päth/with strange~signs": "ü" * 300,
            },
        }
    ),
    "a worker with secrets": Wild(
        {
            "id": "/jobs/worker",
            "cmd": "./work",
            "instances": 1,
            "env": {"DB_PASSWORD": {"secret": "db"}, "MODE": "fast"},
            "secrets": {"db": {"source": "jobs/db/password"}},
        }
    ),
    "a container with docker parameters": Wild(
        {
            "id": "/tools/elastic",
            "instances": 1,
            "mem": 1024,
            "container": {
                "type": "DOCKER",
                "docker": {
                    "image": "elasticsearch:8.11.0",
                    "parameters": [
                        {"key": "hostname", "value": "elastic"},
                        {"key": "cap-add", "value": "IPC_LOCK"},
                        {"key": "env", "value": "discovery.type=single-node"},
                    ],
                },
            },
        }
    ),
    "a bridge of Marathon 1.4": Wild(
        {
            "id": "/legacy/bridge",
            "instances": 2,
            "container": {
                "type": "DOCKER",
                "docker": {
                    "image": "example/app:1",
                    "network": "BRIDGE",
                    "portMappings": [{"containerPort": 8080, "hostPort": 0, "servicePort": 10201, "protocol": "tcp"}],
                },
            },
            "healthChecks": [{"path": "/", "portIndex": 0}],
        },
        moved={
            "networks": [{"mode": "container/bridge"}],
            "container": {
                "type": "DOCKER",
                "docker": {"image": "example/app:1"},
                "portMappings": [{"containerPort": 8080, "hostPort": 0, "servicePort": 10201, "protocol": "tcp"}],
            },
        },
    ),
    "a job with everything to download and a dependency": Wild(
        {
            "id": "/jobs/report",
            "cmd": "cd report && ./run --out $MESOS_SANDBOX/out",
            "instances": 0,
            "disk": 512,
            "fetch": [
                {"uri": "https://repo.example.com/report.tgz", "extract": True, "executable": False, "cache": True},
                {"uri": "https://repo.example.com/run.sh", "extract": False, "executable": True, "cache": False,
                 "destPath": "bin/run.sh"},
            ],
            "dependencies": ["/data/redis"],
            "acceptedResourceRoles": ["*"],
            "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 0.5},
            "unreachableStrategy": {"inactiveAfterSeconds": 60, "expungeAfterSeconds": 120},
        }
    ),
}  # fmt: skip


def assert_within(given: object, shown: object, path: str = "") -> None:
    """Every member of `given` is in `shown` with the same value; `shown` may have more members."""
    if isinstance(given, Mapping):
        assert isinstance(shown, Mapping), path
        for key, value in given.items():
            assert key in shown, f"{path}/{key} is lost"
            assert_within(value, shown[key], f"{path}/{key}")
    elif isinstance(given, list):
        assert isinstance(shown, list), path
        assert len(given) == len(shown), f"{path}: {given} became {shown}"
        for i, (one, other) in enumerate(zip(given, shown, strict=True)):
            assert_within(one, other, f"{path}({i})")
    else:
        assert given == shown, path


@pytest.mark.parametrize("name", WILD)
async def test_a_definition_comes_back_as_given_and_makes_a_deployment(name: str) -> None:
    wild = WILD[name]
    async with House(rules=Rules(enabled_features=frozenset({"secrets"}))) as house:
        for dependency in wild.app.get("dependencies", ()):
            assert (await house.post_app(dependency)).status_code == 201
        answer = await house.client.post("/v2/apps", json=wild.app)
        assert answer.status_code == 201, answer.text
        shown = (await house.client.get(f"/v2/apps{wild.app['id']}")).json()["app"]
        assert_within(
            {key: value for key, value in wild.app.items() if key not in wild.gone | wild.moved.keys()}, shown
        )
        assert_within(wild.moved, shown)
        assert not wild.gone & (shown.keys() - {"ports"})

        app = house.engine.app(wild.app["id"])
        assert app is not None
        made = deployment(
            app.definition, version=app.version, config_version=app.version, platform=Platform(), replicas=app.instances
        )
        assert made["spec"]["replicas"] == wild.app["instances"]
        main = made["spec"]["template"]["spec"]["containers"][0]
        image = wild.app.get("container", {}).get("docker", {}).get("image")
        assert image is None or main["image"] == image
        assert made["metadata"]["annotations"]["marathon-gateway.io/id"] == wild.app["id"]


@pytest.mark.parametrize("name", WILD)
async def test_what_was_read_can_be_written_back_and_changes_nothing(name: str) -> None:
    wild = WILD[name]
    async with House(rules=Rules(enabled_features=frozenset({"secrets"}))) as house:
        for dependency in wild.app.get("dependencies", ()):
            await house.post_app(dependency)
        await house.client.post("/v2/apps", json=wild.app)
        path = f"/v2/apps{wild.app['id']}"
        shown = (await house.client.get(path)).json()["app"]
        runtime = ("version", "versionInfo", "deployments", "tasks", "tasksStaged", "tasksRunning", "tasksHealthy",
                   "tasksUnhealthy", "lastTaskFailure", "uris")  # fmt: skip
        definition = {key: value for key, value in shown.items() if key not in runtime}
        answer = await house.client.put(f"{path}?force=true", json=definition)
        assert answer.status_code == 200, answer.text
        assert (await house.client.get(path)).json()["app"]["version"] == shown["version"]
