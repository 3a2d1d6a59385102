"""A task's environment has the variables that a real Marathon 1.11 gave its tasks, with the same values.

`recorded_environment.json` has what that one asked Mesos to run (commands and images replaced by ours). Numbers of ports, ids,
hosts and times are of the moment: they are compared with what `/v2/tasks` says of the task.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.marathon import Marathon, until

RECORDED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "recorded_environment.json").read_text())
OF_THE_MACHINE = re.compile(r"PATH|PWD|OLDPWD|HOME|HOSTNAME|SHLVL|KUBERNETES_.*")
OURS = {"MESOS_SANDBOX": "/mnt/mesos/sandbox"}


@pytest.fixture(scope="module")
def running(serving: Marathon) -> Any:
    """All of them at once."""
    with serving.cleaned_up():
        for deployment in [serving.post(**{**case["app"], "cpus": 0.05, "mem": 128}) for case in RECORDED]:
            serving.deployed(deployment)
        yield serving


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["app"]["id"].rpartition("/")[2])
def test_a_task_has_the_variables_that_marathon_gives(running: Marathon, case: dict[str, Any]) -> None:
    app = case["app"]
    (task,) = running.tasks(app["id"])
    printed = until(lambda: running.log(app["id"]))
    variables = dict(line.split("=", 1) for line in printed.splitlines())
    real = {name: value for name, value in variables.items() if not OF_THE_MACHINE.fullmatch(name)}
    assert real.pop("POD_UID")
    assert {name: real.pop(name) for name in OURS} == OURS

    assert real["MESOS_TASK_ID"] == task["id"]
    assert real["HOST"] == task["host"]
    assert real["MARATHON_APP_VERSION"] == task["version"]
    assert real.get("PORTS", "") == ",".join(str(port) for port in task["ports"])
    assert _comparable(real, app) == _comparable(case["environment"], app)


def _comparable(variables: dict[str, str], app: dict[str, Any]) -> dict[str, str]:
    """Numbers that were chosen for the task replaced by the index of the port; what is checked elsewhere left out."""
    requested = set(re.findall(r'"(?:port|containerPort)": ([1-9]\d*)', json.dumps(app)))
    index = {variables[name]: name[4:] for name in variables if re.fullmatch(r"PORT\d+", name)}
    made = {}
    for name, value in variables.items():
        if name in ("MESOS_TASK_ID", "HOST", "MARATHON_APP_VERSION", "MARATHON_APP_RESOURCE_CPUS"):
            continue
        number = re.fullmatch(r"PORT_(\d+)", name)
        if number and number[1] not in requested:
            name = f"PORT_<{index[value]}>"
        if name.startswith("PORT"):
            value = ",".join(f"<{index[part]}>" for part in value.split(",") if part)
        made[name] = value
    return made
