"""Plans are Marathon's (deployments.md §2 and §12.1)."""

import json
from typing import Any

from gateway.rollouts.plan import levels, plan
from translators.kubernetes.objects import AppRecord, Step


def record(instances: int = 1, config: str = "1", dependencies: tuple[str, ...] = ()) -> AppRecord:
    definition: dict[str, Any] = {"instances": instances, "dependencies": list(dependencies)}
    return AppRecord(definition=json.dumps(definition), version=config, lastConfigChangeAt=config)


def shown(steps: tuple[Step, ...]) -> list[list[str]]:
    return [[f"{a.action.removesuffix('Application')} {a.app}" for a in step.actions] for step in steps]


def test_a_new_app_is_started_then_scaled() -> None:
    assert shown(plan({}, {"/g/app": record(2)})) == [["Start /g/app"], ["Scale /g/app"]]


def test_stop_start_restart_and_scale_in_one_plan() -> None:
    before = {"/app": record(), "/app2": record(), "/app3": record()}
    after = {"/app": record(config="2"), "/app2": record(10), "/app4": record()}
    assert shown(plan(before, after)) == [
        ["Stop /app3"],
        ["Start /app4"],
        ["Restart /app", "Scale /app2", "Scale /app4"],
    ]


def test_dependencies_make_levels() -> None:
    before = {"/mongo": record(4), "/srv": record(4, dependencies=("/mongo",)), "/free": record(), "/stop": record()}
    after = {
        "/mongo": record(8, "2"),
        "/srv": record(10, "2", ("/mongo",)),
        "/free": record(config="2"),
        "/start": record(2, dependencies=("/srv",)),
    }
    assert shown(plan(before, after)) == [
        ["Stop /stop"],
        ["Start /start"],
        ["Restart /mongo", "Restart /free"],
        ["Restart /srv"],
        ["Scale /start"],
    ]


def test_an_app_that_stays_counts_for_the_level_and_gets_no_action() -> None:
    others = {"/a": record(), "/b": record(dependencies=("/a",))}
    after = {"/a": record(config="2"), "/c": record(config="2", dependencies=("/b",))}
    before = {"/a": record(), "/c": record(dependencies=("/b",))}
    assert shown(plan(before, after, others=others)) == [["Restart /a"], ["Restart /c"]]


def test_a_changed_configuration_with_no_instances_is_scaled() -> None:
    assert shown(plan({"/a": record(2)}, {"/a": record(0, "2")})) == [["Scale /a"]]


def test_only_removals_and_no_change_at_all() -> None:
    assert shown(plan({"/a": record()}, {})) == [["Stop /a"]]
    assert shown(plan({"/a": record()}, {"/a": record()})) == []


def test_levels_of_graphs_and_groups() -> None:
    assert levels({"a": [], "b": ["a"], "c": ["a"], "d": ["b"]}) == {"a": 1, "b": 2, "c": 2, "d": 3}
    found = levels({"a": ["b", "c"], "b": ["c"], "c": ["d"], "d": [], "e": []})
    assert found == {"d": 1, "e": 1, "c": 2, "b": 3, "a": 4}
    assert levels({"/g/x": [], "/g/y": ["/g/x"], "/z": ["/g"]}) == {"/g/x": 1, "/g/y": 2, "/z": 3}
    assert levels({"/a": ["/absent"]}) == {"/a": 1}


def test_the_dependencies_of_a_group_order_all_that_is_in_it() -> None:
    after = {app_id: record(1) for app_id in ("/p/web/deep/a", "/p/web/b", "/p/db/sql")}
    groups = {"/p/web": ["/p/db"], "/p": ["/missing"]}
    assert shown(plan({}, after, groups=groups))[1:] == [["Scale /p/db/sql"], ["Scale /p/web/deep/a", "Scale /p/web/b"]]
