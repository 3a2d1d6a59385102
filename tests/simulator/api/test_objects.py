"""The store itself: versions, generations, ownership, deletion. No HTTP."""

from typing import Any

import pytest

from gateway.clock import VirtualClock
from gateway.simulator.objects import ApiError, Objects
from tests.contract.client import config_map, deployment, pod, thing
from tests.contract.conftest import THINGS

Obj = dict[str, Any]


@pytest.fixture
def objects() -> Objects:
    return Objects(VirtualClock())


def owned(name: str, *owners: Obj, block: bool = True) -> Obj:
    references = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": block,
        }
        for owner in owners
    ]
    body = config_map(name)
    return {**body, "metadata": {**body["metadata"], "ownerReferences": references}}


def names(objects: Objects) -> list[str]:
    return [obj["metadata"]["name"] for obj in objects.list("configmaps")]


def test_a_write_that_changes_nothing_keeps_the_version_and_tells_nobody(objects: Objects) -> None:
    made = objects.create("configmaps", config_map("a", {"k": "v"}, of="x"))
    told: list[str] = []
    objects.subscribe("configmaps", lambda event, after, before: told.append(event))
    assert objects.update("configmaps", {**made, "data": {"k": "v"}}) == made
    assert told == []


def test_a_listener_that_fails_stops_nobody(objects: Objects, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    def fail(event: str, after: Obj | None, before: Obj | None) -> None:
        raise RuntimeError("no")

    objects.subscribe("configmaps", fail)
    stop = objects.subscribe("configmaps", lambda event, after, before: told.append(event))
    objects.create("configmaps", config_map("a"))
    stop()
    objects.delete("configmaps", "default", "a")
    assert told == ["ADDED"]
    assert "a listener of configmaps failed" in caplog.text


def test_of_two_writers_with_one_version_the_second_gets_a_conflict(objects: Objects) -> None:
    made = objects.create("configmaps", config_map("a"))
    objects.update("configmaps", {**made, "data": {"k": "1"}})
    with pytest.raises(ApiError, match="the object has been modified") as caught:
        objects.update("configmaps", {**made, "data": {"k": "2"}})
    assert caught.value.status == 409


def test_the_revision_of_a_deployment_is_no_change_of_intent(objects: Objects) -> None:
    made = objects.create("deployments", deployment("a"))
    annotated = {**made, "metadata": {**made["metadata"], "annotations": {"deployment.kubernetes.io/revision": "1"}}}
    made = objects.update("deployments", annotated)
    assert made["metadata"]["generation"] == 1
    noted = {**made["metadata"]["annotations"], "note": "x"}
    changed = objects.update("deployments", {**made, "metadata": {**made["metadata"], "annotations": noted}})
    assert changed["metadata"]["generation"] == 2


def test_background_deletion_takes_the_dependents_after_their_owner(objects: Objects) -> None:
    root = objects.create("configmaps", config_map("root"))
    middle = objects.create("configmaps", owned("middle", root))
    objects.create("configmaps", owned("leaf", middle))
    objects.delete("configmaps", "default", "root")
    assert names(objects) == []


def test_what_somebody_else_owns_as_well_stays(objects: Objects) -> None:
    one, other = (objects.create("configmaps", config_map(name)) for name in ("one", "other"))
    objects.create("configmaps", owned("shared", one, other))
    objects.delete("configmaps", "default", "one")
    assert names(objects) == ["other", "shared"]
    objects.delete("configmaps", "default", "other")
    assert names(objects) == []


def test_orphaned_dependents_stay_without_an_owner(objects: Objects) -> None:
    root = objects.create("configmaps", config_map("root"))
    objects.create("configmaps", owned("child", root))
    objects.delete("configmaps", "default", "root", propagation="Orphan")
    assert "ownerReferences" not in objects.get("configmaps", "default", "child")["metadata"]


def test_an_object_of_a_dead_owner_is_collected(objects: Objects) -> None:
    root = objects.create("configmaps", config_map("root"))
    objects.delete("configmaps", "default", "root")
    objects.create("configmaps", owned("late", root))
    assert names(objects) == []


def held(body: Obj) -> Obj:
    return {**body, "metadata": {**body["metadata"], "finalizers": ["a.b/c"]}}


def release(objects: Objects, name: str) -> None:
    obj = objects.get("configmaps", "default", name)
    objects.update("configmaps", {**obj, "metadata": {**obj["metadata"], "finalizers": []}})


def test_foreground_deletion_keeps_the_owner_until_the_last_blocking_dependent_is_gone(objects: Objects) -> None:
    root = objects.create("configmaps", config_map("root"))
    objects.create("configmaps", held(owned("slow", root)))
    objects.create("configmaps", owned("quick", root))
    objects.delete("configmaps", "default", "root", propagation="Foreground")
    assert names(objects) == ["root", "slow"]
    assert objects.get("configmaps", "default", "root")["metadata"]["finalizers"] == ["foregroundDeletion"]
    release(objects, "slow")
    assert names(objects) == []


def test_foreground_deletion_does_not_wait_for_what_does_not_block_it(objects: Objects) -> None:
    root = objects.create("configmaps", config_map("root"))
    objects.create("configmaps", held(owned("slow", root, block=False)))
    objects.delete("configmaps", "default", "root", propagation="Foreground")
    assert names(objects) == ["slow"]


def test_a_placed_pod_is_told_first_and_goes_with_the_final_deletion(objects: Objects) -> None:
    made = objects.create("pods", pod("p", nodeName="n", terminationGracePeriodSeconds=7))
    told = objects.delete("pods", "default", "p")
    assert told["metadata"]["deletionGracePeriodSeconds"] == 7
    assert told["metadata"]["deletionTimestamp"] == "2023-11-14T22:13:27Z"
    assert objects.delete("pods", "default", "p", grace_s=20) == told
    assert objects.delete("pods", "default", "p", grace_s=3)["metadata"]["deletionGracePeriodSeconds"] == 3
    objects.delete("pods", "default", "p", grace_s=0, uid=made["metadata"]["uid"])
    assert objects.find("pods", "default", "p") is None


def test_an_unplaced_pod_goes_at_once(objects: Objects) -> None:
    objects.create("pods", pod("p"))
    objects.delete("pods", "default", "p")
    assert objects.find("pods", "default", "p") is None


def test_a_deletion_with_another_uid_spares_the_successor(objects: Objects) -> None:
    made = objects.create("configmaps", config_map("a"))
    objects.delete("configmaps", "default", "a")
    objects.create("configmaps", config_map("a"))
    with pytest.raises(ApiError, match="does not match the UID in record"):
        objects.delete("configmaps", "default", "a", uid=made["metadata"]["uid"])
    assert names(objects) == ["a"]


def test_the_end_of_a_definition_ends_its_objects_and_its_kind(objects: Objects) -> None:
    objects.create("customresourcedefinitions", THINGS)
    objects.create("things", thing("t"))
    objects.delete("customresourcedefinitions", "", THINGS["metadata"]["name"])
    with pytest.raises(ApiError, match="could not find the requested resource"):
        objects.get("things", "default", "t")


def test_admission_may_change_or_refuse_what_is_created(objects: Objects) -> None:
    def admit(plural: str, obj: Obj) -> Obj:
        if obj["metadata"]["name"] == "bad":
            raise ValueError("not here")
        return {**obj, "data": {"admitted": plural}}

    objects.admission.append(admit)
    assert objects.create("configmaps", config_map("a"))["data"] == {"admitted": "configmaps"}
    with pytest.raises(ApiError, match='configmaps "bad" is forbidden: not here') as caught:
        objects.create("configmaps", config_map("bad"))
    assert caught.value.status == 403


def test_history_is_bounded_and_says_when_it_has_forgotten(objects: Objects) -> None:
    made = objects.create("configmaps", config_map("a"))
    first = objects.version
    for i in range(5000):
        made = objects.update("configmaps", {**made, "data": {"i": str(i)}})
    assert objects.history.since("configmaps", first) is None
    assert objects.past("configmaps", first) is None
    assert len(objects.history.since("configmaps", objects.version - 10) or ()) == 10


async def test_lists_of_the_past_end_after_five_minutes_but_watches_go_on() -> None:
    clock = VirtualClock()
    objects = Objects(clock)
    objects.create("configmaps", config_map("a"))
    first = objects.version
    for seconds in (100, 199, 151):
        await clock.advance(seconds)
        objects.create("configmaps", config_map(f"after-{seconds}"))
        past = objects.past("configmaps", first)
        assert (past is not None) == (clock.monotonic() <= 300)
    assert len(objects.history.since("configmaps", first) or ()) == 3


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scope": "Galaxy"}, "spec.scope"),
        ({"group": ""}, "spec.group"),
        ({"versions": [{"name": "v1", "served": True, "storage": True}]}, "spec.versions[0].schema.openAPIV3Schema"),
    ],
)
def test_a_definition_that_is_not_structural_is_refused(objects: Objects, change: Obj, field: str) -> None:
    with pytest.raises(ApiError) as caught:
        objects.create("customresourcedefinitions", {**THINGS, "spec": {**THINGS["spec"], **change}})
    assert field in [cause["field"] for cause in (caught.value.details or {})["causes"]]
