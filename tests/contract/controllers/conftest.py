"""Nodes that no kubelet runs on, kept alive by hand, and the shorthands over what runs there."""

import threading
import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.contract.client import Client
from tests.contract.controllers.workload import Workload
from tests.contract.servers import Paths, Server
from tests.processes import eventually

_BEAT_EVERY_S = 10.0  # a real cluster gives a node up after 50 s

Nodes = Callable[..., list[str]]


@pytest.fixture(scope="session")
def heart(server: Server) -> Iterator["Heart"]:
    """Keeps nodes ready, one for the session."""
    beating = Heart(server)
    yield beating
    beating.stop()


class Heart:
    """Plays the part of the kubelets that tell the server that their nodes are well."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._names: set[str] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def add(self, kube: Client, name: str, *, labels: dict[str, str], size: dict[str, str]) -> None:
        own = {"kubernetes.io/hostname": name, **labels}
        made = kube.post("/api/v1/nodes", {"metadata": {"name": name, "labels": own}})
        assert made.status_code == 201, made.text
        written = kube.patch(
            f"/api/v1/nodes/{name}/status", {"status": {"capacity": size, "allocatable": size}}, "strategic"
        )
        assert written.status_code == 200, written.text
        self.say(kube, name, "True")
        self._names.add(name)

    def say(self, kube: Client, name: str, status: str, reason: str = "Contract", message: str = "") -> None:
        """Tells the node's readiness, and goes on telling it only while it is ready."""
        (self._names.add if status == "True" else self._names.discard)(name)
        now = Workload(kube, Paths("default")).now()
        ready = {"type": "Ready", "status": status, "reason": reason, "message": message, "lastHeartbeatTime": now}
        body = {"status": {"conditions": [{**ready, "lastTransitionTime": now}]}}
        assert kube.patch(f"/api/v1/nodes/{name}/status", body, "strategic").status_code == 200

    def forget(self, name: str) -> None:
        self._names.discard(name)

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(10)

    def _beat(self) -> None:
        client = self._server.client()
        while not self._stopped.wait(_BEAT_EVERY_S):
            now = Workload(client, Paths("default")).now()
            body = {"status": {"conditions": [{"type": "Ready", "lastHeartbeatTime": now}]}}
            for name in tuple(self._names):
                client.patch(f"/api/v1/nodes/{name}/status", body, "strategic")
        client.close()


SIZE = {"cpu": "8", "memory": "16Gi", "pods": "110"}


@pytest.fixture
def nodes(kube: Client, heart: Heart) -> Iterator[Nodes]:
    """`nodes(2, zone=["a", "b"], size={…})`: ready nodes of this test's own, labelled `pool` with the first one's name."""
    made: list[str] = []
    pool = f"pool-{uuid.uuid4().hex[:6]}"

    def make(count: int, *, size: dict[str, str] | None = None, **labels: list[str]) -> list[str]:
        names = [f"{pool}-{len(made) + i}" for i in range(count)]
        for i, name in enumerate(names):
            given = {key: values[i % len(values)] for key, values in labels.items()}
            made.append(name)
            heart.add(kube, name, labels={"pool": pool, **given}, size=size or SIZE)
        for name in names:
            eventually(lambda name=name: not kube.get(f"/api/v1/nodes/{name}").json()["spec"].get("taints"))
        return names

    yield make
    for name in made:
        heart.forget(name)
        kube.delete(f"/api/v1/nodes/{name}")


@pytest.fixture(scope="session")
def pool(kube: Client, heart: Heart) -> Iterator[dict[str, str]]:
    """The node selector of three ready nodes that tests share."""
    names = [f"shared-{uuid.uuid4().hex[:6]}-{i}" for i in range(3)]
    selector = {"shared-pool": "yes"}
    for name in names:
        heart.add(kube, name, labels=selector, size={"cpu": "64", "memory": "256Gi", "pods": "500"})
    for name in names:
        eventually(lambda name=name: not kube.get(f"/api/v1/nodes/{name}").json()["spec"].get("taints"))
    yield selector
    for name in names:
        heart.forget(name)
        kube.delete(f"/api/v1/nodes/{name}")


@pytest.fixture
def one(pool: dict[str, str], kube: Client) -> dict[str, str]:
    """The node selector of one of them."""
    names = [
        node["metadata"]["name"] for node in kube.get("/api/v1/nodes", labelSelector="shared-pool=yes").json()["items"]
    ]
    return {**pool, "kubernetes.io/hostname": names[0]}


@pytest.fixture
def work(kube: Client, ns: Paths) -> Workload:
    return Workload(kube, ns)


@pytest.fixture
def spare(kube: Client, n: str) -> Iterator[Paths]:
    """A namespace for one test."""
    assert kube.post("/api/v1/namespaces", {"metadata": {"name": n}}).status_code == 201
    eventually(lambda: kube.get(f"/api/v1/namespaces/{n}/serviceaccounts/default").status_code == 200)
    yield Paths(n)
    kube.delete(f"/api/v1/namespaces/{n}")
