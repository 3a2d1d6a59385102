"""A thousand apps, posted one by one by several clients, all run, are listed rightly, and can be deleted."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.fixtures import required
from tests.gateways import Gateway
from tests.installations import Installation, installed
from tests.outages.watching import web
from tests.processes import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]

APPS, CLIENTS, RUNNING_S = 1000, 8, 150


@pytest.fixture
def large(binaries: Path) -> Iterator[Installation]:
    """Controllers with raised limits: with the default ones a thousand Deployments take three minutes by themselves."""
    if not required("thousand"):
        pytest.skip("takes minutes: run it with MGW_TEST_REQUIRE=thousand")
    rates = ["--kube-api-qps=1000", "--kube-api-burst=2000"]
    syncs = ["--concurrent-deployment-syncs=20", "--concurrent-replicaset-syncs=20"]
    flags = {"kube-controller-manager": [*rates, *syncs], "kube-scheduler": rates}
    with ControlPlane(binaries, controllers=True, fake_nodes=4, flags=flags) as control_plane:
        made = installed(control_plane, "marathon")
        with made.api:
            yield made


def test_a_thousand_apps_run_and_are_listed(large: Installation) -> None:
    ids = {f"/load/team-{number % 10}/app-{number:04}" for number in range(APPS)}
    with large.gateway("--max_running_deployments", str(APPS), "--lease_duration_s", "15") as gateway:
        gateway.await_serving().await_leader()
        began = time.monotonic()
        assert posted(gateway, sorted(ids)) == {201}
        accepted_s = time.monotonic() - began
        assert {app["id"] for app in gateway.get("/v2/apps")["apps"]} == ids, "what was accepted is listed at once"
        eventually(lambda: running(gateway) == dict.fromkeys(ids, 1), RUNNING_S, every_s=0.5)
        gateway.settle(RUNNING_S)
        print(f"{APPS} apps: accepted after {accepted_s:.1f} s, running after {time.monotonic() - began:.1f} s")
        tasks = gateway.get("/v2/tasks")["tasks"]
        assert len({task["id"] for task in tasks}) == len(tasks) == APPS
        assert {task["appId"] for task in tasks} == ids
        deleted = gateway.client.delete("/v2/groups//load?force=true")
        assert deleted.status_code == 200, deleted.text
        assert gateway.get("/v2/apps")["apps"] == []


def posted(gateway: Gateway, ids: list[str]) -> set[int]:
    """The statuses of all answers."""

    def post(some: list[str]) -> set[int]:
        with httpx.Client(base_url=gateway.base, timeout=60, trust_env=False) as client:
            return {client.post("/v2/apps", json=web(app_id, instances=1)).status_code for app_id in some}

    with ThreadPoolExecutor(CLIENTS) as pool:
        return set().union(*pool.map(post, (ids[start::CLIENTS] for start in range(CLIENTS))))


def running(gateway: Gateway) -> dict[str, int]:
    return {app["id"]: app["tasksRunning"] for app in gateway.get("/v2/apps")["apps"]}
