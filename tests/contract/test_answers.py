"""Plain requests and what a real API server (1.35.4) answered, one row of answers.json a promise.

Requests are those of `cases`. What holds of the answer: `is` (status), `has` (values by dotted path), `contains` (parts of them),
`present`, `absent`, `cause` (one of details.causes as field, reason, message), `raw` (part of the text), `type`, `headers`,
`warning`. `keep` names values of an answer for the steps that follow.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.cases import ABSENT, Step, at, filled, names_of, send
from tests.contract.client import Client
from tests.contract.servers import Paths

CASES = json.loads(Path(__file__).with_name("answers.json").read_text())


def check(step: Step, answer: httpx.Response) -> Any:
    said = f"{step['do']}: {answer.status_code} {answer.text[:1500]}"
    assert answer.status_code == step["is"], said
    is_json = answer.headers["content-type"].startswith("application/json")
    got = answer.json() if is_json else None
    for path, value in step.get("has", {}).items():
        assert at(got, path) == value, f"{path}: {said}"
    for path, part in step.get("contains", {}).items():
        assert part in at(got, path), f"{path}: {said}"
    for path in step.get("present", ()):
        assert at(got, path) not in (ABSENT, None, ""), f"{path}: {said}"
    for path in step.get("absent", ()):
        assert at(got, path) is ABSENT, f"{path}: {said}"
    if "cause" in step:
        field, reason, message = step["cause"]
        assert got["reason"] == "Invalid", said
        assert {"field": field, "reason": reason, "message": message} in got["details"]["causes"], said
    assert step.get("raw", "") in answer.text, said
    assert answer.headers["content-type"].startswith(step.get("type", "")), said
    assert step.get("warning", "").replace('"', '\\"') in answer.headers.get("warning", ""), said
    for key, value in step.get("headers", {}).items():
        assert answer.headers.get(key) == value, said
    return got


@pytest.mark.parametrize("case", CASES, ids=[f"{case['group']}: {case['name']}"[:100] for case in CASES])
def test_answer_is_that_of_a_real_server(kube: Client, ns: Paths, n: str, case: dict[str, Any]) -> None:
    names = names_of(ns, n)
    for raw in case["steps"]:
        step = filled(raw, names)
        got = check(step, send(kube, step, n))
        for key, where in step.get("keep", {}).items():
            names[key] = at(got, where)
