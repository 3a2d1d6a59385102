"""What ends with a compaction and with a restart: 410 as an answer, and 410 as an event in a 200."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.client import Client
from tests.contract.servers import simulator_serving
from tests.contract.test_lists import make, version
from tests.controlplane.cluster import ControlPlane

PATH = "/api/v1/namespaces/default/configmaps"
# Without its cache of this kind the server answers from etcd alone, which forgets when it is told to, and only then.
UNCACHED = ("--watch-cache-sizes=configmaps#0", "--etcd-compaction-interval=0")


@dataclass(frozen=True)
class Mortal:
    """A server of the test's own."""

    kube: Client
    compact: Callable[[], object]
    restart: Callable[[], object]


@pytest.fixture(params=["simulator", pytest.param("real", marks=pytest.mark.controlplane)])
def started(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Mortal]]:
    """Starts one of the two, the real one with these flags of its API server."""
    clients: list[Client] = []
    if request.param == "simulator":
        with simulator_serving(tmp_path) as server:
            assert server.simulator
            assert server.thread
            objects, call = server.simulator.objects, server.thread.call
            clients.append(server.client())
            mortal = Mortal(clients[0], lambda: call(objects.compact), lambda: call(objects.restart))
            yield lambda *_: mortal
            clients[0].close()
        return
    start: Callable[..., ControlPlane] = request.getfixturevalue("another_control_plane")

    def real(*flags: str) -> Mortal:
        one = start(flags={"kube-apiserver": flags})
        clients.append(Client(one.url, one.token, str(one.ca)))
        return Mortal(clients[-1], one.compact, lambda: one.restart("kube-apiserver"))

    yield real
    for client in clients:
        client.close()


def test_a_compaction_ends_pages_and_lists_of_the_past_and_offers_to_go_on_inconsistently(
    started: Callable[..., Mortal],
) -> None:
    server = started(*UNCACHED)
    kube = server.kube
    make(kube, PATH, *(f"n-{i}" for i in range(4)))
    page = kube.get(PATH, limit=1).json()["metadata"]
    make(kube, PATH, "n-9")
    server.compact()
    answer = kube.get(PATH, limit=1, continue_=page["continue"])
    assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")
    assert answer.json()["message"].startswith("The provided continue parameter is too old")
    rest = kube.get(PATH, continue_=answer.json()["metadata"]["continue"]).json()
    names = [item["metadata"]["name"] for item in rest["items"] if item["metadata"]["name"].startswith("n-")]
    assert names[-1] == "n-9"
    assert "n-0" not in names
    exact = kube.get(PATH, resourceVersion=page["resourceVersion"], resourceVersionMatch="Exact")
    assert (exact.status_code, exact.json()["reason"]) == (410, "Expired")
    assert exact.json()["message"] == "The resourceVersion for the provided list is too old."


def test_a_restart_ends_every_older_watch_but_no_list_of_the_past(started: Callable[..., Mortal]) -> None:
    server = started()
    kube = server.kube
    [made] = make(kube, PATH, "a")
    page = kube.get(PATH, limit=1).json()["metadata"]
    make(kube, PATH, "b")
    server.restart()
    [event] = kube.watch(PATH, resourceVersion=made)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert event["object"]["message"].startswith(f"too old resource version: {made} (")
    past = kube.get(PATH, resourceVersion=made, resourceVersionMatch="Exact").json()
    assert {item["metadata"]["name"] for item in past["items"]} == {"a"}
    rest = kube.get(PATH, limit=1, continue_=page["continue"]).json() if page.get("continue") else None
    assert rest is None or rest["metadata"]["resourceVersion"] == page["resourceVersion"]
    now = version(kube.get(PATH))
    with kube.watching(PATH, resourceVersion=now) as events:
        make(kube, PATH, "c")
        assert events.next(1)[0]["object"]["metadata"]["name"] == "c"
