"""The embedded API server misbehaves on command."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gateway.simulator.cluster import Simulator
from tests.contract.client import Client, config_map
from tests.contract.servers import FastClock, in_a_thread
from tests.contract.test_lists import make, version

PATH = "/api/v1/namespaces/default/configmaps"


@dataclass(frozen=True)
class Broken:
    simulator: Simulator
    thread: in_a_thread
    kube: Client


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Broken]:
    simulator = Simulator(FastClock(), root=tmp_path, nodes=0)
    thread = in_a_thread(simulator)
    with thread as url:
        client = Client(url, simulator.token)
        yield Broken(simulator, thread, client)
        client.close()


def test_too_many_requests_are_refused_in_plain_text_with_a_time_to_wait(broken: Broken) -> None:
    broken.simulator.faults.refuse = ((429, "Too many requests, please try again later.\n"),)
    broken.simulator.faults.retry_after_s = 7
    answer = broken.kube.get(PATH)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "Too many requests, please try again later.\n"
    assert broken.kube.get(PATH).status_code == 200


def test_refusals_come_one_after_the_other(broken: Broken) -> None:
    broken.simulator.faults.refuse = ((502, "bad gateway"), (503, "apiserver is shutting down"))
    assert [broken.kube.get(PATH).status_code for _ in range(3)] == [502, 503, 200]


def test_an_answer_takes_its_time(broken: Broken) -> None:
    broken.simulator.faults.latency_s = 10  # half a second of ours
    with pytest.raises(httpx.ReadTimeout):
        broken.kube.http.get(PATH, timeout=0.2)


def test_a_watch_breaks_in_the_middle_of_a_line(broken: Broken) -> None:
    start = version(broken.kube.get(PATH))
    make(broken.kube, PATH, "a", "b")
    broken.simulator.faults.cut_after_bytes = 100
    received = b""
    query = {"watch": "true", "resourceVersion": str(start), "timeoutSeconds": "60"}
    with broken.kube.http.stream("GET", PATH, params=query) as answer:
        chunks = answer.iter_raw()
        while len(received) < 100:
            received += next(chunks)
        with pytest.raises(httpx.RemoteProtocolError):
            next(chunks)
    assert len(received) == 100
    with broken.kube.watching(PATH, resourceVersion=start) as events:
        assert len(events.next(2)) == 2


def test_a_silent_watch_says_nothing_until_its_end(broken: Broken) -> None:
    broken.simulator.faults.silent = True
    start = version(broken.kube.get(PATH))
    make(broken.kube, PATH, "a")
    assert broken.kube.watch(PATH, seconds=3, resourceVersion=start, allowWatchBookmarks="true") == []


def test_initial_events_come_mixed_up_and_twice(broken: Broken) -> None:
    make(broken.kube, PATH, "a", "b", "c")
    broken.simulator.faults.mixed_up = True
    events = broken.kube.watch(PATH, seconds=1)
    assert [event["object"]["metadata"]["name"] for event in events] == ["c", "b", "a", "c"]


def test_an_unreachable_server_resets_connections_until_it_is_back(broken: Broken) -> None:
    assert broken.kube.get(PATH).status_code == 200
    broken.simulator.faults.unreachable = True
    for _ in range(2):  # the open connection, then a new one
        with pytest.raises(httpx.TransportError):
            broken.kube.get(PATH)
    broken.simulator.faults.unreachable = False
    assert broken.kube.get(PATH).status_code == 200


def test_a_restored_server_counts_from_one_again(broken: Broken) -> None:
    for i in range(30):
        broken.kube.patch(f"{PATH}/a", {"data": {"i": str(i)}}) if i else broken.kube.post(PATH, config_map("a"))
    before = version(broken.kube.get(PATH))
    broken.thread.call(broken.simulator.objects.restart_versions)
    after = broken.kube.get(PATH)
    assert version(after) < before
    assert after.json()["items"][0]["data"] == {"i": "29"}
    assert broken.kube.get(PATH, resourceVersion=before).status_code == 504
