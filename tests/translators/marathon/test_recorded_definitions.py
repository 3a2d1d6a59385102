"""3,000 definitions and updates, each differing in one member, are read as a real Marathon 1.11.24 read them.

Recorded with `--enable_features secrets,external_volumes,gpu_resources`. What the real one answered with 500 must be a 422.
"""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from translators.marathon import Rules, assign_service_ports, read_app, read_app_update, update_app
from translators.marathon.errors import DefinitionError

RULES = Rules(
    enabled_features=frozenset(("secrets", "external_volumes", "gpu_resources")),
    gpu_scheduling_behavior="restricted",
    max_instances=10**9,
)
SERVER_SIDE = {
    "version", "versionInfo", "tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy", "deployments", "tasks", "lastTaskFailure",
}  # fmt: skip
SETS = {"constraints", "acceptedResourceRoles", "dependencies", "healthChecks", "errors", "details"}


def cases() -> list[Any]:
    data = gzip.decompress(Path(__file__).with_name("data").joinpath("corpus.jsonl.gz").read_bytes())
    return [json.loads(line) for line in data.splitlines()]


def canonical(node: Any, key: str = "") -> Any:
    if isinstance(node, dict):
        return {k: canonical(v, k) for k, v in node.items()}
    if isinstance(node, list):
        items = [canonical(v, key) for v in node]
        return sorted(items, key=lambda v: json.dumps(v, sort_keys=True)) if key in SETS else items
    return (type(node).__name__, node) if isinstance(node, int | float) else node


def answered(read: Callable[[], Any]) -> tuple[int, Any]:
    try:
        return 200, read()
    except DefinitionError as error:
        return error.status, error.body()


def definition(answer: Any) -> Any:
    return {k: v for k, v in answer.get("app", answer).items() if k not in SERVER_SIDE}


def differs(requests: list[Any]) -> str:
    current: dict[str, Any] = {}
    for method, body, status, answer in requests:
        if method == "GET":
            current = assign_service_ports(current, (), rules=RULES)
            got: tuple[int, Any] = (200, current)
        elif method == "POST":
            got = answered(lambda body=body: read_app(body, rules=RULES))
        else:
            got = answered(lambda body=body, current=current: updated(current, body))
        if status >= 500:
            return "" if got[0] == 422 else f"{got} to what the real one failed at"
        if got[0] != min(status, 200) and got[0] != status:
            return f"{got} instead of {status} {answer}"
        if got[0] == 200:
            current = got[1]
        want = answer if status >= 400 else definition(answer) if method != "PUT" else None
        if want is not None and canonical(got[1]) != canonical(want):
            return f"{got[1]} instead of {want}"
    return ""


def updated(current: dict[str, Any], body: Any) -> dict[str, Any]:
    app = update_app(current, read_app_update(body, rules=RULES, app_id=current["id"]), rules=RULES)
    return assign_service_ports(app, (), rules=RULES, before=current)


def test_recorded_definitions_and_updates_come_out_equal() -> None:
    found = [(name, difference) for name, requests in cases() if (difference := differs(requests))]
    total = len(cases())
    assert total > 3000
    assert len(found) <= total // 200, found[:20]  # 99.5 %
