"""marathon-python 0.13.0: every method of its client works against the gateway."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.clients

# Callbacks were removed in Marathon 1.5: what a current one answers is an error here too.
REFUSED = {"list_event_subscriptions", "create_event_subscription", "delete_event_subscription"}


@pytest.mark.timeout(240)
def test_every_method_of_marathon_python(
    marathon: str, environment: Callable[[str], Path], run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run(environment("marathon") / "python", Path(__file__).with_name("marathon_python.py"), marathon)
    results: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    errors = {r["method"]: r for r in results if "error" in r}
    assert set(errors) == REFUSED, errors
    last = results[-1]
    assert last["uncalled"] == []
    assert {
        "event_stream_attached",
        "api_post_event",
        "deployment_info",
        "deployment_success",
        "status_update_event",
    } <= set(last["events"])
    answers = {r["method"]: r["answer"] for r in results if "answer" in r}
    assert answers["ping"] == '"pong"'  # it asks for JSON
    assert answers["get_info"]["name"] == "marathon"
    assert len(answers["list_tasks"]) > 0
