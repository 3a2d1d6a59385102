"""kubectl, an independent Kubernetes client, against the embedded cluster."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import eventually, started

pytestmark = [pytest.mark.clients, pytest.mark.timeout(120)]

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [{"name": "c", "image": "busybox", "command": ["/bin/sh", "-c", "echo up; sleep 1000"]}]
            },
        },
    },
}


@pytest.fixture
def kubectl(
    program: Callable[[str], str], run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> Iterator[Callable[..., str]]:
    kubeconfig = tmp_path / "kubeconfig"
    with started("simulator", "--listen", "127.0.0.1:0", "--write-kubeconfig", str(kubeconfig)) as simulator:
        simulator.wait_for(r"Kubernetes API at (\S+)")

        def call(*arguments: str, check: bool = True) -> str:
            done = run(
                program("kubectl"),
                f"--kubeconfig={kubeconfig}",
                f"--cache-dir={tmp_path / 'cache'}",
                *arguments,
                check=check,
            )
            return done.stdout + ("" if check else done.stderr)

        yield call


def test_kubectl_applies_gets_scales_and_deletes_a_deployment(kubectl: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "web.json"
    file.write_text(json.dumps(DEPLOYMENT))
    assert "created" in kubectl("apply", "--validate=false", "-f", str(file))
    assert "unchanged" in kubectl("apply", "--validate=false", "-f", str(file))
    kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=20s")
    assert len(json.loads(kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]) == 2
    assert "web" in kubectl("get", "deployments")
    assert len(json.loads(kubectl("get", "nodes", "-o", "json"))["items"]) == 3

    kubectl("scale", "deployment/web", "--replicas=1")
    eventually(lambda: len(json.loads(kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]) == 1)
    kubectl("label", "deployment/web", "tier=front")
    assert json.loads(kubectl("get", "deployment", "web", "-o", "json"))["metadata"]["labels"]["tier"] == "front"
    pod = json.loads(kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"][0]["metadata"]["name"]
    eventually(lambda: "up" in kubectl("logs", pod))
    kubectl("delete", "deployment", "web")
    eventually(lambda: json.loads(kubectl("get", "pods", "-o", "json"))["items"] == [])


def test_kubectl_finds_the_custom_resources_of_the_gateway(kubectl: Callable[..., str]) -> None:
    assert "marathonapps.marathon-gateway.io" in kubectl("get", "crd", "-o", "name")
    assert "No resources found" in kubectl("get", "marathonapps", "-A", check=False)
