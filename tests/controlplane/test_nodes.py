"""A real node leaves nothing on the machine, also when the test run that owns it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane import machine
from tests.controlplane.fixtures import required
from tests.controlplane.guard import living
from tests.controlplane.nodes import why_impossible
from tests.processes import Process, eventually

pytestmark = pytest.mark.e2e

POD = {
    "metadata": {"name": "one"},
    "spec": {
        "automountServiceAccountToken": False,
        "containers": [
            {"name": "c", "image": "mgw.test/busybox:1", "ports": [{"containerPort": 80, "hostPort": 28080}]}
        ],
    },
}
PROGRAM = f"""
import sys
from pathlib import Path
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.images import write_image
from tests.controlplane.nodes import Node
from tests.processes import eventually
with ControlPlane(Path(sys.argv[1]), controllers=True) as control_plane, control_plane.client() as client:
    archive = control_plane.home / "busybox.tar"
    write_image(archive, "mgw.test/busybox:1")
    Node(control_plane, 1, images=[archive]).start()
    pods = "/api/v1/namespaces/default/pods"
    client.post(pods, json={POD!r}).raise_for_status()
    eventually(lambda: client.get(pods + "/one").json()["status"]["phase"] == "Running", 60)
    print("home", control_plane.home, flush=True)
    sys.stdin.read()
"""


def test_a_killed_test_run_leaves_no_process_bridge_mount_rule_or_cgroup(binaries: Path) -> None:
    if not required("e2e"):
        pytest.skip("real containers: run scripts/test --e2e as root")
    assert why_impossible() == ""
    run = Process([sys.executable, "-c", PROGRAM, str(binaries)])
    home = Path(run.wait_for(r"home (\S+)"))
    name = f"{home.name}-1"
    assert len(machine.members(name)) >= 2  # the pod's container and the one that holds its network
    assert f"{home}/node1" in Path("/proc/mounts").read_text()
    assert name in printed("ip", "link")
    assert name in printed("iptables", "-t", "nat", "-S")
    os.kill(run.process.pid, signal.SIGKILL)
    run.stop()
    eventually(lambda: not home.exists())
    assert living(home) == []
    assert machine.members(name) == []
    assert str(home) not in Path("/proc/mounts").read_text()
    assert name not in printed("ip", "link")
    assert name not in printed("iptables", "-t", "nat", "-S")
    assert not list(Path("/sys/fs/cgroup").rglob(name))


def printed(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
