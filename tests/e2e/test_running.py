"""Apps really run: they answer where their tasks say, print, find their environment, files and volumes, and are ended well."""

import contextlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.marathon import Marathon, until

WEB: dict[str, Any] = {
    "id": "/web",
    "cmd": "python3 -m http.server $PORT0",
    "instances": 3,
    "healthChecks": [{"protocol": "HTTP", "path": "/", "portIndex": 0, "intervalSeconds": 2}],
}

# What a real Marathon 1.11.24 asked Mesos to give this app; `<…>` differs from task to task.
RECORDED_APP: dict[str, Any] = {
    "id": "/ti/plain",
    "env": {"A": "1"},
    "labels": {"team": "x", "with-dash": "y", "VERY.LONG": "z"},
    "cpus": 1.0,
    "mem": 128,
}
RECORDED_ENVIRONMENT = {
    "A": "1",
    "HOST": "<host>",
    "MARATHON_APP_ENFORCE_GROUP_ROLE": "FALSE",
    "MARATHON_APP_ID": "/ti/plain",
    "MARATHON_APP_LABELS": "TEAM WITH_DASH VERY_LONG",
    "MARATHON_APP_LABEL_TEAM": "x",
    "MARATHON_APP_LABEL_VERY_LONG": "z",
    "MARATHON_APP_LABEL_WITH_DASH": "y",
    "MARATHON_APP_RESOURCE_CPUS": "1.0",
    "MARATHON_APP_RESOURCE_DISK": "0.0",
    "MARATHON_APP_RESOURCE_GPUS": "0",
    "MARATHON_APP_RESOURCE_MEM": "128.0",
    "MARATHON_APP_VERSION": "<version>",
    "MESOS_TASK_ID": "<task>",
    "PORT": "<port>",
    "PORT0": "<port>",
    "PORTS": "<port>",
    "PORT_<service port>": "<port>",
    "PORT_DEFAULT": "<port>",
}


def test_the_quickstarts_app_is_healthy_and_answers_where_its_tasks_say(marathon: Marathon) -> None:
    tasks = marathon.run(**WEB)
    assert len(tasks) == 3
    for task in tasks:
        assert httpx.get(f"http://{task['host']}:{task['ports'][0]}/", trust_env=False).status_code == 200
    until(lambda: marathon.app("/web")["tasksHealthy"] == 3)
    until(lambda: "GET / HTTP/1.1" in marathon.pod_log(marathon.pods("/web")[0]["metadata"]["name"]))


def test_a_task_has_the_environment_that_a_real_marathon_gives(marathon: Marathon) -> None:
    [task] = marathon.run(**RECORDED_APP, cmd="env; sleep 1000")
    printed = dict(line.partition("=")[::2] for line in until(lambda: marathon.log("/ti/plain")).splitlines())
    app = marathon.app("/ti/plain")
    known = {
        "<host>": task["host"],
        "<version>": app["version"],
        "<task>": task["id"],
        "<port>": str(task["ports"][0]),
        "PORT_<service port>": f"PORT_{app['portDefinitions'][0]['port']}",
    }
    wanted = {known.get(name, name): known.get(value, value) for name, value in RECORDED_ENVIRONMENT.items()}
    marathons_own = {k: v for k, v in printed.items() if k.startswith(("MARATHON_", "PORT", "HOST", "MESOS_TASK"))}
    assert marathons_own | {"A": printed["A"]} == {"HOSTNAME": printed["HOSTNAME"], **wanted}
    assert printed["MESOS_SANDBOX"] == printed["PWD"] == "/mnt/mesos/sandbox"


def test_a_killed_task_gets_sigterm_and_the_time_that_was_asked_for(marathon: Marathon) -> None:
    [task] = marathon.run(
        id="/drain", cmd="exec python3 /srv/server.py", env={"DRAIN_S": "3"}, taskKillGracePeriodSeconds=20
    )
    [pod] = [pod["metadata"]["name"] for pod in marathon.pods("/drain")]
    until(lambda: httpx.get(f"http://{task['host']}:{task['ports'][0]}/", trust_env=False).status_code == 200)
    killed = marathon.client.delete(f"/v2/apps//drain/tasks/{task['id']}")
    assert killed.status_code == 200, killed.text
    until(lambda: "draining" in marathon.pod_log(pod))
    assert httpx.get(f"http://{task['host']}:{task['ports'][0]}/", trust_env=False).status_code == 200
    until(lambda: "TASK_KILLED" in marathon.events.states(task["id"]))
    [new] = until(lambda: [t for t in marathon.tasks("/drain") if t["state"] == "TASK_RUNNING"])
    assert new["id"] != task["id"]


def test_a_task_that_ignores_sigterm_is_killed_after_its_grace_period(marathon: Marathon) -> None:
    [task] = marathon.run(
        id="/stubborn", cmd="trap '' TERM; while true; do sleep 1; done", taskKillGracePeriodSeconds=2
    )
    assert marathon.client.delete("/v2/apps//stubborn").status_code == 200
    until(lambda: "TASK_KILLED" in marathon.events.states(task["id"]), 30)
    until(lambda: marathon.pods("/stubborn") == [])


@pytest.fixture
def archive(serving: Marathon, tmp_path: Path) -> Iterator[str]:
    """The address of an archive with `data/greeting`, at a place that pods reach: the first node's bridge."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        entry = tarfile.TarInfo("data/greeting")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"hello"))
    (tmp_path / "data.tgz").write_bytes(made.getvalue())
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer((serving.nodes[0].address, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{serving.nodes[0].address}:{server.server_port}/data.tgz"
        server.shutdown()
        thread.join(10)


def test_what_is_fetched_is_unpacked_in_the_sandbox(marathon: Marathon, archive: str) -> None:
    marathon.run(id="/fetch", cmd="cat data/greeting; echo; sleep 1000", fetch=[{"uri": archive}])
    assert until(lambda: marathon.log("/fetch")) == "hello\n"


def test_an_archive_that_is_not_there_is_a_failed_launch(marathon: Marathon, archive: str) -> None:
    marathon.post(id="/fetchnot", cmd="sleep 1000", fetch=[{"uri": archive.replace("data.tgz", "missing.tgz")}])
    failure = until(lambda: marathon.app("/fetchnot").get("lastTaskFailure"))
    assert failure["state"] == "TASK_FAILED"
    assert failure["message"].startswith("Failed to launch container: ")
    assert "missing.tgz" in failure["message"]


def test_volumes_of_the_host_and_of_the_sandbox_hold_what_is_written(marathon: Marathon, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    volumes = [
        {"containerPath": "/data", "hostPath": str(tmp_path), "mode": "RW"},
        {"containerPath": "/readonly", "hostPath": str(tmp_path), "mode": "RO"},
    ]
    cmd = "echo kept > /data/file; cat /readonly/file; touch /readonly/other || echo refused; sleep 1000"
    marathon.run(id="/volumes", cmd=cmd, container={"type": "MESOS", "volumes": volumes})
    until(lambda: marathon.log("/volumes").endswith("refused\n"))
    assert (tmp_path / "file").read_text() == "kept\n"
    with contextlib.suppress(FileNotFoundError):
        (tmp_path / "file").unlink()


def test_args_and_user_are_the_containers(marathon: Marathon) -> None:
    marathon.run(id="/args", args=["sh", "-c", "id -u; sleep 1000"], user="nobody")
    assert until(lambda: marathon.log("/args")) == "65534\n"
