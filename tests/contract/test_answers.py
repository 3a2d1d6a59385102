"""Plain requests and what a real API server (1.35.4) answered, one row of answers.json a promise.

A step is `do` (method, path, query), a body (`body`, `text`, or arguments of `deployment`, `pod`, `thing`, changed by `set`), and
what holds of the answer: `is` (status), `has` (values by dotted path), `contains` (parts of them), `present`, `absent`, `cause`
(one of details.causes as field, reason, message), `raw` (part of the text), `type`, `headers`, `warning`. `keep` names values of
an answer; `{name}` stands for such a value, and for the paths of the test's namespace.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.client import Client, deployment, pod, thing
from tests.contract.servers import Paths

Step = dict[str, Any]

CASES = json.loads(Path(__file__).with_name("answers.json").read_text())
ABSENT = object()


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path; keys may have dots themselves."""
    if not path:
        return value
    if isinstance(value, list):
        head, _, rest = path.partition(".")
        return at(value[int(head)], rest) if head.isdecimal() and int(head) < len(value) else ABSENT
    if isinstance(value, dict):
        for key in sorted(value, key=len, reverse=True):
            if path == key or path.startswith(f"{key}."):
                found = at(value[key], path[len(key) + 1 :])
                if found is not ABSENT:
                    return found
    return ABSENT


def filled(value: Any, names: dict[str, str]) -> Any:
    """With the names in place, and with `{"times": [what, how often]}` spelt out."""
    if isinstance(value, str):
        for key, text in names.items():
            value = value.replace("{" + key + "}", text)
        return value
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    if isinstance(value, dict):
        if value.keys() == {"times"}:
            return filled(value["times"][0], names) * value["times"][1]
        return {filled(key, names): filled(item, names) for key, item in value.items()}
    return value


def body_of(step: Step, name: str) -> Any:
    if "deployment" in step:
        arguments = dict(step["deployment"])
        if "pod" in arguments:
            arguments["pod_spec"] = arguments.pop("pod")
        body = deployment(arguments.pop("name", name), **arguments)
    elif "pod" in step:
        body = pod(name, **step["pod"])
    elif "thing" in step:
        body = thing(name, **step["thing"])
    else:
        return step.get("text", step.get("body"))
    for path, value in step.get("set", {}).items():
        parent, _, last = path.rpartition(".") if "annotations" not in path else ("metadata", "", "annotations")
        (at(body, parent) if parent else body)[last] = value
    return body


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
    names = {"n": n, "core": ns.core, "apps": ns.apps, "things": ns.things, "leases": ns.leases}
    for raw in case["steps"]:
        step = filled(raw, names)
        method, _, rest = step["do"].partition(" ")
        path, _, query = rest.partition("?")
        params = dict(pair.split("=", 1) for pair in query.split("&")) if query else {}
        type_ = step.get("patch") or step.get("content") or ""
        answer = kube.call(method, path, body_of(step, n), type_=type_, accept=step.get("accept", ""), **params)
        got = check(step, answer)
        for key, where in step.get("keep", {}).items():
            names[key] = at(got, where)
