"""The control plane of the tests keeps its own promises."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.controlplane.binaries import VERSION
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.guard import living
from tests.processes import Process, eventually


def test_it_is_the_version_that_is_pinned(api_server: ControlPlane) -> None:
    with api_server.client() as client:
        assert client.get("/version").json()["gitVersion"] == VERSION


def test_deployments_get_ready_pods(control_plane: ControlPlane, namespace: str) -> None:
    with control_plane.client() as client:
        client.post("/api/v1/namespaces", json={"metadata": {"name": namespace}}).raise_for_status()
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        eventually(lambda: client.get(account).status_code == 200)
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web"}]}}
        spec = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template}
        client.post(path, json={"metadata": {"name": "web"}, "spec": spec}).raise_for_status()
        eventually(lambda: client.get(f"{path}/web").json()["status"].get("readyReplicas") == 3)


def test_a_killed_api_server_starts_again_with_what_it_had(
    another_control_plane: Callable[..., ControlPlane],
) -> None:
    control_plane = another_control_plane()
    with control_plane.client() as client:
        client.post("/api/v1/namespaces", json={"metadata": {"name": "kept"}}).raise_for_status()
    control_plane.restart("kube-apiserver")
    with control_plane.client() as client:
        assert client.get("/api/v1/namespaces/kept").status_code == 200


def test_a_stopped_one_leaves_no_process_and_no_file(binaries: Path) -> None:
    with ControlPlane(binaries) as control_plane:
        home = control_plane.home
        assert len(living(home)) == 2
    assert living(home) == []
    assert not home.exists()


def test_a_test_run_that_is_killed_leaves_nothing_behind(binaries: Path) -> None:
    program = (
        "from pathlib import Path; import sys; from tests.controlplane.cluster import ControlPlane\n"
        "with ControlPlane(Path(sys.argv[1])) as c: print('home', c.home); sys.stdin.read()"
    )
    run = Process([sys.executable, "-c", program, str(binaries)])
    home = Path(run.wait_for(r"home (\S+)"))
    assert len(living(home)) == 2
    os.kill(run.process.pid, signal.SIGKILL)
    run.stop()
    eventually(lambda: not home.exists())
    assert living(home) == []


def test_none_is_started_without_the_guard_that_ends_it(
    binaries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.controlplane.cluster._REPOSITORY", tmp_path)  # where it finds no module of ours
    monkeypatch.delenv("PYTHONPATH", raising=False)
    control_plane = ControlPlane(binaries)
    with pytest.raises(RuntimeError, match="guard"), control_plane:
        pass
    assert living(control_plane.home) == []
    assert not control_plane.home.exists()


def test_where_go_is_missing_one_line_says_so(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.controlplane"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Go is not installed")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [{}, {"MGW_TEST_REQUIRE": "controlplane"}])
def test_tests_that_need_it_are_skipped_unless_it_is_required(tmp_path: Path, words: dict[str, str]) -> None:
    environment = {"HOME": str(tmp_path), "PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path), **words}
    this = f"{Path(__file__)}::test_it_is_the_version_that_is_pinned"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", this]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ("1 error" if words else "1 skipped") in done.stdout, done.stdout + done.stderr
    assert "Go is not installed" in done.stdout
