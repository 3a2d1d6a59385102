"""A gateway as users run it (`mgw serve` in a process of its own), and the apps that are posted to it."""

import contextlib
import json
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.clusters import ENVIRONMENT
from bench.measuring import progress
from bench.wire import Connection, Server
from tests.processes import MGW, Process

__all__ = ["Gateway", "definition", "fill", "in_parallel", "post", "serving", "until_running"]

_CLIENTS = 16
_SYNCED_S = 120
_RUNNING_S = 900
_RUNNING = re.compile(rb'"marathon.instances.running.gauge":\{"value":(\d+)')


class Gateway:
    """`began` is when its process was started, `listened` when it said that it serves; both as time.perf_counter."""

    def __init__(self, kubeconfig: Path) -> None:
        more = ["--max_running_deployments", "100000", "--log_level", "error"]
        self.began = time.perf_counter()
        self.process = Process(
            [str(MGW), "serve", "--kubeconfig", str(kubeconfig), "--listen", "127.0.0.1:0", *more], env=ENVIRONMENT
        )
        self.server = Server(self.process.wait_for(r"Marathon API at (http://\S+)"))
        self.listened = time.perf_counter()
        self.id = self.process.process.pid

    def synced(self, connection: Connection, *, every_s: float = 0.02) -> float:
        """Waits until it has read the cluster; when that was."""
        while connection.ask("GET", "/v2/deployments")[0] != 200:
            if time.perf_counter() - self.listened > _SYNCED_S:
                raise SystemExit(f"the gateway has not read the cluster in {_SYNCED_S} s: {self.process.lines[-3:]}")
            time.sleep(every_s)
        return time.perf_counter()


@contextlib.contextmanager
def serving(kubeconfig: Path) -> Iterator[Gateway]:
    gateway = Gateway(kubeconfig)
    try:
        yield gateway
    finally:
        gateway.process.stop()


def definition(number: int, instances: int) -> dict[str, Any]:
    """An app like those found in the wild."""
    return {
        "id": f"/team{number % 20}/app{number}",
        "cmd": "exec ./server --port $PORT0",
        "cpus": 0.05,
        "mem": 32,
        "instances": instances,
        "container": {"type": "DOCKER", "docker": {"image": f"registry.example.com/team{number % 20}/server:1.4.{number}"}},
        "env": {"LOG_LEVEL": "info", "DATABASE_URL": f"postgres://db.example.com/app{number}", "REGION": "eu-1"},
        "labels": {"HAPROXY_GROUP": "external", "HAPROXY_0_VHOST": f"app{number}.example.com", "owner": "team"},
        "portDefinitions": [{"port": 0, "protocol": "tcp", "name": "http"}],
        "healthChecks": [{"protocol": "HTTP", "path": "/health", "portIndex": 0, "gracePeriodSeconds": 30}],
    }  # fmt: skip


def in_parallel(server: Server, jobs: Sequence[Callable[[Connection], object]], *, clients: int = _CLIENTS) -> None:
    """Each job once, on a few kept connections. The first failure ends the program."""
    todo: queue.SimpleQueue[Callable[[Connection], object]] = queue.SimpleQueue()
    for job in jobs:
        todo.put(job)
    failures: list[BaseException] = []

    def work() -> None:
        with Connection(server) as connection:
            while not failures:
                try:
                    job = todo.get_nowait()
                except queue.Empty:
                    return
                try:
                    job(connection)
                except (SystemExit, OSError) as error:
                    failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(min(clients, len(jobs)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def post(server: Server, apps: int, instances: int) -> None:
    def job(number: int) -> Callable[[Connection], object]:
        body = json.dumps(definition(number, instances)).encode()
        return lambda connection: connection.must("POST", "/v2/apps", body)

    in_parallel(server, [job(number) for number in range(apps)])


def fill(gateway: Gateway, apps: int, instances: int) -> None:
    """Makes as many apps and waits until they run: one change for each team, since posting is not what is measured."""
    teams: dict[str, list[dict[str, Any]]] = {}
    for number in range(apps):
        app = definition(number, instances)
        teams.setdefault(app["id"].rpartition("/")[0], []).append(app)
    with Connection(gateway.server) as connection:
        gateway.synced(connection)
        for team, members in teams.items():
            connection.must("PUT", f"/v2/groups/{team}", {"apps": members})
        until_running(connection, apps * instances)


def until_running(connection: Connection, instances: int) -> None:
    """Waits until that many run and no deployment is left."""
    begin, told = time.perf_counter(), 0.0
    while (now := time.perf_counter()) < begin + _RUNNING_S:
        found = _RUNNING.search(connection.get("/metrics"))
        running = int(found.group(1)) if found else 0
        if running == instances and connection.get("/v2/deployments") == b"[]":
            return
        if now - told > 5:
            progress(f"{running} of {instances} instances run")
            told = now
        time.sleep(0.5)
    raise SystemExit(f"not all of {instances} instances have run within {_RUNNING_S} s")
