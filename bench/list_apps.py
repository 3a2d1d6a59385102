"""`GET /v2/apps` of 1,000 running apps, against the same bytes from a bare ASGI app.

Both are served by uvicorn in this process, over loopback, to the same client that opens a connection for every request
(its cost is in both figures, as it is for real clients). The two are asked in turn, so that a busy machine slows both;
the figure is the ratio of the medians. `unchanged`: nothing has happened since the last request. `changed`: one app was
scaled before each request, which is not counted. Run: python bench/list_apps.py [--apps N] [--rounds N]
"""

import argparse
import asyncio
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import uvicorn

from tests.api.house import House

BATCH = 50


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    """The port of a uvicorn that serves `app` until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


async def fetch(port: int, path: str = "/v2/apps") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(-1), 60)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"GET {path}: {head[:100]!r}")
    return body


async def seconds(port: int) -> float:
    begin = time.perf_counter()
    await fetch(port)
    return time.perf_counter() - begin


async def compare(one: int, other: int, rounds: int, before: Callable[[int], Awaitable[object]]) -> float:
    """The ratio of the medians of `one` and `other`, asked in turn; `before` runs before every pair."""
    ones, others = [], []
    for i in range(rounds):
        await before(i)
        ones.append(await seconds(one))
        others.append(await seconds(other))
    return statistics.median(ones) / statistics.median(others)


async def fill(house: House, apps: int, **more: Any) -> None:
    """Posts that many apps like those found in the wild, each with the fields of `more`, and lets them run."""
    for begin in range(0, apps, BATCH):
        for i in range(begin, min(begin + BATCH, apps)):
            health = [{"protocol": "HTTP", "path": "/health", "portIndex": 0}]
            labels = {"HAPROXY_GROUP": "external", "HAPROXY_0_VHOST": f"app{i}.example.com"}
            answer = await house.post_app(f"/team{i % 20}/app{i}", labels=labels, healthChecks=health, **more)
            if answer.status_code != 201:
                raise SystemExit(f"POST of app {i}: {answer.status_code} {answer.text}")
        await house.roll()
        print(f"\r{begin + BATCH} of {apps} apps", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


async def main(apps: int, rounds: int) -> None:
    async with House(max_running_deployments=1000) as house:
        await fill(house, apps)
        async with served(house.app) as gateway:
            body = await fetch(gateway)

            async def bare(scope: Any, receive: Any, send: Any) -> None:
                headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": body})

            async def nothing(_: int) -> None:
                return None

            async def scale(i: int) -> None:
                await house.client.put(f"/v2/apps/team{i % 20}/app{i}", json={"instances": 2})
                await house.roll()

            async with served(bare) as baseline:
                unchanged = await compare(gateway, baseline, rounds, nothing)
                changed = await compare(gateway, baseline, min(rounds, 40), scale)
    size = f"{apps} apps, {len(body) / 1024:.0f} KiB"
    print(f"list_apps  unchanged  {unchanged:6.2f} x the same bytes from a bare ASGI app ({size})")
    print(f"list_apps  changed    {changed:6.2f} x the same bytes from a bare ASGI app ({size}, one app scaled before)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=100)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.apps, arguments.rounds))
