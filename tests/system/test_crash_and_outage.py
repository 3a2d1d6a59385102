"""The gateway dies, the Kubernetes API goes away: nothing acknowledged is lost and everything resumes."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.installations import CLUSTERS, Installation, installed, simulator_installation
from tests.processes import MGW, Process, eventually

pytestmark = pytest.mark.timeout(180)

APP: dict[str, Any] = {
    "id": "/web",
    "cmd": "python3 -m http.server $PORT0",
    "instances": 3,
    "cpus": 0.1,
    "mem": 32,
    "healthChecks": [{"protocol": "HTTP", "portIndex": 0, "intervalSeconds": 1, "gracePeriodSeconds": 30}],
    "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 0.3},
}


class Outage(Protocol):
    """A cluster whose Kubernetes API can go away and come back with what it had."""

    installation: Installation

    def begin(self) -> None: ...

    def end(self) -> None: ...


class SimulatorOutage:
    def __init__(self, home: Path) -> None:
        kubeconfig = home / "kubeconfig"
        self._arguments = ["--write-kubeconfig", str(kubeconfig), "--state", str(home / "state")]
        self._listen = "127.0.0.1:0"
        self.end()
        self.installation = simulator_installation(kubeconfig)

    def begin(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self._process = Process([str(MGW), "simulator", "--listen", self._listen, *self._arguments])
        self._listen = self._process.wait_for(r"Kubernetes API at http://(\S+?);")

    def close(self) -> None:
        self._process.stop()


class RealOutage:
    """Of the API server alone: etcd, controllers, scheduler and nodes stay."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self.installation = installed(control_plane, "marathon")

    def begin(self) -> None:
        self._control_plane.kill("kube-apiserver")

    def end(self) -> None:
        self._control_plane.start("kube-apiserver")


@pytest.fixture(params=CLUSTERS)
def outage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outage]:
    if request.param == "real":
        start = request.getfixturevalue("another_control_plane")
        yield RealOutage(start(controllers=True, fake_nodes=2))
    else:
        simulator = SimulatorOutage(tmp_path)
        yield simulator
        simulator.close()


def test_a_rollout_ends_right_after_kill_minus_nine_in_its_middle(installation: Installation) -> None:
    with installation.gateway() as gateway:
        gateway.await_serving().create(APP)
        with installation.slow_pods():
            change = gateway.change("/web", {"env": {"A": "b"}})
            eventually(lambda: len(installation.pods("/web")) > 3)
            gateway.kill()
    with installation.gateway() as gateway:
        gateway.await_serving().settle()
        tasks = gateway.tasks("/web")
        assert len(tasks) == 3
        assert {task["version"] for task in tasks} == {change["version"]}
        shown = gateway.app("/web")
        assert (shown["tasksHealthy"], shown["version"]) == (3, change["version"])


def test_a_gateway_without_a_cluster_waits_and_says_so_and_resumes(outage: Outage) -> None:
    outage.begin()
    with outage.installation.gateway() as gateway:
        client = gateway.client
        assert client.get("/ping").text == "pong"
        refused = client.get("/v2/apps")
        assert (refused.status_code, refused.headers["Content-Type"]) == (503, "application/json")
        assert refused.json()["message"]
        eventually(lambda: "Waiting for the Kubernetes API" in gateway.log)

        outage.end()
        app = APP | {"healthChecks": []}
        eventually(lambda: client.post("/v2/apps", json=app).status_code == 201, 60)
        eventually(lambda: gateway.app("/web")["tasksRunning"] == 3, 60)
        gateway.settle()  # the app is not locked

        outage.begin()
        assert gateway.app("/web")["instances"] == 3
        write = client.put("/v2/apps//web", json={"instances": 4})
        assert write.status_code == 503
        assert write.json()["message"]

        outage.end()
        eventually(lambda: client.put("/v2/apps//web?force=true", json={"instances": 2}).status_code == 200, 60)
        eventually(lambda: gateway.app("/web")["tasksRunning"] == 2, 90)


def test_a_bad_setting_stops_the_start_with_one_clear_line() -> None:
    for arguments, words in (
        (["--max_running_deployments", "many"], "max_running_deployments"),
        (["--listen", "nowhere"], "HOST:PORT"),
        (["--kubeconfig", "/does/not/exist"], "/does/not/exist"),
    ):
        done = subprocess.run([str(MGW), "serve", *arguments], check=False, capture_output=True, text=True, timeout=30)
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_manifests_are_complete_and_can_be_read_back() -> None:
    import yaml

    done = subprocess.run([str(MGW), "manifests"], check=True, capture_output=True, text=True, timeout=30)
    kinds = [document["kind"] for document in yaml.safe_load_all(done.stdout)]
    assert kinds.count("CustomResourceDefinition") == 4
    assert {
        "Namespace",
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
    } <= set(kinds)
    assert json.dumps(kinds)
