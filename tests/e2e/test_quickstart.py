"""What docs/quickstart.md tells people to do, on real containers."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.marathon import Marathon, until

PAGE = (Path(__file__).parents[2] / "docs" / "quickstart.md").read_text()


def written(app_id: str) -> dict[str, Any]:
    """The definition of an app as the page has it."""
    found = next(text for text in re.findall(r"-d '(\{.*?\})'", PAGE, re.DOTALL) if f'"{app_id}"' in text)
    definition: dict[str, Any] = json.loads(found)
    return definition


@pytest.fixture(scope="module")
def web(serving: Marathon) -> Any:
    with serving.cleaned_up():
        serving.deployed(serving.post(**written("/web")))
        yield serving


def test_its_app_runs_and_its_probes_pass(web: Marathon) -> None:
    shown = web.app("/web")
    assert (shown["tasksRunning"], shown["tasksHealthy"], shown["tasksUnhealthy"]) == (3, 3, 0)
    assert {task["state"] for task in shown["tasks"]} == {"TASK_RUNNING"}
    assert all(result["alive"] for task in shown["tasks"] for result in task["healthCheckResults"])


def test_each_task_answers_at_its_host_and_first_port(web: Marathon) -> None:
    tasks = web.tasks("/web")
    assert len({task["host"] for task in tasks}) == 3
    for task in tasks:
        answer = httpx.get(f"http://{task['host']}:{task['ports'][0]}/", trust_env=False)
        assert answer.status_code == 200
        assert "Directory listing" in answer.text


def test_its_logs_are_there(web: Marathon) -> None:
    """The requests of the probes."""
    for pod in web.pods("/web"):
        until(lambda name=pod["metadata"]["name"]: '"GET / HTTP/1.1" 200' in web.pod_log(name))


def test_its_change_replaces_every_task(web: Marathon) -> None:
    before = {task["id"] for task in web.tasks("/web")}
    change = json.loads(re.findall(r"-X PUT .*? -d '(\{.*?\})'", PAGE)[0])
    web.deployed(web.put("/web", **change))
    after = web.tasks("/web")
    assert len(after) == 3
    assert before.isdisjoint({task["id"] for task in after})
    assert web.app("/web")["tasksHealthy"] == 3
    (container, *_) = web.pods("/web")[0]["spec"]["containers"]
    assert {"name": "COLOUR", "value": "blue"} in container["env"]


def test_its_failing_app_says_why(marathon: Marathon) -> None:
    marathon.post(**written("/crash"))
    failure = until(lambda: marathon.app("/crash").get("lastTaskFailure"))
    assert failure["state"] == "TASK_FAILED"
    assert failure["message"] == "Command exited with status 7"
    queued = until(lambda: (item := marathon.queued("/crash"))["delay"]["timeLeftSeconds"] > 0 and item)
    assert queued["delay"]["overdue"] is False
