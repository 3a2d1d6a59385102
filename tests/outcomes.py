"""Records which tests passed on which cluster, for the table in docs/compatibility.md.

With MGW_TEST_OUTCOMES=FILE a run of pytest writes its counts to FILE, by module and cluster; what other runs have written of
other modules and clusters stays. The clusters are `simulator`, `kwok` (a real API server, its controllers, kwok's nodes),
`containers` (real nodes that run containers) and `none`.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

__all__ = ["CLUSTERS", "Outcomes", "cluster_of", "rows"]

CLUSTERS = ("simulator", "kwok", "containers", "none")
_VARIABLE = "MGW_TEST_OUTCOMES"
_OF_PARAMETER = {"simulator": "simulator", "real": "kwok"}
_SIMULATORS = {"laptop", "simulator"}  # fixtures that start one
_TOGETHER = ("tests/simulator/", "tests/contract/")  # one row for all their modules

Outcomes = dict[str, dict[str, dict[str, int]]]


def cluster_of(item: pytest.Item) -> str:
    """By the marker, the parameter or the fixture that asks for one."""
    parameters = item.callspec.id.split("-") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else []
    if item.get_closest_marker("e2e"):
        return "containers"
    for parameter in parameters:
        if parameter in _OF_PARAMETER:
            return _OF_PARAMETER[parameter]
    if item.get_closest_marker("controlplane"):
        return "kwok"
    fixtures = set(getattr(item, "fixturenames", ()))
    return "simulator" if item.nodeid.startswith("tests/simulator/") or fixtures & _SIMULATORS else "none"


def rows(outcomes: Outcomes) -> dict[str, dict[str, Counter[str]]]:
    """Those of a table: by suite and cluster, without what needs no cluster."""
    found: dict[str, dict[str, Counter[str]]] = {}
    for module, clusters in sorted(outcomes.items()):
        suite = next((prefix for prefix in _TOGETHER if module.startswith(prefix)), module).rstrip("/")
        for cluster, counts in clusters.items():
            if cluster != "none":
                found.setdefault(suite, {}).setdefault(cluster, Counter()).update(counts)
    return found


class Recorder:
    """A pytest plugin. The cluster travels with the report, so that tests may run in several processes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: Outcomes = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            item.user_properties.append(("cluster", cluster_of(item)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            module, cluster = report.nodeid.partition("::")[0], str(dict(report.user_properties).get("cluster", "none"))
            counts = self._seen.setdefault(module, {}).setdefault(
                cluster, dict.fromkeys(("passed", "failed", "skipped"), 0)
            )
            counts[report.outcome] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workerinput"):
            return  # a worker of xdist: the one that started it writes
        known: Outcomes = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        for module, clusters in self._seen.items():
            known.setdefault(module, {}).update(clusters)
        self._file.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    if file := os.environ.get(_VARIABLE):
        config.pluginmanager.register(Recorder(Path(file)), "mgw-outcomes")
