"""Pods run as local processes: their environment, output, ends, restarts, and nothing left of them."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.simulator.kubelet import Kubelet, NoSuchContainer
from gateway.simulator.kubelet.process import MARK, Process
from gateway.simulator.objects import Objects
from tests.simulator.helpers import SHELL, eventually, get, pod, running
from tests.simulator.kubelet.conftest import Machine


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def written(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def test_the_node_registers_ready_with_an_address(machine: Machine) -> None:
    node = get(machine.objects, "nodes", "n1")
    assert node is not None
    assert {"type": "InternalIP", "address": "127.0.0.1"} in node["status"]["addresses"]
    assert next(c for c in node["status"]["conditions"] if c["type"] == "Ready")["status"] == "True"
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "n1"


async def test_a_command_runs_and_the_pod_becomes_ready(machine: Machine) -> None:
    machine.add(pod("web", "echo hello; exec sleep 60"))
    await eventually(lambda: machine.is_ready("web"))
    status = machine.status("web")
    assert (status["phase"], status["podIP"], status["hostIP"]) == ("Running", "127.0.0.1", "127.0.0.1")
    assert machine.container("web")["started"] is True
    await eventually(lambda: machine.output("web") == "hello\n")


async def test_the_environment_is_the_containers_own_plus_a_minimum(machine: Machine) -> None:
    secret = {"metadata": {"name": "s", "namespace": "marathon"}, "data": {"k": base64.b64encode(b"hidden").decode()}}
    machine.objects.create("secrets", {"apiVersion": "v1", "kind": "Secret", **secret})
    env: list[dict[str, Any]] = [
        {"name": "PORT0", "value": "31999"},
        {"name": "PORT", "value": "$(PORT0)"},
        {"name": "DOLLARS", "value": "$$PORT0"},
        {"name": "ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        {"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    made = machine.add(
        pod("env", containers=[{"name": "app", "command": ["/usr/bin/env"], "env": env}], restartPolicy="Never")
    )
    await eventually(lambda: machine.status("env").get("phase") == "Succeeded")
    found = dict(line.split("=", 1) for line in machine.output("env").splitlines())
    wanted = {
        "PORT": "31999",
        "DOLLARS": "$PORT0",
        "ID": made["metadata"]["uid"],
        "HOST": "127.0.0.1",
        "SECRET": "hidden",
    }
    assert {name: found[name] for name in wanted} == wanted
    assert set(found) - {e["name"] for e in env} <= {"PATH", "HOME", "LANG", "MESOS_SANDBOX", MARK}


async def test_command_and_arguments_are_expanded(machine: Machine) -> None:
    container = {
        "name": "app",
        "command": [*SHELL, 'echo "$(A) $$A $1"', "x"],
        "args": ["$(A)"],
        "env": [{"name": "A", "value": "1"}],
    }
    machine.add(pod("args", containers=[container], restartPolicy="Never"))
    await eventually(lambda: machine.status("args").get("phase") == "Succeeded")
    assert machine.output("args") == "1 1 1\n"


async def test_the_sandbox_is_the_working_directory_under_either_name(machine: Machine) -> None:
    container = {
        "name": "app",
        "command": [*SHELL, "pwd; echo $$MESOS_SANDBOX; echo x > /mnt/mesos/sandbox/f; cat f; ls -d data"],
        "volumeMounts": [
            {"name": "sandbox", "mountPath": "/mnt/mesos/sandbox"},
            {"name": "data", "mountPath": "/mnt/mesos/sandbox/data"},
        ],
    }
    volumes = [{"name": "sandbox", "emptyDir": {}}, {"name": "data", "emptyDir": {}}]
    machine.add(pod("box", containers=[container], volumes=volumes, restartPolicy="Never"))
    await eventually(lambda: machine.status("box").get("phase") == "Succeeded")
    directory, variable, *rest = machine.output("box").splitlines()
    assert directory == variable
    assert directory.startswith(str(machine.root))
    assert rest == ["x", "data"]


async def test_a_claim_outlives_its_pod(machine: Machine) -> None:
    mounts = [{"name": "data", "mountPath": "/var/lib/db"}]
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "c1"}}]
    for name, command in (("one", "echo kept > /var/lib/db/f"), ("two", "cat /var/lib/db/f")):
        container = {"name": "app", "command": [*SHELL, command], "volumeMounts": mounts}
        machine.add(pod(name, containers=[container], volumes=volumes, restartPolicy="Never"))
        await eventually(lambda name=name: machine.status(name).get("phase") == "Succeeded")  # type: ignore[misc]
    assert machine.output("two") == "kept\n"


async def test_init_containers_run_in_order_before_the_app(machine: Machine) -> None:
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    inits = [
        {"name": name, "command": [*SHELL, f"echo {name} >> /shared/log"], "volumeMounts": mounts}
        for name in ("a", "b")
    ]
    app = {"name": "app", "command": [*SHELL, "cat /shared/log"], "volumeMounts": mounts}
    volumes = [{"name": "shared", "emptyDir": {}}]
    machine.add(pod("init", containers=[app], initContainers=inits, volumes=volumes, restartPolicy="Never"))
    await eventually(lambda: machine.status("init").get("phase") == "Succeeded")
    assert machine.output("init") == "a\nb\n"
    assert [s["ready"] for s in machine.status("init")["initContainerStatuses"]] == [True, True]


@pytest.mark.parametrize(
    ("command", "code", "reason"), [("exit 0", 0, "Completed"), ("exit 3", 3, "Error"), ("kill -9 $$$$", 137, "Error")]
)
async def test_ends_are_told_as_a_container_runtime_would(
    machine: Machine, command: str, code: int, reason: str
) -> None:
    machine.add(pod("end", command, restartPolicy="Never"))
    await eventually(lambda: machine.status("end").get("phase") in ("Succeeded", "Failed"))
    ended = machine.container("end")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (code, reason)
    assert machine.status("end")["phase"] == ("Failed" if code else "Succeeded")


async def test_a_command_that_does_not_exist_is_a_start_error(machine: Machine) -> None:
    machine.add(pod("none", containers=[{"name": "app", "command": ["/no/such/thing"]}], restartPolicy="Never"))
    await eventually(lambda: machine.status("none").get("phase") == "Failed")
    ended = machine.container("none")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "no such file or directory" in ended["message"]


async def test_a_crashed_container_restarts_at_once_and_then_is_held_back(machine: Machine) -> None:
    machine.add(pod("crash", "echo run; exit 1"))
    await eventually(
        lambda: (
            "waiting" in machine.container("crash").get("state", {}) and machine.container("crash")["restartCount"] == 1
        )
    )
    found = machine.container("crash")
    meta = (machine.pod("crash") or {})["metadata"]
    assert found["state"]["waiting"] == {
        "reason": "CrashLoopBackOff",
        "message": f"back-off 10s restarting failed container=app pod=crash_marathon({meta['uid']})",
    }
    assert found["lastState"]["terminated"]["exitCode"] == 1
    assert machine.status("crash")["phase"] == "Running"
    assert [e["count"] for e in machine.events("BackOff")] == [1]
    assert machine.kubelet.log(machine.pod("crash") or {}, "app", previous=True) == b"run\n"
    await machine.delete("crash")


async def test_a_missing_secret_keeps_the_container_waiting(machine: Machine) -> None:
    env = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "k"}}}]
    machine.add(pod("secret", containers=[{"name": "app", "command": ["/bin/true"], "env": env}]))
    await eventually(
        lambda: (
            machine.container("secret").get("state", {}).get("waiting", {}).get("reason")
            == "CreateContainerConfigError"
        )
    )
    assert machine.container("secret")["state"]["waiting"]["message"] == 'secret "absent" not found'
    await machine.delete("secret")


async def test_a_container_without_command_is_simulated_and_says_so(machine: Machine) -> None:
    probe = {"httpGet": {"path": "/", "port": 80}}
    machine.add(pod("image", containers=[{"name": "app", "image": "nginx", "readinessProbe": probe}]))
    await eventually(lambda: machine.is_ready("image"))
    assert "app" in (machine.pod("image") or {})["metadata"]["annotations"]["simulator.marathon-gateway.io/note"]
    await machine.delete("image")


async def test_a_deleted_pod_gets_sigterm_and_its_time(machine: Machine) -> None:
    log = machine.root / "log"
    machine.add(
        pod("term", f"trap 'sleep 0.3; echo bye >> {log}; exit 0' TERM; echo up >> {log}; while :; do sleep 0.05; done")
    )
    await eventually(lambda: written(log) == "up\n")
    await machine.delete("term")
    assert written(log) == "up\nbye\n"
    assert [e["message"] for e in machine.events("Killing")] == ["Stopping container app"]


async def test_a_pod_that_ignores_sigterm_is_killed_after_its_grace(machine: Machine) -> None:
    machine.add(pod("deaf", "trap '' TERM; echo up; while :; do sleep 0.05; done", terminationGracePeriodSeconds=1))
    await eventually(lambda: machine.output("deaf") == "up\n")
    started = SystemClock().monotonic()
    await machine.delete("deaf")
    assert SystemClock().monotonic() - started < 4


async def test_the_children_of_a_command_are_signalled_and_awaited_too(machine: Machine) -> None:
    log = machine.root / "log"
    child = f"trap 'sleep 0.3; echo child >> {log}; exit' TERM; echo up >> {log}; while :; do sleep 0.05; done"
    machine.add(pod("tree", f'sh -c "{child}" & wait'))
    await eventually(lambda: written(log) == "up\n")
    await machine.delete("tree")
    assert written(log) == "up\nchild\n"


@pytest.mark.parametrize("how", ["setsid sleep 77 &", "sleep 77 &"])
async def test_nothing_that_a_pod_started_is_left(machine: Machine, how: str) -> None:
    pids = machine.root / "pids"
    machine.add(pod("leave", f"trap 'exit 0' TERM; {how} echo $$! $$$$ > {pids}; while :; do sleep 0.05; done"))
    await eventually(lambda: written(pids).endswith("\n"))
    await machine.delete("leave")
    assert not any(alive(int(pid)) for pid in written(pids).split())
    assert list((machine.root / "processes" / "n1").iterdir()) == []
    assert list((machine.root / "pods").iterdir()) == []


async def test_a_forced_deletion_kills_at_once(machine: Machine) -> None:
    pids = machine.root / "pids"
    machine.add(
        pod(
            "force", f"trap '' TERM; echo $$$$ > {pids}; while :; do sleep 0.05; done", terminationGracePeriodSeconds=60
        )
    )
    await eventually(lambda: written(pids).endswith("\n"))
    await machine.delete("force", grace_s=0)
    await eventually(lambda: not alive(int(written(pids))), within_s=5)


async def test_shutdown_ends_the_processes_and_the_next_kubelet_restarts_them(tmp_path: Path) -> None:
    clock = SystemClock()
    objects = Objects(clock)
    pids = tmp_path / "pids"
    async with running(Kubelet(objects, clock, "n1", tmp_path / "root")):
        machine = Machine(objects, Kubelet(objects, clock, "n1", tmp_path), tmp_path)
        machine.add(pod("again", f"echo $$$$ >> {pids}; exec sleep 60"))
        await eventually(lambda: written(pids).count("\n") == 1)
        await machine.running("again")
    assert not alive(int(written(pids)))
    assert "running" in machine.container("again")["state"], "the object is as the kubelet left it"
    async with running(Kubelet(objects, clock, "n1", tmp_path / "root")):
        await eventually(lambda: written(pids).count("\n") == 2)
        await eventually(lambda: machine.container("again")["restartCount"] == 1)
        found = machine.container("again")
        assert found["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
        assert found["lastState"]["terminated"]["exitCode"] == 137


async def test_processes_of_a_killed_simulator_are_ended_by_the_next(tmp_path: Path) -> None:
    records = tmp_path / "processes" / "n1"
    env = {"PATH": os.environ["PATH"]}
    left = await Process.start(
        ["sleep", "77"], name="mesos-left", directory=tmp_path, sandbox=tmp_path, env=env, records=records
    )
    assert alive(left.pid)
    clock = SystemClock()
    objects = Objects(clock)
    async with running(Kubelet(objects, clock, "n1", tmp_path)):
        await eventually(lambda: get(objects, "nodes", "n1"))
        assert (await left.wait()).code == 137


async def test_a_record_whose_pid_was_reused_ends_nobody(tmp_path: Path) -> None:
    records = tmp_path / "processes" / "n1"
    records.mkdir(parents=True)
    (records / str(os.getpid())).write_text('{"started": 1, "name": "mesos-other"}')
    clock = SystemClock()
    objects = Objects(clock)
    async with running(Kubelet(objects, clock, "n1", tmp_path)):
        await eventually(lambda: get(objects, "nodes", "n1"))
    assert list(records.iterdir()) == []


async def test_an_unknown_container_has_no_log(machine: Machine) -> None:
    made = machine.add(pod("log", "sleep 60"))
    await machine.running("log")
    with pytest.raises(NoSuchContainer):
        machine.kubelet.log(made, "other")


async def test_what_a_pod_left_on_disk_while_no_simulator_ran_is_removed(tmp_path: Path) -> None:
    (tmp_path / "pods" / "forgotten" / "app").mkdir(parents=True)
    clock = SystemClock()
    objects = Objects(clock)
    async with running(Kubelet(objects, clock, "n1", tmp_path)):
        await eventually(lambda: get(objects, "nodes", "n1"))
    assert list((tmp_path / "pods").iterdir()) == []


async def test_a_directory_that_cannot_be_made_is_told_and_ends_nothing_else(machine: Machine) -> None:
    (machine.root / "claims").write_text("in the way")
    mounts = [{"name": "data", "mountPath": "/data"}]
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "c1"}}]
    container = {"name": "app", "command": ["sleep", "60"], "volumeMounts": mounts}
    machine.add(pod("blocked", containers=[container], volumes=volumes))
    machine.add(pod("other", "exec sleep 60"))
    await eventually(lambda: machine.is_ready("other"))
    waiting = machine.container("blocked")["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerError"
    assert "claims" in waiting["message"]


async def test_the_log_ends_with_the_last_bytes(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.simulator.kubelet.kubelet.LONGEST_LOG", 4)
    machine.add(pod("long", "echo 123456789; exec sleep 60"))
    await eventually(lambda: machine.output("long") == "789\n")
