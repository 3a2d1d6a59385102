"""The two API servers of the contract: the simulator on a socket, and a real one.

The simulator runs in a thread of its own and its time is twenty times as fast, so that a minute between bookmarks takes three
seconds; nothing else in the tests depends on which of the two answers.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.simulator.cluster import Simulator
from tests.contract.client import GROUP, Client
from tests.controlplane.cluster import ControlPlane

__all__ = ["FASTER", "FastClock", "Paths", "Server", "in_a_thread", "simulator_serving"]

FASTER = 20.0


class FastClock:
    def time(self) -> float:
        return time.time() + (FASTER - 1) * (time.monotonic() - _STARTED)

    def monotonic(self) -> float:
        return time.monotonic() * FASTER

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s / FASTER)


_STARTED = time.monotonic()


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


@dataclass(frozen=True)
class Server:
    """One of the two. `simulator` and `thread`, or `control_plane`, are there for what no request can do to it."""

    url: str
    token: str
    ca: str | None = None
    simulator: Simulator | None = None
    thread: in_a_thread | None = None
    control_plane: ControlPlane | None = None

    @property
    def is_real(self) -> bool:
        return self.simulator is None

    def seconds(self, time_s: float) -> float:
        """How long the test has to wait for what takes the server `time_s`."""
        return time_s if self.is_real else time_s / FASTER

    def client(self, token: str | None = None) -> Client:
        """As the administrator, or with another token. Close it."""
        return Client(self.url, self.token if token is None else token, self.ca)


@dataclass(frozen=True)
class Paths:
    """Of one namespace."""

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
    def policy(self) -> str:
        return f"/apis/policy/v1/namespaces/{self.name}"

    @property
    def things(self) -> str:
        return f"/apis/{GROUP}/v1/namespaces/{self.name}/things"


@contextlib.contextmanager
def simulator_serving(root: Path) -> Iterator[Server]:
    """A simulator without nodes for the time of a block; `root` is for the files of its pods."""
    simulator = Simulator(FastClock(), root=root, nodes=0)
    thread = in_a_thread(simulator)
    with thread as url:
        yield Server(url, simulator.token, simulator=simulator, thread=thread)
