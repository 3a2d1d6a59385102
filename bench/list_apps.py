"""`GET /v2/apps` of 1,000 running apps, against the same bytes from a bare ASGI app.

The gateway is composed as `mgw serve` does it, on a cluster in memory; the bare app sends one constant body. Each is served by a
uvicorn (uvloop, httptools, no access log) in a process of its own, over loopback, to one client with a kept connection to
each. Rounds of the two take turns, and one round beforehand does not count.

`wall` is the time of a request as the client sees it, with the transfer of the body, which is the same in both; `CPU` is that of the
server's process. `unchanged`: nothing has happened since the last request. `changed`: one app was scaled before each
request (which is not in the figure), and the bare app is asked after the same pause. After a pause both are slower than in
a row, so the two kinds are not to be compared with each other.
"""

import itertools
import multiprocessing
import socket
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
import uvloop

from bench import wire
from bench.fleet import definition
from bench.measuring import cpu_s, parser, progress, ratio, report
from gateway.engines.engine import Origin
from tests.api.house import House

App = Callable[[Any, Any, Any], Awaitable[None]]

_BATCH = 50
_PATH = "/v2/apps"


class Server:
    """A process that serves what `make` makes, and one kept connection to it."""

    def __init__(self, make: Callable[[], Awaitable[App]]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:  # who connects before uvicorn runs waits
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            fork = multiprocessing.get_context("fork")
            self._process = fork.Process(target=_serve, args=(make, listener), daemon=True)
            self._process.start()
        self.connection = wire.Connection(wire.Server(url))

    def wall(self) -> float:
        begin = time.perf_counter()
        self.connection.get(_PATH)
        return time.perf_counter() - begin

    def cpu(self) -> float:
        assert self._process.pid
        return cpu_s(self._process.pid)

    def round(self, requests: int) -> tuple[float, float]:
        """The median wall time of a request, and the server's CPU time of all."""
        before = self.cpu()
        walls = [self.wall() for _ in range(requests)]
        return statistics.median(walls), self.cpu() - before

    def close(self) -> None:
        self.connection.close()
        self._process.terminate()
        self._process.join(10)


def _serve(make: Callable[[], Awaitable[App]], listener: socket.socket) -> None:
    async def run() -> None:
        app = await make()
        config = uvicorn.Config(app, loop="none", http="httptools", lifespan="off", access_log=False, log_config=None)
        await uvicorn.Server(config).serve(sockets=[listener])

    uvloop.run(run())


@contextmanager
def served(make: Callable[[], Awaitable[App]]) -> Iterator[Server]:
    server = Server(make)
    try:
        yield server
    finally:
        server.close()


def gateway(apps: int) -> Callable[[], Awaitable[App]]:
    """The gateway with that many running apps; `POST /change` scales the next one and lets it run."""

    async def make() -> App:
        house = House(max_running_deployments=1000)
        for begin in range(0, apps, _BATCH):
            for number in range(begin, min(begin + _BATCH, apps)):
                await house.engine.create_app(definition(number, 1), force=False, origin=Origin())
            await house.roll()
        turn = itertools.count()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] != "/change":
                await house.app(scope, receive, send)
                return
            rounds, number = divmod(next(turn), apps)
            path = f"{_PATH}/{definition(number, 1)['id']}"
            answer = await house.client.put(path, json={"instances": 2 + rounds})
            answer.raise_for_status()
            await house.roll()
            await constant(answer.content)(scope, receive, send)

        return app

    return make


def bare(body: bytes) -> Callable[[], Awaitable[App]]:
    async def make() -> App:
        return constant(body)

    return make


def constant(body: bytes) -> App:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def unchanged(one: Server, other: Server, rounds: int, requests: int) -> list[tuple[tuple[float, float], ...]]:
    pairs = []
    for number in range(rounds + 1):
        progress(f"unchanged, round {number} of {rounds}")
        pairs.append((one.round(requests), other.round(requests)))
    return pairs[1:]


def changed(one: Server, other: Server, requests: int) -> list[tuple[float, float]]:
    pairs = []
    for _ in range(requests + 1):
        one.connection.must("POST", "/change")
        pairs.append((one.wall(), 0.0))
        one.connection.must("POST", "/change")
        pairs[-1] = (pairs[-1][0], other.wall())
    return pairs[1:]


def measure(apps: int, rounds: int, requests: int, changes: int) -> None:
    progress(f"making {apps} apps")
    with served(gateway(apps)) as one:
        body = one.connection.get(_PATH)
        with served(bare(body)) as other:
            if other.connection.get(_PATH) != one.connection.get(_PATH):
                raise SystemExit("the two do not send the same bytes")
            still = unchanged(one, other, rounds, requests)
            after = changed(one, other, changes)
    what = f"the same bytes from a bare ASGI app  [{apps} apps, {len(body) / 1024:.0f} KiB]"
    for name, i in (("wall", 0), ("CPU ", 1)):
        figure = ratio([ours[i] for ours, _ in still], [theirs[i] for _, theirs in still])
        report("list_apps", f"unchanged, {name}", figure, what)
    ones, others = zip(*after, strict=True)
    report("list_apps", "changed, wall  ", ratio(ones, others), what)


def main() -> None:
    arguments = parser(__doc__, clusters=False)
    arguments.add_argument("--apps", type=int, default=1000)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--requests", type=int, default=300, help="in a round (default: %(default)s)")
    arguments.add_argument("--changes", type=int, default=25)
    given = arguments.parse_args()
    quick = (20, 1, 3, 2)
    measure(*(quick if given.quick else (given.apps, given.rounds, given.requests, given.changes)))


if __name__ == "__main__":
    main()
