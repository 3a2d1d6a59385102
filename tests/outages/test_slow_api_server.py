"""An API server that is slow, refuses for a while, or says nothing: answers are late, none is wrong, none is lost."""

from collections.abc import Iterator

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.gateways import EventStream, Gateway
from tests.installations import ACCOUNT, Installation
from tests.outages.proxy import Proxy
from tests.outages.watching import Watcher, web
from tests.processes import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def proxy(control_plane: ControlPlane) -> Iterator[Proxy]:
    with Proxy(control_plane) as started:
        yield started


@pytest.fixture(scope="module")
def behind(control_plane: ControlPlane, installation: Installation, proxy: Proxy) -> Iterator[Gateway]:
    """A gateway that reaches the API server through the proxy only."""
    token = control_plane.account_token(installation.namespace, ACCOUNT)
    config = control_plane.home / f"{installation.namespace}-proxy.kubeconfig"
    control_plane.write_kubeconfig(config, namespace=installation.namespace, token=token)
    config.write_text(config.read_text().replace(control_plane.url, proxy.url))
    with installation.gateway(kubeconfig=config) as started:
        yield started.await_serving().await_leader()


def test_a_slow_api_server_makes_changes_slow_and_reads_not(proxy: Proxy, behind: Gateway) -> None:
    with EventStream(behind.base) as stream:
        proxy.delay_s = 0.4
        answer = behind.client.post("/v2/apps", json=web("/slow", instances=3))
        assert answer.status_code == 201
        assert answer.elapsed.total_seconds() >= 0.4
        reads = [behind.client.get("/v2/apps").elapsed.total_seconds() for _ in range(10)]
        assert sorted(reads)[5] < 0.2
        behind.settle(60)
        behind.change("/slow", {"env": {"A": "b"}})
        behind.settle(60)
        assert behind.app("/slow")["tasksRunning"] == 3
        stream.wait(lambda stream: len(list(stream.deployments())) == 2)
        assert {kind for _, kind in stream.deployments()} == {"deployment_success"}


def test_an_api_server_that_says_429_for_a_while_is_asked_again_when_it_wants(proxy: Proxy, behind: Gateway) -> None:
    behind.create(web("/full"))
    with EventStream(behind.base) as stream:
        with Watcher(behind.base, {"/full": 2}):
            proxy.refusing = True
            refused = behind.client.put("/v2/apps//full", json={"instances": 5})
            proxy.refusing = False
        assert (refused.status_code, bool(refused.json()["message"])) == (503, True)
        assert 2 <= proxy.refused["POST marathondeployments"] <= 4, "it waits for Retry-After, and tries a few times"
        behind.await_leader()
        eventually(lambda: behind.client.put("/v2/apps//full", json={"instances": 3}).status_code == 200)
        behind.settle()
        stream.wait(lambda stream: len(stream.states("/full")) == 1)
        assert list(stream.states("/full").values()) == [["TASK_STARTING", "TASK_RUNNING"]]


def test_an_api_server_that_falls_silent_is_an_outage_that_ends(proxy: Proxy, behind: Gateway) -> None:
    """No connection is closed and nothing comes: reads go on, the leadership ends in time, and all resumes."""
    behind.create(web("/silent"))
    with EventStream(behind.base) as stream:
        with Watcher(behind.base, {"/silent": 2}):
            proxy.silence()
            eventually(lambda: behind.client.get("/v2/leader").status_code == 404)
            proxy.silence(False)
            behind.await_leader()
        behind.change("/silent", {"instances": 3})
        behind.settle()
        stream.wait(lambda stream: len(stream.states("/silent")) == 1)
        assert list(stream.states("/silent").values()) == [["TASK_STARTING", "TASK_RUNNING"]]
