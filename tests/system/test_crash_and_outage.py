"""The gateway dies, the Kubernetes API goes away: nothing acknowledged is lost and everything resumes."""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import MGW, Process, eventually, started

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


def serve(kubeconfig: Path) -> tuple[Process, str]:
    process = Process(
        [str(MGW), "serve", "--kubeconfig", str(kubeconfig), "--listen", "127.0.0.1:0", "--lease_duration_s", "3"]
    )
    return process, process.wait_for(r"Marathon API at (http://\S+)")


def answers(base: str, path: str) -> Any:
    return httpx.get(base + path, timeout=10).json()


def test_a_rollout_ends_right_after_kill_minus_nine_in_its_middle(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    with started("simulator", "--listen", "127.0.0.1:0", "--write-kubeconfig", str(kubeconfig)) as simulator:
        simulator.wait_for(r"Kubernetes API at (\S+)")
        gateway, base = serve(kubeconfig)
        try:
            eventually(lambda: httpx.post(base + "/v2/apps", json=APP).status_code == 201)
            eventually(lambda: answers(base, "/v2/deployments") == [], 60)
            change = httpx.put(base + "/v2/apps//web", json={"env": {"A": "b"}}).json()
            eventually(lambda: len(answers(base, "/v2/apps//web/tasks")["tasks"]) > 3)
            gateway.kill()
            gateway, base = serve(kubeconfig)
            eventually(lambda: httpx.get(base + "/v2/apps").status_code == 200)
            eventually(lambda: answers(base, "/v2/deployments") == [], 60)
            tasks = answers(base, "/v2/apps//web/tasks")["tasks"]
            assert len(tasks) == 3
            assert {task["version"] for task in tasks} == {change["version"]}
            shown = answers(base, "/v2/apps//web")["app"]
            assert (shown["tasksHealthy"], shown["version"]) == (3, change["version"])
        finally:
            gateway.stop()


def test_a_gateway_without_a_cluster_waits_and_says_so_and_resumes(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    state = tmp_path / "state"
    simulator = Process(
        [str(MGW), "simulator", "--listen", "127.0.0.1:0", "--write-kubeconfig", str(kubeconfig), "--state", str(state)]
    )
    address = simulator.wait_for(r"Kubernetes API at http://(\S+?);")
    simulator.kill()
    gateway, base = serve(kubeconfig)
    arguments = ["--listen", address, "--write-kubeconfig", str(kubeconfig), "--state", str(state)]
    try:
        assert httpx.get(base + "/ping").text == "pong"
        refused = httpx.get(base + "/v2/apps")
        assert (refused.status_code, refused.headers["Content-Type"]) == (503, "application/json")
        assert refused.json()["message"]
        eventually(lambda: any("Waiting for the Kubernetes API" in line for line in gateway.lines))

        simulator = Process([str(MGW), "simulator", *arguments])
        eventually(lambda: httpx.post(base + "/v2/apps", json=APP | {"healthChecks": []}).status_code == 201, 60)
        eventually(lambda: answers(base, "/v2/apps//web")["app"]["tasksRunning"] == 3, 60)
        eventually(lambda: httpx.get(base + "/v2/deployments").json() == [], 60)  # the app is not locked

        simulator.kill()
        assert answers(base, "/v2/apps//web")["app"]["instances"] == 3
        write = httpx.put(base + "/v2/apps//web", json={"instances": 4}, timeout=30)
        assert write.status_code == 503
        assert write.json()["message"]

        simulator = Process([str(MGW), "simulator", *arguments])
        eventually(lambda: httpx.put(base + "/v2/apps//web?force=true", json={"instances": 2}).status_code == 200, 60)
        eventually(lambda: answers(base, "/v2/apps//web")["app"]["tasksRunning"] == 2, 90)
    finally:
        gateway.stop()
        simulator.stop()


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
