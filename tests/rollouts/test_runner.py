"""Deployments run to their end, one step after the other, whatever happens to one of them."""

import asyncio
import json
from typing import Any

import pytest

from gateway.kubernetes.errors import Conflict, Invalid
from gateway.kubernetes.resources import DEPLOYMENTS, NODES, PODS
from gateway.rollouts.runner import CANCELLED
from tests.rollouts.world import KILL, World, record
from translators.kubernetes.objects import GROUP, GroupChange, GroupRecord

V1 = record("/a", 3, version=1)


@pytest.fixture
def world() -> World:
    return World()


async def created(world: World, *, app: Any = V1, app_id: str = "/a") -> None:
    world.accept({}, {app_id: app})
    await world.rest()
    world.forget()


async def test_a_new_app_gets_its_deployment_its_revision_and_its_instances(world: World) -> None:
    async with world.runner():
        await created(world)
    state = world.state()
    assert [c for _, c in state["pods"]] == [3]
    assert [r for _, r in state["deployments"]] == [3]
    assert state["changes"] == [("change-0000000001", "Succeeded", "")]
    assert len(state["revisions"]) == 1
    assert world.stored("/a").spec.versions == [V1.version]


async def test_a_scale_up_waits_for_what_is_new_and_touches_no_template(world: World) -> None:
    async with world.runner():
        await created(world)
        world.healthy = lambda pod: False
        change = world.accept({"/a": V1}, {"/a": record("/a", 5, version=2, config=1)})
        await world.until(lambda: len(world.cluster.pods.values()) == 5)
        await world.clock.advance(120)
        assert world.phase(change) == "Running"
        world.healthy = lambda pod: True
        await world.rest()
    assert world.phase(change) == "Succeeded"
    assert len(world.state()["deployments"]) == 1


async def test_a_scale_down_marks_its_victims_first_and_takes_the_youngest(world: World) -> None:
    async with world.runner():
        await created(world)
        names = sorted(p.metadata.name for p in world.cluster.pods.values())
        for age, name in enumerate(names):
            world.cluster.set(PODS, name, {"metadata": {"creationTimestamp": f"2024-01-01T00:00:0{9 - age}Z"}})
        world.accept({"/a": V1}, {"/a": record("/a", 2, version=2, config=1)})
        await world.rest()
    assert [p.metadata.name for p in world.cluster.pods.values()] == names[1:]
    marked = next(i for i, w in enumerate(world.cluster.writes) if w == ("patch", "pods", names[0]))
    assert world.cluster.writes[marked + 1][0] == "scale"


async def test_two_apps_of_one_step_wait_each_for_their_own_instances(world: World) -> None:
    b = record("/b", 3, version=1)
    async with world.runner():
        await created(world)
        await created(world, app=b, app_id="/b")
        world.healthy = lambda pod: pod.metadata.annotations[f"{GROUP}/id"] == "/b"
        after = {"/a": record("/a", 5, version=2, config=1), "/b": record("/b", 4, version=2, config=1)}
        change = world.accept({"/a": V1, "/b": b}, after)
        await world.until(lambda: len(world.serving("/b")) == 4)
        await world.clock.advance(60)
        assert world.phase(change) == "Running"
        world.healthy = lambda pod: True
        await world.rest()
    assert world.phase(change) == "Succeeded"


@pytest.mark.parametrize(
    ("strategy", "most", "fewest"),
    [((1, 1), 6, 3), ((1, 0), 4, 3), ((0.5, 0), 3, 2), ((0, 0), 3, 0), ((1, 0.7), 5, 3)],
)
async def test_a_rolling_replace_keeps_to_its_capacities(
    world: World, strategy: tuple[float, float], most: int, fewest: int
) -> None:
    async with world.runner():
        await created(world)
        world.accept({"/a": V1}, {"/a": record("/a", 3, version=2, strategy=strategy)})
        await world.rest()
    assert world.most["/a"] == most
    assert world.fewest["/a"] == fewest
    state = world.state()
    assert [r for _, r in state["deployments"]] == [3]
    assert [c for _, c in state["pods"]] == [3]


async def test_a_terminating_instance_takes_room_until_it_is_gone(world: World) -> None:
    async with world.runner():
        await created(world)
        for pod in world.cluster.pods.values():
            world.cluster.set(PODS, pod.metadata.name, {"metadata": {"annotations": {"stuck": "yes"}}})
        world.accept({"/a": V1}, {"/a": record("/a", 3, version=2, strategy=(0.5, 0))})
        await world.until(lambda: any(p.metadata.deletionTimestamp for p in world.cluster.pods.values()))
        await world.clock.advance(60)
        world.step()
        assert len(world.cluster.pods.values()) == 3
        for pod in world.cluster.pods.values():
            world.cluster.set(PODS, pod.metadata.name, {"metadata": {"annotations": {"stuck": None}}})
        await world.rest()
    assert world.most["/a"] == 3


async def test_a_new_version_that_never_gets_ready_kills_nothing_beyond_the_first(world: World) -> None:
    async with world.runner():
        await created(world)
        world.healthy = lambda pod: False
        change = world.accept({"/a": V1}, {"/a": record("/a", 3, version=2)})
        for _ in range(20):
            world.step()
            await world.clock.advance(60)
    assert world.phase(change) == "Running"
    assert len(world.serving("/a")) == 3


async def test_an_unreachable_instance_holds_no_rollout_up(world: World) -> None:
    async with world.runner():
        await created(world)
        lost = world.cluster.pods.values()[0].metadata.name
        silent = {"metadata": {"name": "lost"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
        world.cluster.add(NODES, silent)
        stuck = {"metadata": {"annotations": {"stuck": "yes"}}, "spec": {"nodeName": "lost"}}
        world.cluster.set(PODS, lost, stuck)
        await world.clock.settle()
        change = world.accept({"/a": V1}, {"/a": record("/a", 3, version=2, strategy=(1, 0))})
        await world.until(lambda: world.phase(change) == "Succeeded")
    assert len(world.serving("/a")) == 3


async def test_a_removal_ends_with_nothing_left(world: World) -> None:
    async with world.runner():
        await created(world)
        world.accept({"/a": V1}, {})
        await world.rest()
    state = world.state()
    assert [state[kind] for kind in ("apps", "deployments", "pods", "revisions")] == [[], [], [], []]


async def test_a_forced_change_ends_the_other_and_starts_from_what_is_there(world: World) -> None:
    v2, v3 = record("/a", 3, version=2), record("/a", 3, version=3)
    async with world.runner():
        await created(world)
        world.healthy = lambda pod: pod.metadata.annotations[f"{GROUP}/config-version"] != v2.lastConfigChangeAt
        first = world.accept({"/a": V1}, {"/a": v2})
        await world.until(lambda: len(world.cluster.pods.values()) == 6)
        second = world.accept({"/a": v2}, {"/a": v3}, cancels=[first])
        await world.rest()
    state = world.state()
    assert state["changes"][1][1:] == ("Failed", CANCELLED)
    assert world.phase(second) == "Succeeded"
    assert [config for (_, config), _ in state["pods"]] == [v3.lastConfigChangeAt]
    assert world.stored("/a").spec.versions == [V1.version, v2.version, v3.version]
    assert world.most["/a"] == 6


async def test_a_plain_cancellation_leaves_the_mix(world: World) -> None:
    v2 = record("/a", 3, version=2, strategy=(1, 0))
    async with world.runner():
        await created(world)
        world.healthy = lambda pod: False
        first = world.accept({"/a": V1}, {"/a": v2})
        await world.until(lambda: len(world.cluster.pods.values()) == 4)
        world.accept({}, {}, cancels=[first])
        await world.until(lambda: not world.open)
    assert world.phase(first) == "Failed"
    assert world.stored("/a").spec.record == v2


async def test_a_rollback_keeps_what_is_left_of_the_old_configuration(world: World) -> None:
    v2 = record("/a", 3, version=2, strategy=(1, 0))
    async with world.runner():
        await created(world)
        first = world.accept({"/a": V1}, {"/a": v2})
        await world.until(lambda: len(world.serving("/a")) == 3 and len(world.state()["pods"]) == 2)
        survivors = [u for u in world.serving("/a") if world.instances.get(u).config_version == V1.version]  # type: ignore[union-attr]
        world.accept({"/a": v2}, {"/a": record("/a", 3, version=3, config=1)}, cancels=[first])
        await world.rest()
    assert survivors
    assert set(survivors) <= set(world.serving("/a"))
    assert len(world.serving("/a")) == 3
    assert world.fewest["/a"] >= 3


async def test_kill_and_scale_ends_exactly_the_named_even_if_the_cluster_prefers_another(world: World) -> None:
    async with world.runner():
        await created(world)
        named, unready = world.cluster.pods.values()[:2]
        sick = [{"name": "app", "ready": False, "containerID": "c", "state": {"running": {}}}]
        world.cluster.set(PODS, unready.metadata.name, {"status": {"containerStatuses": sick}})
        two = record("/a", 2, version=2, config=1)
        world.accept({"/a": V1}, {"/a": two}, kill=[named.metadata.uid])
        await world.rest()
    uids = [p.metadata.uid for p in world.cluster.pods.values()]
    assert named.metadata.uid not in uids
    assert len(uids) == 2


async def test_one_app_that_can_not_be_written_holds_no_other_up(world: World) -> None:
    def refuse(write: tuple[str, str, str]) -> None:
        if write[1] == "deployments" and write[2].startswith("bad-"):
            raise Invalid("no", status=422)

    world.cluster.before_write = refuse
    good, bad = record("/good", 2, version=1), record("/bad", 2, version=1)
    async with world.runner():
        together = world.accept({}, {"/bad": bad, "/good": good})
        alone = world.accept({}, {"/a": V1})
        await world.until(lambda: len(world.serving("/good")) == 2 and world.phase(alone) == "Succeeded")
        assert world.phase(together) == "Running"
        world.cluster.before_write = lambda write: None
        await world.rest()
    assert world.phase(together) == "Succeeded"


async def test_what_somebody_wrote_with_kubectl_stops_nobody(world: World) -> None:
    world.put_change({"id": "x", "apps": "not json", "steps": []}, name="change-0000000900")
    world.put_change({"id": "y"}, name="holiday")
    async with world.runner():
        change = world.accept({}, {"/a": V1})
        await world.until(lambda: world.phase(change) == "Succeeded")
        assert world.phase("x") == ""
        world.put_change({"id": "z", "cancels": ["x"]}, name="change-0000000901")
        await world.until(lambda: world.phase("x") == "Failed" and world.phase("z") == "Succeeded")


async def test_scaling_by_hand_and_a_deleted_deployment_are_put_right(world: World) -> None:
    async with world.runner():
        await created(world)
        name = world.cluster.deployments.values()[0].metadata.name
        world.cluster.set(DEPLOYMENTS, name, {"spec": {"replicas": 7}})
        await world.until(lambda: world.cluster.deployments.get(name).spec.replicas == 3)
        world.cluster.remove(DEPLOYMENTS, name)
        await world.until(lambda: len(world.serving("/a")) == 3)


async def test_a_watch_that_is_behind_costs_no_instance(world: World) -> None:
    """The apps' watch lags: the cache has no app, or an older record, while the Deployments are as they shall be."""
    async with world.runner():
        await created(world)
        world.accept({"/a": V1}, {"/a": record("/a", 5, version=2, config=1)})
        apps = world.cluster.apps
        stale = world.stored("/a")
        await world.rest()
        name = world.cluster.deployments.values()[0].metadata.name
        for cached in (stale, None):
            apps.put(stale.metadata.name, stale) if cached else apps.remove(stale.metadata.name)
            world.cluster.set(DEPLOYMENTS, name, {"metadata": {"labels": {"touched": str(cached is None)}}})
            for _ in range(40):
                world.step()
                await world.clock.advance(1.0)
            assert len(world.serving("/a")) == 5


async def test_nothing_is_touched_before_everything_has_been_read(world: World) -> None:
    async with world.runner():
        await created(world)
    world.cluster.apps.synced = False
    app = world.stored("/a")
    world.cluster.apps.remove(app.metadata.name)
    written = len(world.cluster.writes)
    async with world.runner():
        await world.clock.settle()
        world.terminate(world.cluster.pods.values()[0].metadata.name)
        await world.clock.advance(100)
        assert len(world.cluster.writes) == written
        world.cluster.apps.put(app.metadata.name, app)
        world.cluster.apps.synced = True
        await world.rest()
    assert len(world.serving("/a")) == 3


async def test_an_ended_pod_is_removed_and_its_failure_kept(world: World) -> None:
    async with world.runner():
        await created(world)
        pod = world.cluster.pods.values()[0].metadata.name
        ended = {"terminated": {"exitCode": 1, "finishedAt": "2024-01-01T00:00:00Z", "reason": "Error"}}
        status = [{"name": "app", "ready": False, "containerID": "c", "state": ended}]
        world.cluster.set(PODS, pod, {"status": {"phase": "Failed", "containerStatuses": status}})
        await world.until(lambda: world.cluster.pods.get(pod) is None)
        await world.until(lambda: len(world.serving("/a")) == 3)
    failure = world.app_object("/a")["status"]["lastTaskFailure"]
    assert failure["state"] == "TASK_FAILED"
    assert failure["appId"] == "/a"


async def test_the_history_is_kept_for_an_hour_and_the_last_fifty_changes_for_ever(world: World) -> None:
    async with world.runner():
        await created(world)
        for _ in range(52):
            world.accept({"/a": V1}, {"/a": V1})
        await world.rest()
        assert len(world.cluster.changes.values()) == 53
        await world.clock.advance(3700)
    assert sorted(c.sequence for c in world.cluster.changes.values()) == list(range(4, 54))


async def test_a_change_that_removes_a_group_is_kept_while_an_older_one_is_open(world: World) -> None:
    """It is what tells that the group is gone: the older one may have made it."""
    world.healthy = lambda pod: False
    async with world.runner():
        world.accept({}, {"/a": V1}, groups=[GroupChange(id="/g", after=GroupRecord())])
        await world.until(lambda: bool(world.cluster.groups.values()))
        world.accept({}, {}, groups=[GroupChange(id="/g", before=GroupRecord())])
        for _ in range(60):
            world.accept({}, {})
        await world.until(lambda: len(world.open) == 1)
        await world.clock.advance(3700)
    assert {1, 2} <= {c.sequence for c in world.cluster.changes.values()}
    assert 3 not in {c.sequence for c in world.cluster.changes.values()}
    assert not world.cluster.groups.values()


async def test_a_group_that_a_later_change_removed_is_not_stored_by_a_slower_earlier_one(world: World) -> None:
    world.accept({}, {"/a": V1}, groups=[GroupChange(id="/g", after=GroupRecord())])
    world.accept({}, {}, groups=[GroupChange(id="/g", before=GroupRecord())])
    world.cluster.fail_next(Conflict("the first has to try again", status=409))
    async with world.runner():
        await world.rest()
    assert not world.cluster.groups.values()


async def test_a_replica_that_leads_no_more_writes_nothing(world: World) -> None:
    async with world.runner():
        await created(world)
    world.accept({"/a": V1}, {})
    written = len(world.cluster.writes)
    await world.clock.advance(100)
    assert len(world.cluster.writes) == written
    assert not asyncio.all_tasks() - {asyncio.current_task()}


async def test_two_leaders_that_overlap_keep_the_capacities(world: World) -> None:
    async with world.runner(), world.runner():
        await created(world)
        world.accept({"/a": V1}, {"/a": record("/a", 3, version=2, strategy=(1, 0))})
        await world.rest()
    assert world.most["/a"] == 4
    assert world.fewest["/a"] == 3
    assert json.dumps(world.state()["changes"][1][1:]) == '["Succeeded", ""]'


async def test_only_sentenced_pods_carry_the_mark(world: World) -> None:
    async with world.runner():
        await created(world)
        world.accept({"/a": V1}, {"/a": record("/a", 3, version=2)})
        await world.rest()
        assert not any(KILL in p.metadata.annotations for p in world.cluster.pods.values())
