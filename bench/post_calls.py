"""The cost of a write in calls to the Kubernetes API, before the answer and until the app runs.

Every read and write that the gateway makes is counted, on a cluster in memory whose controllers are not counted.
The baseline is what a client of Kubernetes would need for the same: one POST of a Deployment. Ends with status 1 if a
POST of an app makes more than 3 calls before it is answered. Run: python bench/post_calls.py
"""

import asyncio
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.api.house import House

LIMIT = 3


def counted(house: House) -> list[str]:
    """The calls from now on: FakeCluster notes the writes, and here also the reads."""
    calls: list[str] = []
    read = house.cluster.get

    async def get(resource: Any, name: str) -> Any:
        calls.append(f"get {resource.name}")
        return await read(resource, name)

    house.cluster.get = get  # type: ignore[method-assign]
    house.cluster.before_write = lambda write: calls.append(f"{write[0]} {write[1]}")
    return calls


async def cost(house: House, calls: list[str], name: str, request: Awaitable[Any]) -> int:
    """Prints one line; the number of calls before the answer."""
    calls.clear()
    answer = await request
    if answer.status_code not in (200, 201):
        raise SystemExit(f"{name}: {answer.status_code} {answer.text}")
    before = list(calls)
    await house.roll()
    print(
        f"post_calls  {name:16} {len(before)} before the answer ({', '.join(before)}), {len(calls)} until it has ended"
    )
    return len(before)


async def main() -> int:
    async with House() as house:
        calls = counted(house)
        first = await cost(house, calls, "POST an app", house.post_app("/a", instances=3))
        await cost(house, calls, "PUT its env", house.client.put("/v2/apps/a", json={"env": {"A": "1"}}))
        await cost(house, calls, "PUT instances", house.client.put("/v2/apps/a", json={"instances": 5}))
        await cost(house, calls, "DELETE", house.client.delete("/v2/apps/a"))
    print(f"post_calls  {first:.2f} x the one call of a POST of a Deployment (at most {LIMIT})")
    return int(first > LIMIT)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
