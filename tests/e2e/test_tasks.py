"""What a task finds in its container, and how it is stopped."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.marathon import Marathon, until


@pytest.fixture
def artifacts(serving: Marathon) -> Iterator[str]:
    """A web server that pods reach: at the host's address in the bridge of the first node."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"#!/bin/sh\necho fetched and run\n")

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer((serving.nodes[0].address, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{serving.nodes[0].address}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def test_artifacts_are_fetched_into_the_sandbox(marathon: Marathon, artifacts: str) -> None:
    fetch = [{"uri": f"{artifacts}/tool", "executable": True, "destPath": "bin/tool"}]
    marathon.run(id="/in/fetch", cmd="pwd; bin/tool; exec sleep 1000", fetch=fetch)
    assert until(lambda: marathon.log("/in/fetch")).splitlines() == ["/mnt/mesos/sandbox", "fetched and run"]


def test_volumes_are_mounted(marathon: Marathon) -> None:
    shared = str(marathon.control_plane.home / "shared")
    volumes = [
        {"containerPath": "/host", "hostPath": shared, "mode": "RW"},
        {"containerPath": "kept", "hostPath": "kept", "mode": "RW"},
        {"containerPath": "/read", "hostPath": shared, "mode": "RO"},
    ]
    (marathon.control_plane.home / "shared").mkdir()
    cmd = "echo written > /host/file; cat /read/file; touch /read/x 2>/dev/null || echo refused; touch kept/y; ls kept; exec sleep 1000"
    marathon.run(id="/in/volumes", cmd=cmd, container={"type": "MESOS", "volumes": volumes})
    lines = until(lambda: (log := marathon.log("/in/volumes")).count("\n") >= 3 and log).splitlines()
    assert lines == ["written", "refused", "y"]
    assert (marathon.control_plane.home / "shared" / "file").read_text() == "written\n"


def test_user_and_docker_parameters_hold(marathon: Marathon) -> None:
    parameters = [
        {"key": "workdir", "value": "/tmp"},
        {"key": "hostname", "value": "named"},
        {"key": "env", "value": "GIVEN=yes"},
        {"key": "add-host", "value": "other:10.1.2.3"},
        {"key": "read-only", "value": "true"},
    ]
    container = {"type": "DOCKER", "docker": {"image": "mgw.test/busybox:1", "parameters": parameters}}
    cmd = "id -u; pwd; hostname; echo $GIVEN; grep other /etc/hosts; touch /tmp/x 2>/dev/null || echo refused; exec sleep 1000"
    marathon.run(id="/in/user", user="nobody", cmd=cmd, container=container)
    lines = until(lambda: (log := marathon.log("/in/user")).count("\n") >= 6 and log).splitlines()
    assert lines[:4] == ["65534", "/tmp", "named", "yes"]
    assert lines[4].split() == ["10.1.2.3", "other"]
    assert lines[5] == "refused"


def test_sigterm_arrives_and_the_grace_period_is_kept(marathon: Marathon) -> None:
    mark = marathon.control_plane.home / "stopped"
    mark.mkdir()
    container = {
        "type": "MESOS",
        "volumes": [{"containerPath": "/mark", "hostPath": str(mark), "mode": "RW"}],
    }
    cmd = "trap 'sleep 4; echo graceful > /mark/file; exit 0' TERM; touch /mark/started; while :; do sleep 0.1; done"
    (task,) = marathon.run(id="/in/grace", cmd=cmd, taskKillGracePeriodSeconds=15, container=container)
    until((mark / "started").exists)
    answer = marathon.client.delete(f"/v2/apps//in/grace/tasks/{task['id']}")
    assert answer.status_code == 200
    until(lambda: (mark / "file").read_text() == "graceful\n" if (mark / "file").exists() else False, 30)
    until(lambda: marathon.events.states(task["id"]) == ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"])
    (again,) = until(lambda: [t for t in marathon.tasks("/in/grace") if t["state"] == "TASK_RUNNING"])
    assert again["id"] != task["id"]


def test_scaling_adds_and_takes_containers(marathon: Marathon) -> None:
    marathon.run(id="/in/scale", cmd="exec python3 -m http.server $PORT0", instances=1)
    marathon.deployed(marathon.put("/in/scale", instances=3))
    tasks = marathon.tasks("/in/scale")
    assert len(tasks) == 3
    for task in tasks:
        until(lambda url=f"http://{task['host']}:{task['ports'][0]}/": httpx.get(url, trust_env=False).is_success)
    marathon.deployed(marathon.put("/in/scale", instances=1))
    (left,) = marathon.tasks("/in/scale")
    for task in tasks:
        url = f"http://{task['host']}:{task['ports'][0]}/"
        if task["id"] != left["id"]:
            with pytest.raises(httpx.TransportError):
                httpx.get(url, trust_env=False, timeout=2)
    killed: list[Any] = [t["id"] for t in tasks if t["id"] != left["id"]]
    until(lambda: all(marathon.events.states(task)[-1] == "TASK_KILLED" for task in killed))
