"""Watches: where they begin, what they tell, how they end."""

from typing import Any

import pytest

from tests.contract.client import Client, config_map, thing
from tests.contract.servers import Paths
from tests.contract.test_lists import make, version

WATCH_LIST = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}


def shown(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}])
def test_a_watch_without_version_begins_with_every_object_in_name_order(
    kube: Client, ns: Paths, n: str, query: dict[str, str]
) -> None:
    make(kube, f"{ns.core}/configmaps", f"{n}-b", f"{n}-a")
    events = kube.watch(f"{ns.core}/configmaps", seconds=1, **query)
    found = [name for _, name in shown(events)]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert {event["type"] for event in events} == {"ADDED"}
    assert found == sorted(found)
    assert versions != sorted(versions)


def test_a_watch_from_a_version_shows_what_came_after_and_then_what_comes(kube: Client, ns: Paths, n: str) -> None:
    path = f"{ns.core}/configmaps"
    first, _ = make(kube, path, f"{n}-a", f"{n}-b")
    with kube.watching(path, resourceVersion=first) as events:
        make(kube, path, f"{n}-c")
        kube.patch(f"{path}/{n}-a", {"data": {"k": "1"}})
        kube.delete(f"{path}/{n}-a")
        assert shown(events.next(4)) == [
            ("ADDED", f"{n}-b"), ("ADDED", f"{n}-c"), ("MODIFIED", f"{n}-a"), ("DELETED", f"{n}-a"),
        ]  # fmt: skip


def test_a_watch_of_an_expired_version_is_an_error_event_in_a_200(kube: Client, ns: Paths) -> None:
    """A kind installed later than version 1 has no history at version 1."""
    [event] = kube.watch(ns.things, resourceVersion=1)
    assert event["type"] == "ERROR"
    assert (event["object"]["kind"], event["object"]["code"], event["object"]["reason"]) == ("Status", 410, "Expired")
    assert event["object"]["message"].startswith("too old resource version: 1 (")


@pytest.mark.parametrize("plural", ["configmaps", "things", "pods"])
def test_a_watch_list_ends_its_burst_with_an_annotated_bookmark(kube: Client, ns: Paths, n: str, plural: str) -> None:
    kube.post(ns.things, thing(n))
    path = ns.things if plural == "things" else f"{ns.core}/{plural}"
    with kube.watching(path, **WATCH_LIST) as events:
        found = events.until(lambda event: event["type"] == "BOOKMARK")
        assert {event["type"] for event in found[:-1]} <= {"ADDED"}
        mark = found[-1]["object"]["metadata"]
        assert mark["annotations"] == {"k8s.io/initial-events-end": "true"}
        versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in found[:-1]]
        assert int(mark["resourceVersion"]) >= max([0, *versions])
        if plural == "configmaps":
            make(kube, path, f"{n}-live")
            assert shown(events.next(1)) == [("ADDED", f"{n}-live")]


def test_a_watch_list_without_bookmarks_never_says_that_its_burst_has_ended(kube: Client, ns: Paths, n: str) -> None:
    make(kube, f"{ns.core}/configmaps", n)
    query = {key: value for key, value in WATCH_LIST.items() if key != "allowWatchBookmarks"}
    assert "BOOKMARK" not in {event["type"] for event in kube.watch(f"{ns.core}/configmaps", **query)}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            {"sendInitialEvents": "true"},
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (
            {"resourceVersionMatch": "NotOlderThan", "resourceVersion": "5"},
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
    ],
)
def test_the_parameters_of_a_watch_list_come_together_or_are_refused(
    kube: Client, ns: Paths, query: dict[str, str], message: str
) -> None:
    answer = kube.get(f"{ns.core}/configmaps", watch="true", timeoutSeconds=1, **query)
    assert answer.status_code == 422
    assert answer.json()["details"]["causes"][0]["message"] == message


def test_a_watch_list_of_the_future_is_a_timeout_event(kube: Client, ns: Paths) -> None:
    events = kube.watch(f"{ns.core}/configmaps", seconds=6, resourceVersion=99999999999, **WATCH_LIST)
    assert [(e["type"], e["object"]["code"], e["object"]["reason"]) for e in events] == [("ERROR", 504, "Timeout")]


def test_a_plain_watch_of_the_future_is_silent_and_skips_events(kube: Client, ns: Paths, n: str) -> None:
    """The trap after a restored etcd: no error, no bookmark, and everything below the version is lost."""
    path = f"{ns.core}/configmaps"
    ahead = version(kube.get(path)) + 100_000
    with kube.watching(path, seconds=3, resourceVersion=ahead, allowWatchBookmarks="true") as events:
        make(kube, path, n)
        assert list(events) == []


def test_a_watch_version_that_is_no_number_is_a_bare_500(kube: Client, ns: Paths) -> None:
    answer = kube.get(f"{ns.core}/configmaps", watch="true", resourceVersion="abc")
    assert answer.status_code == 500
    assert "reason" not in answer.json()
    assert 'parsing "abc": invalid syntax' in answer.json()["message"]


def test_objects_enter_and_leave_a_selector(kube: Client, ns: Paths, n: str) -> None:
    path = f"{ns.core}/configmaps"
    with kube.watching(path, labelSelector=f"t={n}", resourceVersion=version(kube.get(path))) as events:
        kube.post(path, config_map(n))
        kube.patch(f"{path}/{n}", {"metadata": {"labels": {"t": n}}})
        kube.patch(f"{path}/{n}", {"data": {"k": "1"}})
        kube.patch(f"{path}/{n}", {"data": {"k": "1"}})  # changes nothing, tells nothing
        left = version(kube.patch(f"{path}/{n}", {"metadata": {"labels": {"t": "x"}}, "data": {"k": "2"}}))
        found = events.next(3)
    assert [event["type"] for event in found] == ["ADDED", "MODIFIED", "DELETED"]
    last = found[-1]["object"]
    assert (last["data"], last["metadata"]["labels"]) == ({"k": "1"}, {"t": n})
    assert last["metadata"]["resourceVersion"] == str(left)


def test_a_deletion_and_a_creation_under_one_name_are_two_events_with_two_uids(kube: Client, ns: Paths, n: str) -> None:
    path = f"{ns.core}/configmaps"
    [made] = make(kube, path, n)
    with kube.watching(path, resourceVersion=made) as events:
        kube.delete(f"{path}/{n}")
        make(kube, path, n)
        gone, came = events.next(2)
    assert (gone["type"], came["type"]) == ("DELETED", "ADDED")
    assert gone["object"]["metadata"]["uid"] != came["object"]["metadata"]["uid"]
    assert int(gone["object"]["metadata"]["resourceVersion"]) > made


def test_events_arrive_in_the_order_of_versions(kube: Client, ns: Paths, n: str) -> None:
    start = version(kube.get(ns.things))
    with kube.watching(ns.things, resourceVersion=start) as events:
        written = [version(kube.post(ns.things, thing(f"{n}-{i:03d}"))) for i in range(100)]
        assert [int(e["object"]["metadata"]["resourceVersion"]) for e in events.next(100)] == written


def test_events_carry_the_kind_of_their_object(kube: Client, ns: Paths, n: str) -> None:
    start = version(kube.get(ns.things))
    kube.post(ns.things, thing(n))
    with kube.watching(ns.things, resourceVersion=start) as events:
        [event] = events.next(1)
    assert event["object"]["kind"] == "Thing"


def test_one_object_can_be_watched_by_its_name(kube: Client, ns: Paths, n: str) -> None:
    path = f"{ns.core}/configmaps"
    _, start = make(kube, path, n, f"{n}-other")
    with kube.watching(path, resourceVersion=start, fieldSelector=f"metadata.name={n}") as events:
        kube.patch(f"{path}/{n}-other", {"data": {"k": "1"}})
        kube.patch(f"{path}/{n}", {"data": {"k": "1"}})
        assert shown(events.next(1)) == [("MODIFIED", n)]


def test_a_get_of_one_object_is_no_watch_whatever_the_query_says(kube: Client, ns: Paths, n: str) -> None:
    make(kube, f"{ns.core}/configmaps", n)
    answer = kube.get(f"{ns.core}/configmaps/{n}", watch="true", timeoutSeconds=1)
    assert (answer.status_code, answer.json()["metadata"]["name"]) == (200, n)


def test_an_idle_watch_gets_a_bookmark_before_its_end(kube: Client, ns: Paths, n: str) -> None:
    path = f"{ns.core}/configmaps"
    start = version(kube.get(path))
    kube.post(f"{ns.core}/secrets", {"metadata": {"name": n}})
    events = kube.watch(path, seconds=12, resourceVersion=start, allowWatchBookmarks="true")
    assert {event["type"] for event in events} == {"BOOKMARK"}
    mark = events[-1]["object"]
    assert (mark["kind"], mark["apiVersion"]) == ("ConfigMap", "v1")
    assert int(mark["metadata"]["resourceVersion"]) >= start
    assert not {"annotations", "name", "namespace", "uid"} & mark["metadata"].keys()
