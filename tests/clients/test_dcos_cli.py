"""The DC/OS CLI 0.6.1: cluster setup, and the app, task and deployment commands of `dcos marathon`."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.processes import eventually

pytestmark = [pytest.mark.clients, pytest.mark.timeout(240)]

APP = {"id": "/cli/web", "cmd": "sleep 1000", "instances": 1, "cpus": 0.1, "mem": 32}


class Dcos(Protocol):
    def __call__(self, *arguments: str, check: bool = True) -> str: ...


@pytest.fixture
def dcos(
    marathon: str,
    environment: Callable[[str], Path],
    run: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> Dcos:
    program = environment("dcos") / "dcos"
    env = {"HOME": str(tmp_path), "DCOS_DIR": str(tmp_path / ".dcos"), "LC_ALL": "C.UTF-8"}
    env["PATH"] = f"{program.parent}:/usr/bin:/bin"

    def call(*arguments: str, check: bool = True) -> str:
        done = run(program, *arguments, env=env, check=check)
        return done.stdout + ("" if check else done.stderr)

    call("cluster", "setup", marathon, "--username=u", "--password=p", "--no-check")
    return call


def read(text: str) -> Any:
    return json.loads(text)


def settled(dcos: Dcos) -> None:
    eventually(lambda: read(dcos("marathon", "deployment", "list", "--json")) == [], every_s=0.2)


def test_cluster_setup_attaches_the_cluster_and_about_tells_marathon(dcos: Dcos, marathon: str) -> None:
    assert marathon in dcos("cluster", "list")
    assert read(dcos("marathon", "about"))["name"] == "marathon"


def test_the_life_of_an_app_through_the_cli(dcos: Dcos, tmp_path: Path) -> None:
    definition = tmp_path / "app.json"
    definition.write_text(json.dumps(APP))
    assert "Created deployment" in dcos("marathon", "app", "add", str(definition))
    settled(dcos)
    assert [app["id"] for app in read(dcos("marathon", "app", "list", "--json"))] == ["/cli/web"]
    assert "/cli/web" in dcos("marathon", "app", "list")
    assert read(dcos("marathon", "app", "show", "/cli/web"))["tasksRunning"] == 1
    assert "already exists" in dcos("marathon", "app", "add", str(definition), check=False)

    assert "Created deployment" in dcos("marathon", "app", "update", "/cli/web", "instances=2", "backoffSeconds=2")
    settled(dcos)
    shown = read(dcos("marathon", "app", "show", "/cli/web"))
    assert (shown["instances"], shown["backoffSeconds"]) == (2, 2)
    assert len(read(dcos("marathon", "app", "version", "list", "/cli/web"))) == 2
    assert read(dcos("marathon", "app", "show", "--app-version=-1", "/cli/web"))["instances"] == 1

    assert "Created deployment" in dcos("marathon", "app", "restart", "/cli/web")
    settled(dcos)
    assert "Created deployment" in dcos("marathon", "app", "stop", "/cli/web")
    settled(dcos)
    assert read(dcos("marathon", "app", "show", "/cli/web"))["tasks"] == []
    assert "Created deployment" in dcos("marathon", "app", "start", "/cli/web", "2")
    settled(dcos)
    assert "Killed tasks" in dcos("marathon", "app", "kill", "/cli/web")
    dcos("marathon", "app", "remove", "/cli/web")
    settled(dcos)
    assert read(dcos("marathon", "app", "list", "--json")) == []


def test_tasks_and_deployments_through_the_cli(dcos: Dcos, tmp_path: Path) -> None:
    definition = tmp_path / "app.json"
    definition.write_text(json.dumps({**APP, "id": "/cli/jobs", "instances": 2}))
    dcos("marathon", "app", "add", str(definition))
    settled(dcos)
    tasks = read(dcos("marathon", "task", "list", "--json", "/cli/jobs"))
    assert len(tasks) == 2
    assert tasks[0]["id"] in dcos("marathon", "task", "list")
    assert read(dcos("marathon", "task", "show", tasks[0]["id"]))["appId"] == "/cli/jobs"
    assert read(dcos("marathon", "task", "stop", tasks[0]["id"]))["id"] == tasks[0]["id"]
    eventually(lambda: tasks[0]["id"] not in dcos("marathon", "task", "list"), every_s=0.2)
    dcos("marathon", "task", "kill", "--scale", tasks[1]["id"])
    settled(dcos)
    assert read(dcos("marathon", "app", "show", "/cli/jobs"))["instances"] == 1

    dcos("marathon", "app", "update", "/cli/jobs", "cpus=100000", "instances=1")
    deployment = read(dcos("marathon", "deployment", "list", "--json"))[0]["id"]
    assert "Changes blocked" in dcos("marathon", "app", "update", "/cli/jobs", "cpus=0.2", check=False)
    dcos("marathon", "deployment", "rollback", deployment)
    settled(dcos)
    assert read(dcos("marathon", "app", "show", "/cli/jobs"))["cpus"] == 0.1

    dcos("marathon", "app", "update", "/cli/jobs", "cpus=100000")
    deployment = read(dcos("marathon", "deployment", "list", "--json"))[0]["id"]
    dcos("marathon", "deployment", "stop", deployment)
    dcos("marathon", "deployment", "watch", deployment, "--max-count=20", "--interval=1")
    settled(dcos)
    dcos("marathon", "app", "remove", "--force", "/cli/jobs")
    settled(dcos)
