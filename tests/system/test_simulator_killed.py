"""The embedded cluster is killed with -9: its next start ends what ran, and runs again what should."""

import json
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.processes import MGW, Process, eventually

PODS = "/api/v1/namespaces/default/pods"


def running(root: Path) -> tuple[Process, httpx.Client]:
    kubeconfig = root / "kubeconfig"
    command = ["simulator", "--nodes", "1", "--listen", "127.0.0.1:0"]
    process = Process([str(MGW), *command, "--state", str(root / "state"), "--write-kubeconfig", str(kubeconfig)])
    process.wait_for(r"Kubernetes API at (\S+)")
    config = yaml.safe_load(kubeconfig.read_text())
    token = config["users"][0]["user"]["token"]
    base = config["clusters"][0]["cluster"]["server"]
    return process, httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, trust_env=False)


def alive(pid: int) -> bool:
    """Whether there is such a process that is more than a zombie."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_pods_of_a_killed_simulator_end_and_start_again(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def started() -> list[int]:
        return [int(line) for line in pids.read_text().split()] if pids.exists() else []

    def status(api: httpx.Client) -> dict[str, Any]:
        return dict(api.get(f"{PODS}/web").json()["status"].get("containerStatuses", [{}])[0])

    body = {
        "metadata": {"name": "web"},
        "spec": {
            "terminationGracePeriodSeconds": 2,
            "containers": [
                {"name": "app", "image": "x", "command": ["/bin/sh", "-c", f"echo $$$$ >> {pids}; exec sleep 600"]}
            ],
        },
    }
    simulator, api = running(tmp_path)
    try:
        assert api.post(PODS, content=json.dumps(body)).status_code == 201
        eventually(lambda: "running" in status(api).get("state", {}) and started())
        simulator.kill()
        api.close()
        assert alive(started()[0]), "a kill -9 leaves the process behind"
        simulator, api = running(tmp_path)
        eventually(lambda: len(started()) == 2 and status(api).get("restartCount") == 1)
        assert not alive(started()[0])
        assert status(api)["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
        api.delete(f"{PODS}/web")
        eventually(lambda: api.get(f"{PODS}/web").status_code == 404)
        assert not alive(started()[1])
    finally:
        api.close()
        simulator.stop()
