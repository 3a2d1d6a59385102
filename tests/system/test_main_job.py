"""The main job, as a newcomer meets it: an app is posted, runs, rolls, fails, and disappears."""

import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateways import EventStream, Gateway
from tests.installations import Installation
from tests.kubelets import crash
from tests.processes import eventually, mgw_dev

pytestmark = pytest.mark.timeout(180)

WEB: dict[str, Any] = {
    "id": "/shop/web",
    "cmd": "python3 -m http.server $PORT0",
    "instances": 3,
    "cpus": 0.1,
    "mem": 32,
    "healthChecks": [
        {
            "protocol": "HTTP",
            "path": "/",
            "portIndex": 0,
            "intervalSeconds": 1,
            "timeoutSeconds": 2,
            "gracePeriodSeconds": 30,
        }
    ],
    "upgradeStrategy": {"minimumHealthCapacity": 0.6, "maximumOverCapacity": 0.4},
}


@pytest.fixture(scope="module")
def marathon(gateway: Gateway) -> httpx.Client:
    """On either cluster."""
    return gateway.client


@pytest.fixture(scope="module")
def laptop() -> Iterator[httpx.Client]:
    """What runs the tasks' commands: `mgw dev`, as a newcomer starts it."""
    with mgw_dev() as base, httpx.Client(base_url=base, timeout=20) as client:
        yield client


def app(marathon: httpx.Client, app_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = marathon.get(f"/v2/apps/{app_id}").json()["app"]
    return shown


def settled(marathon: httpx.Client, timeout_s: float = 60) -> None:
    eventually(lambda: marathon.get("/v2/deployments").json() == [], timeout_s)


def test_an_http_app_runs_is_healthy_rolls_and_leaves_nothing(marathon: httpx.Client) -> None:
    created = marathon.post("/v2/apps", json=WEB)
    assert created.status_code == 201
    assert created.json()["deployments"] == [{"id": created.headers["Marathon-Deployment-Id"]}]
    settled(marathon)

    shown = app(marathon, "/shop/web")
    assert (shown["tasksRunning"], shown["tasksHealthy"]) == (3, 3)
    tasks = marathon.get("/v2/tasks").json()["tasks"]
    assert {task["state"] for task in tasks} == {"TASK_RUNNING"}
    assert len({(task["host"], task["ports"][0]) for task in tasks}) == 3

    changed = marathon.put("/v2/apps//shop/web", json={"env": {"COLOUR": "blue"}})
    assert changed.status_code == 200
    assert list(changed.json()) == ["deploymentId", "version"]
    least = 3
    while marathon.get("/v2/deployments").json():
        least = min(least, app(marathon, "/shop/web")["tasksHealthy"])
    assert least >= 2  # ceil(3 * 0.6)
    after = marathon.get("/v2/apps//shop/web/tasks").json()["tasks"]
    assert len(after) == 3
    assert {t["id"] for t in after}.isdisjoint({t["id"] for t in tasks})
    eventually(lambda: {t["version"] for t in after} == {changed.json()["version"]})

    assert marathon.delete("/v2/apps//shop/web").status_code == 200
    settled(marathon)
    assert marathon.get("/v2/apps//shop/web").status_code == 404
    assert marathon.get("/v2/tasks").json()["tasks"] == []


def test_its_tasks_answer_at_their_addresses_until_it_is_deleted(laptop: httpx.Client) -> None:
    assert laptop.post("/v2/apps", json=WEB).status_code == 201
    settled(laptop)
    tasks = laptop.get("/v2/tasks").json()["tasks"]
    for task in tasks:
        assert httpx.get(f"http://{task['host']}:{task['ports'][0]}/").status_code == 200
    laptop.delete("/v2/apps//shop/web")
    settled(laptop)
    for task in tasks:
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://{task['host']}:{task['ports'][0]}/")


def test_a_locked_app_answers_409_and_a_forced_change_takes_over(marathon: httpx.Client) -> None:
    stuck = {"id": "/stuck", "cmd": "sleep 1000", "cpus": 100000, "instances": 1}
    first = marathon.post("/v2/apps", json=stuck).json()["deployments"][0]["id"]
    refused = marathon.put("/v2/apps//stuck", json={"cpus": 0.1})
    assert refused.status_code == 409
    assert refused.json()["deployments"] == [{"id": first}]
    waiting = eventually(lambda: [i for i in marathon.get("/v2/queue").json()["queue"] if i["app"]["id"] == "/stuck"])
    assert waiting[0]["count"] == 1
    forced = marathon.put("/v2/apps//stuck?force=true", json={"cpus": 0.1})
    assert forced.status_code == 200
    settled(marathon)
    assert app(marathon, "/stuck")["tasksRunning"] == 1
    assert marathon.delete("/v2/apps//stuck").status_code == 200
    settled(marathon)


def test_an_app_that_fails_says_why(marathon: httpx.Client, installation: Installation) -> None:
    marathon.post("/v2/apps", json={"id": "/crash", "cmd": "exit 7", "cpus": 0.1, "mem": 32})
    if not installation.runs_commands:
        crash(installation, "/crash", exit_code=7)
    failure = eventually(lambda: app(marathon, "/crash").get("lastTaskFailure"))
    assert failure["state"] == "TASK_FAILED"
    assert "exited with status 7" in failure["message"]
    queued = eventually(
        lambda: [
            i
            for i in marathon.get("/v2/queue").json()["queue"]
            if i["app"]["id"] == "/crash" and not i["delay"]["overdue"]
        ]
    )
    assert queued[0]["delay"]["timeLeftSeconds"] > 0
    assert marathon.delete("/v2/apps//crash?force=true").status_code == 200
    settled(marathon)


def test_the_event_stream_tells_the_whole_life_of_an_app(gateway: Gateway) -> None:
    with EventStream(gateway.base) as stream:
        assert stream.events[0][0] == "event_stream_attached"
        deployment = gateway.create({"id": "/life", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32})
        eventually(lambda: gateway.app("/life")["tasksRunning"] == 1)
        gateway.client.delete("/v2/apps//life")
        stream.wait(lambda stream: stream.of("app_terminated_event"))
        gateway.settle()
    for kind in ("api_post_event", "group_change_success", "deployment_info", "instance_changed_event"):
        assert stream.of(kind)
    assert next(stream.deployments()) == (deployment, "deployment_success")
    assert list(stream.states("/life").values()) == [["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"]]


def test_no_process_of_a_deleted_app_is_left(laptop: httpx.Client) -> None:
    marker = "sleep 98765.4321"
    laptop.post("/v2/apps", json={"id": "/tree", "cmd": f"{marker} & {marker} & wait", "cpus": 0.1, "mem": 32})
    settled(laptop)
    assert subprocess.run(["pgrep", "-f", marker], check=False, capture_output=True).stdout
    laptop.delete("/v2/apps//tree")
    settled(laptop)
    eventually(lambda: not subprocess.run(["pgrep", "-xf", marker], check=False, capture_output=True).stdout)
