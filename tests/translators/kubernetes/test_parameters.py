from typing import Any

import pytest

from translators.kubernetes.deployments import deployment
from translators.kubernetes.platform import Platform

DROPPED = ("net", "network", "publish", "link", "volumes-from", "volume-driver", "device", "ulimit", "restart", "name")


def pod(*pairs: tuple[str, str], platform: Platform | None = None) -> dict[str, Any]:
    parameters = [{"key": key, "value": value} for key, value in pairs]
    app = {"id": "/a", "container": {"type": "DOCKER", "docker": {"image": "x", "parameters": parameters}}}
    made = deployment(app, version="v", config_version="v", platform=platform or Platform())
    spec: dict[str, Any] = made["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize(
    ("pair", "part", "expected"),
    [
        (("hostname", "web-1"), "hostname", "web-1"),
        (("add-host", "db:10.0.0.9"), "hostAliases", [{"ip": "10.0.0.9", "hostnames": ["db"]}]),
        (("dns-search", "example.com"), "dnsConfig", {"searches": ["example.com"]}),
        (("dns-opt", "ndots:2"), "dnsConfig", {"options": [{"name": "ndots", "value": "2"}]}),
        (("sysctl", "a.b=1"), "securityContext", {"sysctls": [{"name": "a.b", "value": "1"}]}),
    ],
)
def test_parameters_of_the_pod(pair: tuple[str, str], part: str, expected: object) -> None:
    assert pod(pair)[part] == expected


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (("cap-add", "CAP_NET_ADMIN"), {"capabilities": {"add": ["NET_ADMIN"]}}),
        (("cap-drop", "all"), {"capabilities": {"drop": ["ALL"]}}),
        (("privileged", "true"), {"privileged": True}),
        (("read-only", "true"), {"readOnlyRootFilesystem": True}),
        (("user", "1000:100"), {"runAsUser": 1000, "runAsGroup": 100}),
        (("security-opt", "no-new-privileges"), {"allowPrivilegeEscalation": False}),
        (("security-opt", "seccomp=unconfined"), {"seccompProfile": {"type": "Unconfined"}}),
    ],
)
def test_parameters_of_the_security_context(pair: tuple[str, str], expected: object) -> None:
    assert pod(pair)["containers"][0]["securityContext"] == expected


def test_parameters_with_paths() -> None:
    found = pod(("volume", "/srv:/data:ro"), ("tmpfs", "/run:size=1m"), ("shm-size", "64m"), ("workdir", "/work"))
    assert [v for v in found["volumes"] if v["name"] != "sandbox"] == [
        {"name": "v0", "hostPath": {"path": "/srv", "type": ""}},
        {"name": "v1", "emptyDir": {"medium": "Memory"}},
        {"name": "v2", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
    ]
    container = found["containers"][0]
    assert [mount["mountPath"] for mount in container["volumeMounts"]][1:] == ["/data", "/run", "/dev/shm"]
    assert container["workingDir"] == "/work"


@pytest.mark.parametrize("key", DROPPED)
def test_what_has_no_counterpart_leaves_the_pod_as_it_is(key: str) -> None:
    assert pod((key, "x")) == pod()


def test_the_namespaces_of_the_node_need_permission() -> None:
    assert "hostPID" not in pod(("pid", "host"))
    assert pod(("pid", "host"), platform=Platform(allow_host_namespaces=True))["hostPID"] is True
