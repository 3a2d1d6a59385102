"""Cold start with 500 apps of 10 pods, against decoding the same bytes once.

The objects are those that 500 posted apps lead to, as lists in pages of 500 as the API server sends them. Counted is the
whole way of the bytes: list, decoding, indexes, and the view of instances that every answer reads. The baseline decodes
the same pages once, with `json.loads` (the least that any client does) and with `msgspec.json.decode`. The three take
turns; the figures are ratios of medians. Run: python bench/cold_start.py [--apps N] [--instances N] [--rounds N]
"""

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import msgspec

from bench.list_apps import fill
from gateway.clock import SystemClock
from gateway.kubernetes.cluster import Cluster, stores
from gateway.rollouts.instances import Instances
from tests.api.house import House

PAGE = 500


Lists = dict[str, list[bytes]]


class Pages:
    """An API server that has these lists, by path. `quiet` is set when every one is being watched."""

    def __init__(self, lists: Lists) -> None:
        self.lists = lists
        self.quiet = asyncio.Event()
        self._watches = 0

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, timeout_s: float = 30.0) -> bytes:
        return self.lists[path][int((params or {}).get("continue", "0"))]

    async def watch(self, path: str, params: Mapping[str, str], *, idle_timeout_s: float) -> AsyncIterator[bytes]:
        self._watches += 1
        if self._watches == len(self.lists):
            self.quiet.set()
        await asyncio.Event().wait()
        yield b""


async def lists(apps: int, instances: int) -> Lists:
    async with House(max_running_deployments=1000) as house:
        await fill(house, apps, instances=instances)
        found: Lists = {}
        for resource in stores():
            names = [item.metadata.name for item in house.cluster._stores[resource].values()]
            objects = [house.cluster.object(resource, name) for name in names]
            found[resource.path("marathon")] = [_page(objects, i) for i in range(0, max(len(objects), 1), PAGE)]
    return found


def _page(objects: list[dict[str, Any]], begin: int) -> bytes:
    more = str(begin // PAGE + 1) if begin + PAGE < len(objects) else ""
    metadata = {"resourceVersion": "1000000", "continue": more}
    return json.dumps({"metadata": metadata, "items": objects[begin : begin + PAGE]}).encode()


async def cold_start(content: Lists, pods: int) -> float:
    api = Pages(content)
    clock = SystemClock()
    begin = time.perf_counter()
    cluster = Cluster(api, namespace="marathon", clock=clock)  # type: ignore[arg-type]
    instances = Instances(cluster, clock=clock)
    task = asyncio.create_task(cluster.run())
    await asyncio.wait_for(api.quiet.wait(), 120)
    found = sum(len(instances.of(app.spec.id)) for app in cluster.apps.values())
    taken = time.perf_counter() - begin
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    if found != pods:
        raise SystemExit(f"{found} instances from {pods} pods")
    return taken


def decoding(content: Lists, decode: Callable[[bytes], Any]) -> float:
    begin = time.perf_counter()
    for page in itertools.chain(*content.values()):
        decode(page)
    return time.perf_counter() - begin


async def main(apps: int, each: int, rounds: int) -> None:
    content = await lists(apps, each)
    starts, plain, fast = [], [], []
    for i in range(rounds):
        starts.append(await cold_start(content, apps * each))
        plain.append(decoding(content, json.loads))
        fast.append(decoding(content, msgspec.json.decode))
        print(f"\rround {i + 1} of {rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    size = f"{apps * each} pods of {apps} apps, {sum(map(len, itertools.chain(*content.values()))) / 2**20:.1f} MiB"
    start = statistics.median(starts)
    print(f"cold_start  {start / statistics.median(plain):6.2f} x json.loads of the same bytes ({size})")
    print(f"cold_start  {start / statistics.median(fast):6.2f} x msgspec.json.decode of the same bytes ({size})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apps", type=int, default=500)
    parser.add_argument("--instances", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.apps, arguments.instances, arguments.rounds))
