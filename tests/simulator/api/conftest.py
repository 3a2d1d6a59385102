"""The API server under test: the embedded one on a socket, or, with KUBE_URL, KUBE_TOKEN and KUBE_CA set, a real one.

The embedded one runs in a thread of its own and its time is twenty times as fast, so that a minute between bookmarks takes three
seconds; nothing else in the tests depends on which of the two answers.
"""

import asyncio
import itertools
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.simulator.cluster import Simulator
from tests.simulator.api.client import GROUP, Client

THINGS = json.loads(Path(__file__).with_name("things.json").read_text())
IS_REAL = bool(os.environ.get("KUBE_URL"))
_FASTER = 20.0
_numbers = itertools.count(1)


class FastClock:
    def time(self) -> float:
        return time.time() + (_FASTER - 1) * (time.monotonic() - _STARTED)

    def monotonic(self) -> float:
        return time.monotonic() * _FASTER

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s / _FASTER)


_STARTED = time.monotonic()


@dataclass(frozen=True)
class Server:
    url: str
    token: str
    ca: str | None = None


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if IS_REAL:
        yield Server(os.environ["KUBE_URL"], os.environ.get("KUBE_TOKEN", ""), os.environ.get("KUBE_CA"))
        return
    simulator = Simulator(FastClock(), root=tmp_path_factory.mktemp("pods"), nodes=0)
    with in_a_thread(simulator) as url:
        yield Server(url, simulator.token)


class in_a_thread:  # noqa: N801 - reads as a word
    """Serves the simulator from a thread for the time of a block."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> str:
        self._thread.start()
        assert self._ready.wait(20)
        return self.url

    def __exit__(self, *_: object) -> None:
        self.call(self._stop.set)
        self._thread.join(20)

    def call(self, function: Callable[[], object]) -> None:
        """Runs it on the simulator's loop, and waits until it has run."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (function(), done.set()))
        assert done.wait(20)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._simulator.serving("127.0.0.1", 0) as self.url:
            self._ready.set()
            await self._stop.wait()


@pytest.fixture(scope="session")
def kube(server: Server) -> Iterator[Client]:
    client = Client(server.url, server.token, server.ca)
    yield client
    client.close()


@dataclass(frozen=True)
class Paths:
    name: str

    @property
    def core(self) -> str:
        return f"/api/v1/namespaces/{self.name}"

    @property
    def apps(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.name}"

    @property
    def leases(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.name}/leases"

    @property
    def things(self) -> str:
        return f"/apis/{GROUP}/v1/namespaces/{self.name}/things"


@pytest.fixture(scope="session")
def things(kube: Client) -> None:
    """The contract's custom resource, installed and served."""
    made = kube.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", THINGS)
    assert made.status_code in (201, 409), made.text
    end = time.monotonic() + 20
    while kube.get(f"/apis/{GROUP}/v1/things").status_code != 200:
        assert time.monotonic() < end, "the custom resource is not served"


@pytest.fixture(scope="module")
def ns(kube: Client, things: None) -> Iterator[Paths]:
    """A fresh namespace."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    assert kube.post("/api/v1/namespaces", {"metadata": {"name": name}}).status_code == 201
    yield Paths(name)
    kube.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def n() -> str:
    """A name that no other test uses."""
    return f"c{next(_numbers)}-{uuid.uuid4().hex[:6]}"
