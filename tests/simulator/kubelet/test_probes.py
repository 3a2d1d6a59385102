"""Probes are really executed, with a kubelet's verdicts, messages and consequences."""

import asyncio
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator.kubelet.probes import Outcome, Prober, port_number
from tests.simulator.helpers import SHELL, eventually, pod
from tests.simulator.kubelet.conftest import Machine


class Answers(http.server.BaseHTTPRequestHandler):
    """`/status/503` answers that (500 to whoever brings its cookie); `/to/<path>` redirects there, `/away` to another host."""

    def do_GET(self) -> None:
        kind, _, rest = self.path[1:].partition("/")
        code = int(rest) if kind == "status" else 302
        self.send_response(500 if self.headers.get("Cookie") else code)
        self.send_header("Set-Cookie", "seen=1; Path=/")
        if code == 302:
            self.send_header("Location", "http://other.invalid/" if kind == "away" else f"/{rest}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


async def ask(path: str, port: int, **more: Any) -> Outcome:
    async with Prober.client() as client:
        return await Prober(client).http({"path": path, **more}, host="127.0.0.1", port=port, timeout_s=2)


@pytest.mark.parametrize("path", ["/status/200", "/status/399", "status/204", "/to/status/200", "/away"])
async def test_http_answers_from_200_to_399_are_healthy(port: int, path: str) -> None:
    assert (await ask(path, port)).healthy


@pytest.mark.parametrize(("path", "code"), [("/status/400", 400), ("/status/503", 503), ("/to/status/500", 500)])
async def test_other_answers_are_not(port: int, path: str, code: int) -> None:
    assert await ask(path, port) == Outcome(False, f"HTTP probe failed with statuscode: {code}")


async def test_no_probe_brings_the_cookie_of_another(port: int) -> None:
    async with Prober.client() as client:
        for _ in range(2):
            outcome = await Prober(client).http({"path": "/status/200"}, host="127.0.0.1", port=port, timeout_s=2)
            assert outcome.healthy


async def test_a_server_without_tls_fails_an_https_probe_with_the_reason(port: int) -> None:
    outcome = await ask("/status/200", port, scheme="HTTPS")
    assert not outcome.healthy
    assert "SSL" in outcome.message


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_a_refused_connection_is_told_in_gos_words() -> None:
    number = closed_port()
    text = f'Get "http://127.0.0.1:{number}/": dial tcp 127.0.0.1:{number}: connect: connection refused'
    assert await ask("/", number) == Outcome(False, text)


async def test_tcp_probes_connect(port: int) -> None:
    async with Prober.client() as client:
        prober = Prober(client)
        assert (await prober.tcp({}, host="127.0.0.1", port=port, timeout_s=2)).healthy
        assert not (await prober.tcp({}, host="127.0.0.1", port=closed_port(), timeout_s=2)).healthy


async def test_a_silent_server_times_out() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        async with Prober.client() as client:
            number = listener.getsockname()[1]
            outcome = await Prober(client).http({}, host="127.0.0.1", port=number, timeout_s=0.1)
    assert not outcome.healthy
    assert "Client.Timeout exceeded while awaiting headers" in outcome.message


@pytest.mark.parametrize(
    ("command", "healthy", "message"), [("echo fine", True, "fine\n"), ("echo bad >&2; exit 1", False, "bad\n")]
)
async def test_commands_are_judged_by_their_exit(tmp_path: Path, command: str, healthy: bool, message: str) -> None:
    async with Prober.client() as client:
        outcome = await Prober(client).command([*SHELL, command], directory=tmp_path, env={}, timeout_s=5)
    assert outcome == Outcome(healthy, message)


async def test_a_command_that_hangs_is_killed(tmp_path: Path) -> None:
    async with Prober.client() as client:
        outcome = await Prober(client).command([*SHELL, "sleep 60; :"], directory=tmp_path, env={}, timeout_s=0.1)
    assert not outcome.healthy
    assert "timed out" in outcome.message


def test_a_port_may_be_named() -> None:
    container = {"ports": [{"name": "p0", "containerPort": 31000}]}
    assert [port_number(container, p) for p in ("p0", 80, "80", "none")] == [31000, 80, 80, None]


async def test_readiness_follows_the_command(machine: Machine) -> None:
    flag = machine.root / "flag"
    probe = {"exec": {"command": ["test", "-e", str(flag)]}, "periodSeconds": 1, "failureThreshold": 1}
    machine.add(pod("ready", containers=[{"name": "app", "command": ["sleep", "60"], "readinessProbe": probe}]))
    await machine.running("ready")
    assert not machine.is_ready("ready")
    flag.touch()
    await eventually(lambda: machine.is_ready("ready"))
    flag.unlink()
    await eventually(lambda: not machine.is_ready("ready"))
    assert machine.container("ready")["restartCount"] == 0
    assert machine.events("Unhealthy")[0]["message"].startswith("Readiness probe failed: ")
    assert machine.events("Unhealthy")[0]["involvedObject"]["fieldPath"] == "spec.containers{app}"


async def test_a_failed_liveness_probe_restarts_the_container(machine: Machine) -> None:
    probe = {"exec": {"command": ["test", "-e", "alive"]}, "periodSeconds": 1, "failureThreshold": 1}
    script = "touch alive; trap 'exit 0' TERM; while :; do sleep 0.05; done"
    machine.add(pod("live", containers=[{"name": "app", "command": [*SHELL, script], "livenessProbe": probe}]))
    await machine.running("live")
    sandbox = machine.kubelet.sandbox(machine.pod("live") or {}, "app")
    assert sandbox is not None
    await eventually((sandbox / "alive").exists)
    await asyncio.to_thread((sandbox / "alive").unlink)
    await eventually(lambda: machine.container("live")["restartCount"] == 1)
    assert [e["message"] for e in machine.events("Killing")] == [
        "Container app failed liveness probe, will be restarted"
    ]


async def test_a_readiness_gate_keeps_the_pod_unready(machine: Machine) -> None:
    machine.add(pod("gate", "sleep 60", readinessGates=[{"conditionType": "x/y"}]))
    await eventually(lambda: machine.container("gate").get("ready"))
    assert not machine.is_ready("gate")
    a_pod = machine.pod("gate") or {}
    opened = [*a_pod["status"]["conditions"], {"type": "x/y", "status": "True"}]
    machine.objects.update("pods", {**a_pod, "status": {**a_pod["status"], "conditions": opened}}, subresource="status")
    assert machine.is_ready("gate")
