"""What groups promise: they are there from their creation to their removal, whatever is in them, and all have one version."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.kubernetes.resources import APPS, GROUPS
from tests.api.house import House
from translators.kubernetes.objects import AppRecord


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with House() as made:
        yield made


async def ask(house: House, method: str, path: str, body: object = None) -> Any:
    """Changes are forced: nothing runs here that would end a deployment."""
    force = method in ("PUT", "DELETE") and not path.startswith("/v2/deployments")
    answer = await house.client.request(method, path + "?force=true" * force, json=body)
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


async def refused(house: House, method: str, path: str, body: object) -> list[tuple[str, str]]:
    answer = await house.client.request(method, path, json=body)
    assert answer.status_code == 422, answer.text
    return [(detail["path"], detail["errors"][0]) for detail in answer.json()["details"]]


async def tree(house: House, group: str = "", query: str = "embed=group.groups") -> Any:
    return await ask(house, "GET", f"/v2/groups{group}?{query}")


def ids(group: Any) -> list[str]:
    return [group["id"], *(i for inner in group["groups"] for i in ids(inner))]


def versions(group: Any) -> set[str]:
    return {group["version"], *(v for inner in group["groups"] for v in versions(inner))}


SERVICES = "enforceRole cannot be modified in a request that adds, removes or modifies services; please make these changes in separate requests."

# Being there


async def test_a_group_without_anything_in_it_is_there_and_stays(house: House) -> None:
    await ask(house, "POST", "/v2/groups", {"id": "/a/b"})
    shown = await tree(house, "/a")
    assert (ids(shown), shown["dependencies"]) == (["/a", "/a/b"], [])
    async with house.runner():
        await house.rest()
    assert sorted(group.spec.id for group in house.cluster.groups.values()) == ["/a", "/a/b"]
    assert ids(await tree(house)) == ["/", "/a", "/a/b"]


async def test_the_groups_of_an_app_outlive_it(house: House) -> None:
    await house.post_app("/a/b/app", instances=0)
    await ask(house, "DELETE", "/v2/apps/a/b/app")
    assert ids(await tree(house)) == ["/", "/a", "/a/b"]
    async with house.runner():
        await house.rest()
    assert ids(await tree(house)) == ["/", "/a", "/a/b"]


async def test_the_groups_of_a_cluster_without_group_objects_are_those_of_its_apps(house: House) -> None:
    record = AppRecord(definition='{"id":"/old/sub/app","cmd":"x","instances":0}', version="2024-05-01T10:00:00.000Z")
    spec = {"id": "/old/sub/app", "sequence": 1, "record": {"definition": record.definition, "version": record.version}}
    house.cluster.add(APPS, {"metadata": {"name": "old", "labels": {}}, "spec": spec})
    shown = await tree(house)
    assert (ids(shown), versions(shown)) == (["/", "/old", "/old/sub"], {record.version})
    await ask(house, "DELETE", "/v2/apps/old/sub/app")
    assert ids(await tree(house)) == ["/", "/old", "/old/sub"]


async def test_a_deleted_group_takes_all_that_is_in_it_along_and_leaves_its_parent(house: House) -> None:
    await house.post_app("/a/b/app", instances=0)
    await ask(house, "POST", "/v2/groups", {"id": "/a/b/empty"})
    await ask(house, "DELETE", "/v2/groups/a/b")
    assert ids(await tree(house)) == ["/", "/a"]
    async with house.runner():
        await house.rest()
    assert [group.spec.id for group in house.cluster.groups.values()] == ["/a"]
    assert not house.engine.apps()
    await ask(house, "DELETE", "/v2/groups")
    assert ids(await tree(house)) == ["/"]


async def test_a_list_of_groups_removes_those_it_leaves_out_with_their_apps(house: House) -> None:
    await house.post_app("/a/gone/deep/app", instances=0)
    await house.post_app("/a/kept/app", instances=0)
    body = {"groups": [{"id": "kept", "enforceRole": False}, {"id": "new"}]}
    await ask(house, "PUT", "/v2/groups/a", body)
    assert ids(await tree(house, "/a")) == ["/a", "/a/kept", "/a/new"]
    assert [app.id for app in house.engine.apps()] == ["/a/kept/app"]


async def test_an_app_and_an_empty_group_of_one_id_in_one_body_leave_the_app(house: House) -> None:
    await ask(
        house, "POST", "/v2/groups", {"id": "/u", "apps": [{"id": "a", "cmd": "sleep 1"}], "groups": [{"id": "a"}]}
    )
    assert ids(await tree(house, "/u")) == ["/u"]
    assert [app.id for app in house.engine.apps()] == ["/u/a"]


async def test_a_group_may_not_have_the_id_of_an_app(house: House) -> None:
    await house.post_app("/a/app", instances=0)
    name = "Groups and Applications may not have the same identifier."
    assert await refused(house, "PUT", "/v2/groups/a/app", {}) == [("/groups(0)", name)]
    assert await refused(house, "POST", "/v2/groups", {"id": "/a/app/below"}) == [("/groups(0)", name)]
    answer = await house.client.post("/v2/groups", json={"id": "/a/app"})
    assert (answer.status_code, answer.json()["message"]) == (409, "An app with the path /a/app already exists.")


# Dependencies


async def test_what_a_group_needs_is_started_before_all_that_is_in_it(house: House) -> None:
    app = {"cmd": "sleep 1"}
    body = {
        "id": "/p",
        "groups": [
            {"id": "web", "dependencies": ["../db"], "apps": [{"id": "front", **app}, {"id": "back", **app}]},
            {"id": "db", "apps": [{"id": "sql", **app}]},
        ],
    }
    await ask(house, "POST", "/v2/groups", body)
    (deployment,) = await ask(house, "GET", "/v2/deployments")
    steps = [sorted(action["app"] for action in step["actions"]) for step in deployment["steps"]]
    assert steps[1:] == [["/p/db/sql"], ["/p/web/back", "/p/web/front"]]
    shown = await tree(house, "/p")
    assert {group["id"]: group["dependencies"] for group in shown["groups"]} == {"/p/db": [], "/p/web": ["/p/db"]}


async def test_groups_that_need_each_other_are_refused(house: House) -> None:
    app = {"cmd": "sleep 1"}
    groups = [
        {"id": "a", "dependencies": ["../b"], "apps": [{"id": "x", **app}]},
        {"id": "b", "apps": [{"id": "y", **app, "dependencies": ["../a/x"]}]},
    ]
    cycle = [("/", "Dependency graph has cyclic dependencies.")]
    assert await refused(house, "POST", "/v2/groups", {"id": "/p", "groups": groups}) == cycle
    groups = [{"id": "a", "dependencies": ["/p"], "apps": [{"id": "x", **app}]}]
    assert await refused(house, "POST", "/v2/groups", {"id": "/p", "groups": groups}) == cycle
    assert not house.engine.apps()


async def test_dependencies_stay_until_they_are_given_anew(house: House) -> None:
    await ask(house, "POST", "/v2/groups", {"id": "/p", "dependencies": ["/missing", "/missing", "rel"]})
    assert (await tree(house, "/p"))["dependencies"] == ["/missing", "/p/rel"]
    await ask(house, "PUT", "/v2/groups/p", {"apps": []})
    assert (await tree(house, "/p"))["dependencies"] == ["/missing", "/p/rel"]
    await ask(house, "PUT", "/v2/groups/p", {"dependencies": []})
    assert (await tree(house, "/p"))["dependencies"] == []


# Versions


async def test_every_accepted_change_gives_all_groups_its_version(house: House) -> None:
    empty = await tree(house)
    assert empty["version"] == "1970-01-01T00:00:00.000Z"
    await ask(house, "POST", "/v2/groups", {"id": "/other"})
    await house.post_app("/a/app", instances=0)
    same = await ask(house, "PUT", "/v2/apps/a/app", {"cmd": "sleep 100"})
    shown = await tree(house)
    assert versions(shown) == {same["version"]}
    known = await ask(house, "GET", "/v2/groups/versions")
    assert len(known) == len(set(known)) == 4
    assert len(await ask(house, "GET", "/v2/groups/a/versions")) == 2


async def test_a_past_version_shows_what_was_there_deleted_apps_included(house: House) -> None:
    made = await ask(
        house, "POST", "/v2/groups", {"id": "/a", "apps": [{"id": "app", "cmd": "sleep 1", "instances": 0}]}
    )
    await ask(house, "PUT", "/v2/apps/a/app", {"instances": 2})
    await ask(house, "DELETE", "/v2/groups/a")
    then = await ask(house, "GET", f"/v2/groups/versions/{made['version']}")
    assert [(app["id"], app["instances"]) for app in then["groups"][0]["apps"]] == [("/a/app", 0)]
    assert versions(then) == {made["version"]}


async def test_a_group_goes_back_to_what_it_was_with_its_apps_groups_and_dependencies(house: House) -> None:
    app = {"id": "app", "cmd": "sleep 1", "instances": 0}
    body = {"id": "/a", "dependencies": ["/x"], "apps": [app], "groups": [{"id": "sub"}]}
    made = await ask(house, "POST", "/v2/groups", body)
    await ask(house, "PUT", "/v2/groups/a", {"dependencies": [], "apps": [{**app, "id": "new"}], "groups": []})
    await ask(house, "PUT", "/v2/groups/a", {"version": made["version"]})
    shown = await tree(house, "/a", "embed=group.groups&embed=group.apps")
    assert (ids(shown), shown["dependencies"]) == (["/a", "/a/sub"], ["/x"])
    assert [app["id"] for app in shown["apps"]] == ["/a/app"]


async def test_a_cancelled_deployment_takes_its_groups_back(house: House) -> None:
    await ask(house, "POST", "/v2/groups", {"id": "/a", "dependencies": ["/x"]})
    body = {"dependencies": [], "apps": [{"id": "app", "cmd": "sleep 1"}], "groups": [{"id": "sub"}]}
    change = await ask(house, "PUT", "/v2/groups/a", body)
    await ask(house, "DELETE", f"/v2/deployments/{change['deploymentId']}")
    shown = await tree(house, "/a")
    assert (ids(shown), shown["dependencies"]) == (["/a"], ["/x"])


async def test_a_group_that_was_not_there_then_cannot_go_back(house: House) -> None:
    first = await ask(house, "POST", "/v2/groups", {"id": "/a"})
    await ask(house, "POST", "/v2/groups", {"id": "/b"})
    answer = await house.client.put("/v2/groups/b", json={"version": first["version"]})
    assert answer.json() == {"message": f"Group /b not available in version {first['version']}"}
    assert await refused(house, "PUT", "/v2/groups/b", {"version": "x"}) == [
        ("/version", "error.expected.date.isoformat")
    ]


# enforceRole


async def test_apps_of_a_group_that_enforces_its_role_have_it(house: House) -> None:
    await ask(house, "POST", "/v2/groups", {"id": "/enf", "enforceRole": True, "apps": [{"id": "a", "cmd": "sleep 1"}]})
    assert (await tree(house, "/enf"))["enforceRole"] is True
    assert (await ask(house, "GET", "/v2/apps/enf/a"))["app"]["role"] == "enf"
    answer = await house.post_app("/enf/b", role="*")
    assert answer.json()["details"] == [{"path": "/role", "errors": ["got *, expected one of: [enf]"]}]
    await house.post_app("/enf/b")
    assert (await ask(house, "GET", "/v2/apps/enf/b"))["app"]["role"] == "enf"


async def test_the_role_is_shown_where_it_is_enforced_only(house: House) -> None:
    """marathon-python 0.13 refuses a group with a member that it does not know."""
    for body in ({"id": "/a"}, {"id": "/b", "enforceRole": False}):
        await ask(house, "POST", "/v2/groups", body)
        assert "enforceRole" not in await tree(house, body["id"])


async def test_the_role_is_enforced_by_top_level_groups_only(house: House) -> None:
    text = "enforceRole can only be set for top-level groups, and /a/sub is not top-level"
    assert await refused(house, "POST", "/v2/groups", {"id": "/a/sub", "enforceRole": True}) == [("/enforceRole", text)]


async def test_a_patch_changes_the_role_and_makes_no_deployment(house: House) -> None:
    await ask(house, "POST", "/v2/groups", {"id": "/a/sub"})
    assert await ask(house, "PATCH", "/v2/groups/a", {"enforceRole": True}) is None
    assert (await tree(house, "/a"))["enforceRole"] is True
    writes = len(house.cluster.writes)
    for body in ({"enforceRole": True}, {}):
        assert await ask(house, "PATCH", "/v2/groups/a", body) is None
    assert len(house.cluster.writes) == writes
    assert await refused(house, "PATCH", "/v2/groups/a/sub", {"enforceRole": True}) == [
        ("/", "Path needs to be top-level")
    ]
    answer = await house.client.patch("/v2/groups/none", json={"enforceRole": True})
    assert (answer.status_code, answer.json()) == (404, {"message": "Group '/none' does not exist", "details": []})
    assert (await house.client.patch("/v2/groups", json={})).status_code == 405


async def test_bodies_that_name_existing_groups_with_services_seem_to_change_the_role(house: House) -> None:
    app = {"id": "x", "cmd": "sleep 1", "instances": 0}
    body = {"id": "/p", "groups": [{"id": "a", "apps": [app]}, {"id": "b"}]}
    await ask(house, "POST", "/v2/groups", body)
    assert await refused(house, "POST", "/v2/groups", body) == [("/groups(0)/enforceRole", SERVICES)]
    assert await refused(house, "PUT", "/v2/groups", {"id": "/", "groups": [{"id": "q"}]}) == [
        ("/enforceRole", SERVICES)
    ]
    both = [("/enforceRole", SERVICES), ("/scaleBy", "not allowed in conjunction with other properties.")]
    assert await refused(house, "PUT", "/v2/groups/p", {"id": "/p", "scaleBy": 1}) == both
    await ask(house, "PUT", "/v2/groups/p", {"id": "/p", "apps": [app]})


# Reading


@pytest.mark.parametrize(
    ("body", "path", "text"),
    [
        ({"apps": [1]}, "/apps(0)/id", "1 is not an object"),
        ({"groups": [{"id": "g", "apps": ["x"]}]}, "/groups(0)/apps(0)/id", '"x" is not an object'),
        ({"groups": [{"id": -1}]}, "/groups(0)/id", "error.expected.jsstring"),
        ({"groups": [{"id": "A"}]}, "/groups(0)/id", "error.pattern"),
        ({"groups": [{}]}, "/groups(0)/id", "error.path.missing"),
        ({"groups": 1}, "/groups", "error.expected.jsarray"),
        ({"dependencies": [1]}, "/dependencies(0)", "error.expected.jsstring"),
        ({"enforceRole": "x"}, "/enforceRole", "error.expected.jsboolean"),
        ({"apps": [{"id": "a"}], "groups": [{"id": "g", "apps": 1}]}, "/groups(0)/apps", "error.expected.jsarray"),
    ],
)
async def test_errors_of_types_come_before_rules_and_name_the_place(
    house: House, body: object, path: str, text: str
) -> None:
    assert await refused(house, "PUT", "/v2/groups/new", body) == [(path, text)]
    assert house.cluster.writes == []


async def test_a_factor_for_a_group_that_is_not_there_makes_it(house: House) -> None:
    await ask(house, "PUT", "/v2/groups/none", {"scaleBy": 2})
    assert ids(await tree(house)) == ["/", "/none"]


async def test_pods_in_a_group_are_refused_with_the_reason(house: House) -> None:
    groups = [{"id": "v", "pods": [{"id": "p", "containers": []}]}]
    text = "pods are not supported by this platform yet"
    assert await refused(house, "POST", "/v2/groups", {"id": "/u", "groups": groups}) == [("/groups(0)/pods", text)]
    await ask(house, "POST", "/v2/groups", {"id": "/u", "pods": []})


async def test_a_group_object_made_by_hand_is_read(house: House) -> None:
    spec = {"id": "/hand", "sequence": 0, "record": {"dependencies": ["/x"]}}
    house.cluster.add(GROUPS, {"metadata": {"name": "hand", "labels": {}}, "spec": spec})
    assert (await tree(house, "/hand"))["dependencies"] == ["/x"]
    house.cluster.remove(GROUPS, "hand")
    assert ids(await tree(house)) == ["/"]


async def test_custom_resource_definitions_that_drop_groups_are_reported(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = house.cluster.add

    def pruned(resource: Any, body: Any) -> Any:
        return add(resource, {**body, "spec": {k: v for k, v in body["spec"].items() if k != "groups"}})

    monkeypatch.setattr(house.cluster, "add", pruned)
    await ask(house, "POST", "/v2/groups", {"id": "/a"})
    assert "apply the output of `mgw manifests`" in caplog.text
