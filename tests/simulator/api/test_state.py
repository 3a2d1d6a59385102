"""The embedded cluster on disk."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import VirtualClock
from gateway.simulator import state
from gateway.simulator.cluster import Simulator
from gateway.simulator.objects import ApiError, Objects
from gateway.simulator.state import State
from tests.contract.client import GROUP, config_map, thing
from tests.contract.conftest import THINGS

Opened = Callable[[Path], Objects]


@pytest.fixture
def opened() -> Iterator[Callable[[Path], Objects]]:
    """Opens a directory as a start of the cluster does. What was open before is left as a crash leaves it."""
    with contextlib.ExitStack() as stack:

        def open_(directory: Path) -> Objects:
            objects = Objects(VirtualClock())
            stack.callback(State(directory, objects).close)
            return objects

        yield open_


def contents(objects: Objects) -> dict[tuple[str, str, str], Any]:
    return {
        (plural, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): obj
        for plural, obj in objects.everything()
    }


def test_everything_is_there_again_under_its_version(opened: Opened, tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.create("customresourcedefinitions", THINGS)
    first.create("things", {**thing("t", app={"a": [1, None, {}]}), "apiVersion": f"{GROUP}/v1"})
    made = first.create("configmaps", config_map("a"))
    first.update("configmaps", {**made, "data": {"k": "v"}})
    first.create("configmaps", config_map("gone"))
    first.delete("configmaps", "default", "gone")
    second = opened(tmp_path)
    assert contents(second) == contents(first)
    assert second.get("things", "default", "t")["spec"]["app"] == {"a": [1, None, {}]}


def test_versions_never_go_back_even_after_a_deletion(opened: Opened, tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.create("configmaps", config_map("a"))
    first.delete("configmaps", "default", "a")
    last = first.version
    for _ in range(3):  # the second start reads a snapshot, which no longer has the deletion
        again = opened(tmp_path)
        assert again.version > last
        last = again.version


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_line_that_a_crash_cut_short_is_dropped(opened: Opened, tmp_path: Path, cut: int) -> None:
    first = opened(tmp_path)
    first.create("configmaps", config_map("a"))
    log = tmp_path / "changes.jsonl"
    whole = log.read_bytes()
    first.create("configmaps", config_map("b"))
    log.write_bytes(log.read_bytes()[: len(whole) + cut])
    second = opened(tmp_path)
    assert [obj["metadata"]["name"] for obj in second.list("configmaps")] == ["a"]
    second.create("configmaps", config_map("c"))
    assert [obj["metadata"]["name"] for obj in opened(tmp_path).list("configmaps")] == ["a", "c"]


def test_a_long_log_is_folded_into_a_snapshot(opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "_FOLD_AFTER", 10)
    first = opened(tmp_path)
    for i in range(25):
        first.create("configmaps", config_map(f"n{i:02d}"))
    assert len((tmp_path / "changes.jsonl").read_bytes().splitlines()) == 5
    assert contents(opened(tmp_path)) == contents(first)


def test_a_crash_between_snapshot_and_log_tells_nothing_twice(opened: Opened, tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.create("configmaps", config_map("a"))
    first.delete("configmaps", "default", "a")
    first.create("configmaps", config_map("b"))
    log = (tmp_path / "changes.jsonl").read_bytes()
    opened(tmp_path)  # folds
    (tmp_path / "changes.jsonl").write_bytes(log)
    assert [obj["metadata"]["name"] for obj in opened(tmp_path).list("configmaps")] == ["b"]


def test_a_watch_of_before_the_restart_is_expired(opened: Opened, tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.create("configmaps", config_map("a"))
    assert opened(tmp_path).history.since("configmaps", first.version) is None


def test_the_token_outlives_a_restart_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    tokens = set()
    for _ in range(2):
        simulator = Simulator(VirtualClock(), root=tmp_path / "pods", state=tmp_path / "state", nodes=0)
        simulator.write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
        tokens.add(simulator.token)
        simulator.close()
    assert len(tokens) == 1
    assert (tmp_path / "state" / "token").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "kubeconfig").stat().st_mode & 0o777 == 0o600


def test_a_terminating_namespace_stays_so(opened: Opened, tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.create("namespaces", {"metadata": {"name": "team"}})
    body = config_map("stay")
    first.create("configmaps", {**body, "metadata": {**body["metadata"], "namespace": "team", "finalizers": ["a.b/c"]}})
    first.delete("namespaces", "", "team")
    second = opened(tmp_path)
    stay = second.get("configmaps", "team", "stay")
    with contextlib.suppress(ApiError):
        second.create("configmaps", {"metadata": {"name": "x", "namespace": "team"}})
    second.update("configmaps", {**stay, "metadata": {**stay["metadata"], "finalizers": []}})
    assert second.find("namespaces", "", "team") is None
