"""A rolling update under load loses no request, for a client that follows /v2/tasks as load balancers do."""

import http.client
import itertools
import threading
import time
from typing import Any

from tests.e2e.marathon import Marathon, until

REQUESTS_A_SECOND = 60
APP: dict[str, Any] = {
    "id": "/blue",
    "cmd": "exec python3 /srv/server.py",
    "instances": 3,
    "env": {"COLOUR": "blue", "DRAIN_S": "8"},
    "taskKillGracePeriodSeconds": 20,
    "healthChecks": [
        {
            "protocol": "HTTP",
            "path": "/health",
            "intervalSeconds": 1,
            "gracePeriodSeconds": 30,
            "maxConsecutiveFailures": 1,
        }
    ],
    "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 0.34},
}


class Load:
    """Asks one healthy task after the other, at a steady rate; which they are is looked up twice a second."""

    def __init__(self, marathon: Marathon, app_id: str) -> None:
        self._marathon, self._app_id = marathon, app_id
        self._stop = threading.Event()
        self._targets: list[tuple[str, int]] = []
        self.answers: list[str] = []
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._follow), threading.Thread(target=self._ask)]

    def __enter__(self) -> "Load":
        self._look()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _follow(self) -> None:
        while not self._stop.wait(0.5):
            self._look()

    def _look(self) -> None:
        self._targets = [
            (task["host"], task["ports"][0])
            for task in self._marathon.tasks(self._app_id)
            if task["state"] == "TASK_RUNNING"
            and task["healthCheckResults"]
            and all(result["alive"] for result in task["healthCheckResults"])
        ]

    def _ask(self) -> None:
        began = time.monotonic()
        for number in itertools.count():
            if self._stop.wait(max(0.0, began + number / REQUESTS_A_SECOND - time.monotonic())):
                return
            targets = self._targets
            if not targets:
                self.failures.append("no healthy task")
                continue
            host, port = targets[number % len(targets)]
            try:
                connection = http.client.HTTPConnection(host, port, timeout=5)
                connection.request("GET", "/")
                self.answers.append(connection.getresponse().read().decode())
                connection.close()
            except OSError as error:
                self.failures.append(f"{host}:{port} {error!r}")


def test_no_request_is_lost_in_a_rolling_update(marathon: Marathon) -> None:
    marathon.run(**APP)
    until(lambda: marathon.app("/blue")["tasksHealthy"] == 3)
    with Load(marathon, "/blue") as load:
        began = time.monotonic()
        deployment = marathon.put("/blue", env={**APP["env"], "COLOUR": "green"})
        marathon.deployed(deployment, 120)
        until(lambda: load.answers[-30:] == ["green"] * 30)
        seconds = time.monotonic() - began
    assert load.failures == []
    assert {"blue", "green"} == set(load.answers)
    assert len(load.answers) >= 50 * (seconds - 1)
