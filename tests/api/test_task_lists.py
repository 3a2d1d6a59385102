"""`/v2/tasks` is kept from one request to the next, and is never older than the tasks."""

from gateway.kubernetes.resources import PODS
from tests.api.house import House


async def shown(house: House, query: str = "") -> list[dict[str, object]]:
    return list((await house.client.get(f"/v2/tasks{query}")).json()["tasks"])


async def test_every_change_is_in_the_list_of_all_tasks() -> None:
    async with House() as house:
        assert await shown(house) == []
        await house.deployed("/a", instances=2)
        await house.deployed("/b")
        assert [task["appId"] for task in await shown(house)] == ["/a", "/a", "/b"]
        await house.client.put("/v2/apps/a", json={"instances": 3})
        await house.roll()
        assert [task["appId"] for task in await shown(house)] == ["/a", "/a", "/a", "/b"]
        await house.client.delete("/v2/apps/b")
        await house.roll()
        assert [task["appId"] for task in await shown(house)] == ["/a"] * 3


async def test_a_task_that_moves_is_shown_where_it_is() -> None:
    async with House() as house:
        (instance,) = await house.deployed()
        before = await shown(house)
        house.cluster.set(PODS, instance.pod, {"status": {"podIP": "10.9.9.9", "podIPs": [{"ip": "10.9.9.9"}]}})
        assert [task["host"] for task in await shown(house)] == ["10.9.9.9"] != [task["host"] for task in before]


async def test_what_is_kept_is_what_is_rendered_for_one_state() -> None:
    async with House() as house:
        await house.deployed("/a", instances=2)
        assert await shown(house) == await shown(house, "?status=running")
        assert await shown(house, "?status=staging") == []
