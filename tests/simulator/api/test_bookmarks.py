"""What would take minutes on a server whose time is nobody's."""

from tests.contract.client import Client


def test_an_idle_watch_gets_a_bookmark_about_once_a_minute(kube: Client) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    start = kube.get(path).json()["metadata"]["resourceVersion"]
    events = kube.watch(path, seconds=195, resourceVersion=start, allowWatchBookmarks="true")
    assert len([event for event in events if event["type"] == "BOOKMARK"]) in (3, 4, 5)  # one or two before the end
