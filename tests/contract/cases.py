"""How a step of a case becomes a request.

A step is `do` (method, path, query), a body (`body`, `text`, or arguments of `deployment`, `pod`, `thing`, changed by `set`), its
form (`patch`, `content`) and the form that is wanted (`accept`). `{name}` stands for a value that an earlier answer gave (`keep`),
and for the paths of the test's namespace.
"""

from typing import Any

import httpx

from tests.contract.client import Client, deployment, pod, thing
from tests.contract.servers import Paths

__all__ = ["ABSENT", "Step", "at", "filled", "names_of", "send"]

Step = dict[str, Any]

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


def names_of(ns: Paths, n: str) -> dict[str, str]:
    """What the words in braces stand for."""
    return {"n": n, "core": ns.core, "apps": ns.apps, "things": ns.things, "leases": ns.leases, "ns": ns.name}


def send(kube: Client, step: Step, n: str) -> httpx.Response:
    """The answer to a step whose names are filled in."""
    method, _, rest = step["do"].partition(" ")
    path, _, query = rest.partition("?")
    params = dict(pair.split("=", 1) for pair in query.split("&")) if query else {}
    type_ = step.get("patch") or step.get("content") or ""
    return kube.call(method, path, body_of(step, n), type_=type_, accept=step.get("accept", ""), **params)
