"""Asks a gateway what a real Marathon 1.11.24 was once asked, and lists where the answers differ.

    python -m tests.golden.replay http://127.0.0.1:8080 [SCENARIO ...]
    python -m tests.golden.replay --write

A scenario is an ordered list of requests to a server that starts empty. Compared are the status, the headers that clients
read and the body as JSON. What differs from run to run (moments, ids, addresses, ports) is compared by kind, and learned:
a recorded deployment id that occurs in a later request is replaced by the one this server gave.
Deliberate differences are evened out in `_deliberate`, each with its decision.
"""

import gzip
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

__all__ = ["RESULTS", "Result", "replay", "scenarios", "summary"]

RECORDINGS = Path(__file__).with_name("recordings")
RESULTS = Path(__file__).with_name("results.json")
HEADERS = ("content-type", "location", "marathon-deployment-id", "allow")

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ADDRESS = re.compile(r"(?:127\.0\.0\.\d+|localhost)(?::\d+)?")
_TASK = re.compile(r"[\w.\-]+?\.(?:instance-|marathon-)?<uuid>(?:\._app\.\d+)?")
_BY_KIND = {"host", "slaveId", "ipAddresses", "frameworkId", "buildref", "leader", "persistenceId", "servicePorts", "lastUnusedOffers",
            "lastFailureCause", "lifeTime", "timeLeftSeconds", "region", "zone", "startedAt", "stagedAt"}  # fmt: skip
_NUMBERS = {"http_port", "https_port", "ports", "port", "servicePort", "hostPort", "processed", "declined", "processedOffersCount",
            "unusedOffersCount"}  # fmt: skip
_UNORDERED = {"constraints", "acceptedResourceRoles", "dependencies", "details", "errors", "affectedApps", "healthChecks", "apps",
              "groups", "tasks", "features", "versions", "actions", "*"}  # fmt: skip


@dataclass(slots=True)
class Result:
    """One answer. `differences` is empty if it is equal; `mended` marks a 5xx of the real one that is a 4xx here (D14)."""

    name: str
    request: str
    differences: list[str] = field(default_factory=list)
    mended: bool = False


def scenarios() -> list[str]:
    return sorted(path.name.removesuffix(".json.gz") for path in RECORDINGS.glob("*.json.gz"))


def replay(base: str, scenario: str) -> Iterator[Result]:
    steps = json.loads(gzip.decompress((RECORDINGS / f"{scenario}.json.gz").read_bytes()))["steps"]
    learned: dict[str, str] = {}
    with httpx.Client(base_url=base, timeout=60, headers={"Accept-Encoding": "identity"}) as server:
        for header in ("accept", "user-agent"):
            del server.headers[header]
        for step in steps:
            if step["kind"] == "wait":
                _wait(server, step["for"])
            elif step["kind"] == "sleep":
                time.sleep(min(step["seconds"], 3))
            elif step["kind"] == "clean":
                _settle(server)
                server.delete(step["path"])
                _settle(server)
            elif "response" in step:
                yield _ask(server, step, learned)
            else:
                _send(server, step["request"], learned)


def _ask(server: httpx.Client, step: dict[str, Any], learned: dict[str, str]) -> Result:
    want, answer = step["response"], _send(server, step["request"], learned)
    result = Result(
        step["name"], f"{step['request']['method']} {step['request']['path']} {step['request'].get('body', '')[:120]}"
    )
    if want["status"] >= 500 and 400 <= answer.status_code < 500 and "message" in _json(answer.text):
        result.mended = True
    elif want["status"] != answer.status_code:
        result.differences = [f"status {answer.status_code} instead of {want['status']}: {answer.text[:200]}"]
    elif not want.get("opaque") and "/metrics" not in step["request"]["path"]:
        result.differences = [
            *_compare(_json(want["body"] or ""), _json(answer.text), learned),
            *_compare_headers(want["headers"], answer.headers, learned),
        ]
    return result


def _send(server: httpx.Client, request: dict[str, Any], learned: dict[str, str]) -> httpx.Response:
    headers = [
        (k, _translated(v, learned)) for k, v in request["headers"] if k.lower() not in ("host", "content-length")
    ]
    path, body = _translated(request["path"], learned), request.get("body")
    content = _translated(body, learned).encode() if body is not None else None
    url = httpx.URL(str(server.base_url) + "/").copy_with(raw_path=path.encode())
    return server.request(request["method"], url, headers=headers, content=content)


def _translated(text: str, learned: dict[str, str]) -> str:
    for recorded in sorted(learned, key=len, reverse=True):
        text = text.replace(recorded, learned[recorded])
    return text


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return {"text": text}


def _compare_headers(want: dict[str, str], got: httpx.Headers, learned: dict[str, str]) -> list[str]:
    pairs = [(name, want[name].split(";")[0], got.get(name, "").split(";")[0]) for name in HEADERS if name in want]
    return [f"header {name}: {b!r} instead of {a!r}" for name, a, b in pairs if not _same_text(a, b, learned)]


def _compare(want: Any, got: Any, learned: dict[str, str], path: str = "", key: str = "") -> list[str]:
    if key == "host" and isinstance(want, str):
        learned[f"host={want}"] = f"host={got}"  # for a later `?host=`
    if key in _BY_KIND:
        return [] if type(want) is type(got) or want is None else [f"{path}: {got!r} is of another kind than {want!r}"]
    if isinstance(want, dict) and isinstance(got, dict):
        return _compare_objects(_deliberate(want), _deliberate(got), learned, path)
    if isinstance(want, list) and isinstance(got, list):
        return _compare_lists(want, got, learned, path, key)
    if isinstance(want, str) and isinstance(got, str):
        return [] if _same_text(want, got, learned) else [f"{path}: {got[:120]!r} instead of {want[:120]!r}"]
    if key in _NUMBERS and type(want) is type(got) is int and bool(want) == bool(got):
        return []
    return [] if want == got and type(want) is type(got) else [f"{path}: {got!r} instead of {want!r}"]


def _compare_objects(want: dict[str, Any], got: dict[str, Any], learned: dict[str, str], path: str) -> list[str]:
    out = [f"{path}/{k}: missing" for k in want.keys() - got.keys()] + [
        f"{path}/{k}: {got[k]!r} is new" for k in got.keys() - want.keys()
    ]
    for k in want.keys() & got.keys():
        out += _compare(want[k], got[k], learned, f"{path}/{k}", k)
    return sorted(out)


def _compare_lists(want: list[Any], got: list[Any], learned: dict[str, str], path: str, key: str) -> list[str]:
    if len(want) != len(got):
        return [] if path == "/app/deployments" else [f"{path}: {len(got)} items instead of {len(want)}"]
    if key in _UNORDERED or not path:
        want, got = sorted(want, key=_sortable), sorted(got, key=_sortable)
    return [
        d for i, (a, b) in enumerate(zip(want, got, strict=True)) for d in _compare(a, b, learned, f"{path}[{i}]", key)
    ]


def _sortable(node: Any) -> str:
    if isinstance(node, str):
        return node if _MOMENT.fullmatch(node) else _volatile(node)
    return _volatile(json.dumps(_canonical(node), sort_keys=True))


def _canonical(node: Any, key: str = "") -> Any:
    """Without what differs from run to run, and what has no order sorted."""
    if isinstance(node, dict):
        kept = {k: v for k, v in _deliberate(node).items() if k not in _BY_KIND | _NUMBERS}
        return {k: _canonical(v, k) for k, v in kept.items()}
    if isinstance(node, list):
        items = [_canonical(item, key) for item in node]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if key in _UNORDERED else items
    return node


def _volatile(text: str) -> str:
    text = _ADDRESS.sub("<address>", _UUID.sub("<uuid>", _MOMENT.sub("<moment>", text)))
    return _TASK.sub("<task>", text)


def _same_text(want: str, got: str, learned: dict[str, str]) -> bool:
    if _volatile(want) != _volatile(got):
        return False
    for pattern in (_UUID, _MOMENT):
        learned.update(dict(zip(pattern.findall(want), pattern.findall(got), strict=True)))
    if _volatile(want) == "<task>":
        learned[want] = got
    return True


def _deliberate(node: dict[str, Any]) -> dict[str, Any]:
    """D13: taskStats is spelled as clients read it, enforceRole is shown when set, queue items have no role."""
    node = {("taskStats" if k == "tasksStats" else k): v for k, v in node.items()}
    if not node.get("enforceRole", True):
        del node["enforceRole"]
    if "processedOffersSummary" in node:
        node.pop("role", None)
    return node


def _wait(server: httpx.Client, what: str) -> None:
    count = re.fullmatch(r"(\S+) (tasks\w+) == (\d+)", what)
    if "deployment" in what:
        _settle(server)
    elif count:
        app, key, value = count.groups()
        _until(lambda: str(server.get(f"/v2/apps/{app}").json().get("app", {}).get(key)) == value)
    else:
        time.sleep(1.5)


def _settle(server: httpx.Client) -> None:
    _until(lambda: server.get("/v2/deployments").json() == [])


def _until(done: Any, seconds: float = 3) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.05)


def summary(results: list[Result]) -> dict[str, Any]:
    """Counts, and the names of what differs."""
    return {
        "answers": len(results),
        "equal": sum(not r.differences and not r.mended for r in results),
        "mended": sum(r.mended for r in results),
        "different": [r.name for r in results if r.differences],
    }


def main() -> None:
    """With a URL: prints what differs there. With `--write`: replays all scenarios, each on a server of its own."""
    if sys.argv[1:] == ["--write"]:
        from tests.processes import mgw_dev

        found = {}
        for scenario in scenarios():
            with mgw_dev() as base:
                found[scenario] = summary(list(replay(base, scenario)))
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return
    for scenario in sys.argv[2:] or scenarios():
        results = list(replay(sys.argv[1], scenario))
        for result in results:
            if result.differences:
                print(
                    f"{scenario} {result.name}\n    {result.request}",
                    *(f"\n        {d}" for d in result.differences[:8]),
                )
        row = summary(results)
        print(f"{scenario}: {row['equal']} equal, {row['mended']} mended, {len(row['different'])} different")


if __name__ == "__main__":
    main()
