"""Prometheus' marathon_sd_configs find the tasks of an app as targets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.installations import Installation
from tests.processes import Process, eventually

pytestmark = pytest.mark.clients

CONFIG = """
scrape_configs:
  - job_name: marathon
    scrape_interval: 1s
    marathon_sd_configs:
      - servers: ["{base}"]
        refresh_interval: 1s
"""


def free_port() -> int:
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.mark.timeout(120)
def test_prometheus_finds_and_scrapes_the_tasks_of_an_app(
    installation: Installation, marathon: str, program: Callable[[str], str], tmp_path: Path
) -> None:
    app = {"id": "/prom/web", "cmd": "python3 -m http.server $PORT0", "instances": 2, "cpus": 0.1, "mem": 32}
    assert httpx.post(marathon + "/v2/apps", json=app).status_code == 201
    eventually(lambda: httpx.get(marathon + "/v2/apps//prom/web").json()["app"]["tasksRunning"] == 2)
    tasks = httpx.get(marathon + "/v2/apps//prom/web/tasks").json()["tasks"]
    config = tmp_path / "prometheus.yml"
    config.write_text(CONFIG.format(base=marathon))
    port = free_port()
    process = Process(
        [
            program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
    )
    try:

        def targets() -> list[dict[str, Any]]:
            answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/targets")
            if answer.status_code == 503:  # it is still starting
                return []
            found = answer.json()["data"]["activeTargets"]
            if any(target["health"] == "unknown" for target in found):  # not scraped yet
                return []
            if not installation.runs_commands:
                return found if len(found) == 2 else []
            # http.server answers /metrics with 404: that the target was reached is the proof of its address
            assert all("404" in target["lastError"] for target in found), found
            return found if len(found) == 2 else []

        found = eventually(targets, 60)
    finally:
        process.stop()
    assert {t["discoveredLabels"]["__address__"] for t in found} == {f"{t['host']}:{t['ports'][0]}" for t in tasks}
    assert {t["discoveredLabels"]["__meta_marathon_app"] for t in found} == {"/prom/web"}
    assert {t["discoveredLabels"]["__meta_marathon_task"] for t in found} == {t["id"] for t in tasks}
