"""What the engine promises of writes: visible to the next read, refused whole or done whole, numbered in one order."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.engines.engine import Accepted, Origin
from gateway.engines.errors import (
    AppExists,
    AppLocked,
    EngineUnavailable,
    UnknownApp,
    UnknownDeployment,
    UnknownVersion,
)
from gateway.engines.kubernetes import KubernetesEngine
from gateway.kubernetes.errors import Conflict, Invalid
from gateway.kubernetes.resources import CHANGES
from gateway.rollouts.changes import encode_changes
from tests.api.house import House
from tests.rollouts.world import record
from translators.kubernetes.objects import AppChange
from translators.marathon import Rules
from translators.marathon.errors import BadRequest, DefinitionError, InvalidDefinition

NOBODY = Origin()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with House() as made:
        yield made


@pytest.fixture
def engine(house: House) -> KubernetesEngine:
    return house.engine


async def create(engine: KubernetesEngine, app_id: str = "/a", **more: Any) -> Accepted:
    return await engine.create_app({"id": app_id, "cmd": "sleep 1", **more}, force=False, origin=NOBODY)


async def update(engine: KubernetesEngine, app_id: str = "/a", *, force: bool = True, **source: Any) -> Accepted:
    return await engine.update_app(app_id, source, force=force, partial=True, origin=NOBODY)


def cmd(engine: KubernetesEngine, app_id: str = "/a") -> object:
    app = engine.app(app_id)
    return app.definition["cmd"] if app else None


def instances(engine: KubernetesEngine) -> dict[str, int]:
    return {app.id: app.instances for app in engine.apps()}


# Every write is visible to the next read


async def test_a_created_app_is_read_at_once(engine: KubernetesEngine) -> None:
    accepted = await create(engine)
    app = engine.app("/a")
    assert app is not None
    assert (app.version, app.last_config_change_at, app.last_scaling_at) == (accepted.version,) * 3
    assert engine.deployments_of("/a") == [accepted.deployment_id]


async def test_an_update_is_read_at_once_and_has_a_newer_version(engine: KubernetesEngine) -> None:
    first = await create(engine)
    second = await update(engine, cmd="sleep 2")
    assert cmd(engine) == "sleep 2"
    assert second.version > first.version, "even within one millisecond"
    assert engine.versions("/a") == [second.version, first.version]


async def test_a_scaling_keeps_the_configurations_version(engine: KubernetesEngine) -> None:
    first = await create(engine)
    second = await update(engine, instances=5)
    app = engine.app("/a")
    assert app is not None
    assert (app.last_config_change_at, app.last_scaling_at) == (first.version, second.version)


async def test_a_replacement_forgets_what_it_does_not_name(engine: KubernetesEngine) -> None:
    await create(engine, labels={"a": "b"}, instances=4)
    await engine.update_app("/a", {"cmd": "true"}, force=True, partial=False, origin=NOBODY)
    app = engine.app("/a")
    assert app is not None
    assert (app.definition["labels"], app.definition["cmd"]) == ({}, "true")


async def test_a_deleted_app_is_gone_at_once_and_can_be_made_again(house: House) -> None:
    engine = house.engine
    await house.deployed("/a")
    await engine.delete_app("/a", force=True)
    assert engine.app("/a") is None
    assert engine.apps() == ()
    await engine.create_app({"id": "/a", "cmd": "true"}, force=True, origin=NOBODY)
    assert cmd(engine) == "true"


async def test_a_list_of_updates_is_one_change_and_is_read_whole(house: House) -> None:
    await create(house.engine, "/a")
    accepted = await house.engine.update_apps(
        [{"id": "/a", "cmd": "one"}, {"id": "/b", "cmd": "two"}], force=True, partial=True, create=True
    )
    assert (cmd(house.engine, "/a"), cmd(house.engine, "/b")) == ("one", "two")
    assert house.engine.deployments_of("/a") == house.engine.deployments_of("/b") == [accepted.deployment_id]
    assert len(house.cluster.writes) == 2


async def test_a_restart_is_a_new_configuration_of_the_same_definition(house: House) -> None:
    await house.deployed("/a")
    before = house.engine.app("/a")
    accepted = await house.engine.restart_app("/a", force=False)
    after = house.engine.app("/a")
    assert before is not None
    assert after is not None
    assert after.definition == before.definition
    assert after.last_config_change_at == accepted.version > before.last_config_change_at
    assert after.last_scaling_at == before.last_scaling_at


async def test_an_app_goes_back_to_an_earlier_version(house: House) -> None:
    await house.deployed("/a", cmd="one")
    first = house.engine.versions("/a")[0]
    await update(house.engine, cmd="two", instances=3)
    await house.roll()
    await update(house.engine, version=first)
    assert cmd(house.engine) == "one"
    assert instances(house.engine) == {"/a": 1}
    assert (await house.engine.app_at("/a", first)).definition["cmd"] == "one"


async def test_a_version_that_never_was_is_unknown(engine: KubernetesEngine) -> None:
    await create(engine)
    with pytest.raises(UnknownVersion):
        await update(engine, version="2015-01-01T00:00:00.000Z")
    with pytest.raises(UnknownVersion):
        await engine.app_at("/a", "2015-01-01T00:00:00.000Z")
    with pytest.raises(UnknownApp):
        engine.versions("/no")


async def test_a_put_that_changes_nothing_keeps_the_version(house: House) -> None:
    await house.deployed("/a", cmd="one", instances=2)
    before = house.engine.app("/a")
    await update(house.engine, cmd="one", instances=2)
    assert house.engine.app("/a") == before
    assert house.engine.deployments() == []
    await house.roll()
    assert house.engine.app("/a") == before
    assert house.engine.versions("/a") == [before.version if before else ""]


async def test_what_is_read_is_the_same_before_and_after_the_runner_has_stored_it(house: House) -> None:
    await create(house.engine, "/a", instances=2)
    await update(house.engine, cmd="two")
    before = house.engine.app("/a")
    await house.roll()
    assert house.engine.app("/a") == before


# Groups


async def test_a_group_is_created_scaled_and_deleted_in_one_change_each(house: House) -> None:
    apps = [{"id": "x", "cmd": "true", "instances": 2}, {"id": "y", "cmd": "true", "instances": 3}]
    _, group = await house.engine.create_group("/", {"id": "g", "apps": apps}, force=False)
    assert group == "/g"
    assert instances(house.engine) == {"/g/x": 2, "/g/y": 3}
    await house.engine.update_group("/g", {"scaleBy": 1.5}, force=True)
    assert instances(house.engine) == {"/g/x": 3, "/g/y": 5}
    await create(house.engine, "/h")
    await house.engine.delete_group("/g", force=True)
    assert list(instances(house.engine)) == ["/h"]
    assert len(house.cluster.writes) == 4


async def test_an_update_of_a_group_removes_what_a_given_list_leaves_out_and_nothing_else(
    engine: KubernetesEngine,
) -> None:
    for app_id in ("/g/x", "/g/y", "/g/sub/z"):
        await create(engine, app_id)
    await engine.update_group("/g", {"apps": [{"id": "x", "cmd": "true"}]}, force=True)
    assert list(instances(engine)) == ["/g/sub/z", "/g/x"]
    await engine.update_group("/g", {"groups": []}, force=True)
    assert list(instances(engine)) == ["/g/x"]


async def test_a_group_with_one_bad_app_makes_none(house: House) -> None:
    with pytest.raises(DefinitionError):
        await house.engine.create_group(
            "/", {"id": "g", "apps": [{"id": "x", "cmd": "true"}, {"id": "y"}]}, force=False
        )
    assert house.cluster.writes == []


# Locks


async def test_an_app_in_a_deployment_is_locked_unless_forced(engine: KubernetesEngine) -> None:
    first = await create(engine)
    with pytest.raises(AppLocked) as locked:
        await update(engine, force=False, cmd="two")
    assert locked.value.deployments == (first.deployment_id,)
    assert cmd(engine) == "sleep 1"
    second = await update(engine, force=True, cmd="two")
    assert cmd(engine) == "two"
    assert [view.id for view in engine.deployments()] == [second.deployment_id], "the first one is cancelled"


async def test_other_apps_are_not_locked(engine: KubernetesEngine) -> None:
    await create(engine, "/a")
    await create(engine, "/b")
    assert len(engine.deployments()) == 2


async def test_a_list_is_refused_whole_for_one_locked_app(house: House) -> None:
    await house.deployed("/a")
    await create(house.engine, "/b")
    before = house.shape()
    with pytest.raises(AppLocked):
        await house.engine.update_apps(
            [{"id": "/a", "cmd": "true"}, {"id": "/b", "cmd": "true"}], force=False, partial=True, create=True
        )
    assert house.shape() == before


async def test_an_unlocked_app_can_be_changed_again_when_its_deployment_has_ended(house: House) -> None:
    await house.deployed("/a")
    await update(house.engine, force=False, cmd="two")


async def test_a_rollback_restores_the_configuration_with_its_version(house: House) -> None:
    await house.deployed("/a", cmd="one")
    before = house.engine.app("/a")
    change = await update(house.engine, cmd="two")
    accepted = await house.engine.cancel(change.deployment_id, force=False)
    after = house.engine.app("/a")
    assert accepted is not None
    assert before is not None
    assert after is not None
    assert (after.definition, after.last_config_change_at) == (before.definition, before.last_config_change_at)
    with pytest.raises(UnknownDeployment):
        await house.engine.cancel(change.deployment_id, force=False)


async def test_a_rollback_of_a_creation_removes_the_app(engine: KubernetesEngine) -> None:
    change = await create(engine)
    await engine.cancel(change.deployment_id, force=False)
    assert engine.app("/a") is None


# Service ports


def bridge(app_id: str, *ports: int) -> dict[str, Any]:
    mappings = [{"containerPort": 80, "hostPort": 0, "servicePort": port} for port in ports]
    container = {"type": "DOCKER", "docker": {"image": "nginx"}, "portMappings": mappings}
    return {"id": app_id, "networks": [{"mode": "container/bridge"}], "container": container}


def taken(house: House) -> list[int]:
    return [m["servicePort"] for app in house.engine.apps() for m in app.definition["container"]["portMappings"]]


async def test_service_ports_that_are_asked_for_as_0_are_all_different() -> None:
    async with House(rules=Rules(local_port_min=10000, local_port_max=10005)) as house:
        await house.engine.create_app(bridge("/a", 0, 0), force=False, origin=NOBODY)
        group = {"apps": [bridge("b", 0), bridge("c", 0)]}
        await house.engine.update_group("/g", group, force=False)
        assert len(set(taken(house))) == 4
        assert all(10000 <= port <= 10005 for port in taken(house))


async def test_an_app_keeps_its_service_ports_when_it_is_updated(house: House) -> None:
    await house.engine.create_app(bridge("/a", 0), force=False, origin=NOBODY)
    before = taken(house)
    await update(house.engine, **{**bridge("/a", 0), "env": {"A": "b"}})
    assert taken(house) == before


# The log


def faster(house: House, app_id: str = "/other", times: int = 1) -> None:
    """Another replica takes the number that this one is about to use, as often as told."""
    left = times

    def before_write(write: tuple[str, str, str]) -> None:
        nonlocal left
        if left and write[:2] == ("create", CHANGES.name):
            left -= 1
            edits = [AppChange(id=app_id, before=None, after=record(app_id, 1, version=left))]
            step = {"actions": [{"action": "ScaleApplication", "app": app_id}]}
            spec = {"id": f"faster-{left}", "apps": encode_changes(edits), "steps": [step]}
            house.cluster.add(CHANGES, {"metadata": {"name": write[2], "labels": {}}, "spec": spec})

    house.cluster.before_write = before_write


@pytest.mark.parametrize("times", [1, 5, 19])
async def test_a_change_that_was_overtaken_takes_the_next_number(house: House, times: int) -> None:
    faster(house, times=times)
    accepted = await create(house.engine)
    numbered = {change.spec.id: change.sequence for change in house.cluster.changes.values()}
    assert numbered[accepted.deployment_id] == max(numbered.values()) == times + 1
    assert list(instances(house.engine)) == ["/a", "/other"]


async def test_a_change_that_is_always_overtaken_is_given_up_and_leaves_nothing(house: House) -> None:
    faster(house, times=1000)
    with pytest.raises(EngineUnavailable, match="other changes were faster"):
        await create(house.engine)
    assert house.engine.app("/a") is None


async def test_changes_of_one_replica_take_turns_and_race_only_others(house: House) -> None:
    create_at_once, asked = house.cluster.create, []

    async def create_slowly(resource: Any, body: Any, *, wait: bool = True) -> Any:
        asked.append(resource)
        await asyncio.sleep(0)  # others may run while the API server writes
        return await create_at_once(resource, body, wait=wait)

    house.cluster.create = create_slowly  # type: ignore[method-assign]
    await asyncio.gather(*(create(house.engine, f"/a{number}") for number in range(40)))
    assert len(house.engine.apps()) == 40
    assert asked == [CHANGES] * 40


async def test_a_change_waits_only_so_long_for_those_before_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.engines.kubernetes.writer._TURN_S", 0.01)

    async def hang(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    house.cluster.create = hang  # type: ignore[method-assign]
    first = asyncio.create_task(create(house.engine, "/first"))
    await asyncio.sleep(0)
    with pytest.raises(EngineUnavailable, match="not stored yet"):
        await create(house.engine, "/second")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_a_change_is_judged_again_on_what_the_faster_one_left(house: House) -> None:
    faster(house, "/a")
    with pytest.raises(AppExists):
        await create(house.engine, "/a")


async def test_a_change_of_an_app_that_the_faster_one_holds_is_locked(house: House) -> None:
    await house.deployed("/a")
    faster(house, "/a")
    with pytest.raises(AppLocked) as locked:
        await update(house.engine, force=False, cmd="two")
    assert locked.value.deployments == ("faster-0",)


async def test_numbers_are_never_used_twice_though_old_changes_are_forgotten(house: House) -> None:
    await house.deployed("/a")
    for change in list(house.cluster.changes.values()):
        house.cluster.remove(CHANGES, change.metadata.name)
    accepted = await create(house.engine, "/b")
    (change,) = house.cluster.changes.values()
    assert (change.spec.id, change.sequence) == (accepted.deployment_id, 2)


async def test_what_the_cluster_calls_invalid_is_the_requests_fault_and_other_faults_are_not(house: House) -> None:
    def raising(error: Exception) -> None:
        def fail(_write: tuple[str, str, str]) -> None:
            raise error

        house.cluster.before_write = fail

    raising(Invalid("too odd", status=422))
    with pytest.raises(BadRequest, match="too odd"):
        await create(house.engine)
    raising(Conflict("busy", status=409))
    with pytest.raises(EngineUnavailable, match="busy"):
        await create(house.engine)
    assert house.engine.apps() == ()


async def test_a_change_that_no_object_could_hold_is_refused_with_its_size(house: House) -> None:
    with pytest.raises(BadRequest, match="too large") as refused:
        await create(house.engine, env={"BIG": "x" * 1_500_000})
    assert refused.value.status == 413
    assert house.cluster.writes == []


async def test_an_unlike_root_is_refused(engine: KubernetesEngine) -> None:
    await create(engine, "/a/b")
    with pytest.raises(InvalidDefinition):
        await create(engine, "/a")
