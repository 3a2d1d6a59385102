"""`/v2/apps` over HTTP: what each request answers, and what it leaves behind."""

import pytest

from tests.api.house import LEADER, House


async def test_a_created_app_is_answered_whole_and_can_be_read_at_once(house: House) -> None:
    answer = await house.post_app("/shop/web", instances=2)
    assert answer.status_code == 201
    body = answer.json()
    assert body["id"] == "/shop/web"
    assert body["instances"] == 2
    assert body["deployments"] == [{"id": answer.headers["Marathon-Deployment-Id"]}]
    assert [body[name] for name in ("tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy")] == [0, 0, 0, 0]
    shown = (await house.client.get("/v2/apps//shop/web")).json()["app"]
    assert shown["version"] == body["version"]
    assert shown["deployments"] == body["deployments"]


async def test_a_post_answers_with_the_headers_of_marathon_in_its_order_and_spelling(house: House) -> None:
    answer = await house.post_app("/a", container={"type": "DOCKER", "docker": {"image": "nginx"}})
    names = [name.decode() for name, _ in answer.headers.raw]
    assert names == [
        "X-Marathon-Leader", "X-Frame-Options", "X-XSS-Protection", "Cache-Control", "Pragma", "Expires",
        "Location", "Marathon-Deployment-Id", "Content-Type", "Content-Length",
    ]  # fmt: skip
    assert answer.headers["X-Marathon-Leader"] == f"http://{LEADER}"
    assert answer.headers["Location"] == "http://marathon/a"
    assert answer.headers["Content-Type"] == "application/json"


async def test_a_put_that_makes_the_app_is_201_with_its_location_and_one_that_changes_it_200_without(
    house: House,
) -> None:
    made = await house.client.put("/v2/apps/a", json={"cmd": "sleep 1"})
    assert (made.status_code, made.headers["Location"]) == (201, "http://marathon/a")
    changed = await house.client.put("/v2/apps/a?force=true", json={"instances": 3})
    assert changed.status_code == 200
    assert "Location" not in changed.headers
    assert list(changed.json()) == ["deploymentId", "version"]
    assert changed.headers["Marathon-Deployment-Id"] == changed.json()["deploymentId"]


async def test_an_app_that_is_there_already_is_409(house: House) -> None:
    await house.post_app("/a")
    answer = await house.post_app("/a")
    assert (answer.status_code, answer.json()) == (409, {"message": "An app with id [/a] already exists."})


async def test_a_locked_app_is_409_with_the_deployments_that_hold_it(house: House) -> None:
    held = (await house.post_app("/a")).json()["deployments"]
    before = house.shape()
    for answer in (
        await house.client.put("/v2/apps/a", json={"cmd": "true"}),
        await house.client.patch("/v2/apps/a", json={"cmd": "true"}),
        await house.client.delete("/v2/apps/a?force=false"),
        await house.client.post("/v2/apps/a/restart"),
        await house.client.put("/v2/apps", json=[{"id": "/a", "cmd": "true"}]),
    ):
        assert answer.status_code == 409
        assert answer.json() == {
            "message": "App is locked by one or more deployments. Override with the option '?force=true'. "
            "View details at '/v2/deployments/<DEPLOYMENT_ID>'.",
            "deployments": held,
        }
    assert house.shape() == before


async def test_the_404_of_a_look_up_has_empty_details_and_that_of_a_change_has_none(house: House) -> None:
    missing = "App '/no' does not exist"
    for path in ("/v2/apps/no", "/v2/apps/no/versions", "/v2/apps/no/tasks"):
        answer = await house.client.get(path)
        assert (answer.status_code, answer.json()) == (404, {"message": missing, "details": []})
    for answer in (
        await house.client.delete("/v2/apps/no"),
        await house.client.post("/v2/apps/no/restart"),
        await house.client.patch("/v2/apps/no", json={"cmd": "true"}),
    ):
        assert (answer.status_code, answer.json()) == (404, {"message": missing})


async def test_an_app_is_gone_with_the_answer_to_its_delete(house: House) -> None:
    await house.deployed("/a")
    answer = await house.client.delete("/v2/apps/a")
    assert answer.status_code == 200
    assert (await house.client.get("/v2/apps/a")).status_code == 404
    assert (await house.client.get("/v2/apps")).json() == {"apps": []}


async def test_apps_are_listed_by_id_and_filtered_by_id_cmd_and_label(house: House) -> None:
    await house.post_app("/b/web", labels={"tier": "front"})
    await house.post_app("/a/db", cmd="Postgres -D /data", labels={"tier": "back"})

    async def listed(**query: str) -> list[str]:
        answer = await house.client.get("/v2/apps", params=query)
        assert answer.status_code == 200
        return [app["id"] for app in answer.json()["apps"]]

    assert await listed() == ["/a/db", "/b/web"]
    assert await listed(id="web") == ["/b/web"]
    assert await listed(cmd="postgres") == ["/a/db"]
    assert await listed(label="tier==front") == ["/b/web"]
    assert await listed(label="tier in (back, middle)") == ["/a/db"]
    assert await listed(id="nothing") == []


async def test_a_selector_that_cannot_be_read_is_refused_not_failed(house: House) -> None:
    await house.post_app("/a")
    answer = await house.client.get("/v2/apps", params={"label": "((("})
    assert 400 <= answer.status_code < 500


async def test_a_star_lists_the_apps_below_a_group(house: House) -> None:
    await house.post_app("/g/a")
    await house.post_app("/h")
    assert [app["id"] for app in (await house.client.get("/v2/apps/g/*")).json()["*"]] == ["/g/a"]
    assert [app["id"] for app in (await house.client.get("/v2/apps/*")).json()["*"]] == ["/g/a", "/h"]
    assert (await house.client.get("/v2/apps/no/*")).status_code == 404


async def test_versions_are_newest_first_and_each_can_be_read(house: House) -> None:
    await house.deployed("/a", instances=1)
    first = (await house.client.get("/v2/apps/a")).json()["app"]["version"]
    await house.clock.advance(5)
    second = (await house.client.put("/v2/apps/a", json={"cmd": "sleep 2"})).json()["version"]
    assert (await house.client.get("/v2/apps/a/versions")).json() == {"versions": [second, first]}
    assert (await house.client.get(f"/v2/apps/a/versions/{first}")).json()["cmd"] == "sleep 100"
    assert (await house.client.get(f"/v2/apps/a/versions/{second}")).json()["cmd"] == "sleep 2"


async def test_a_version_that_never_was_is_404_and_one_that_is_no_time_422(house: House) -> None:
    await house.post_app("/a")
    missing = await house.client.get("/v2/apps/a/versions/2015-01-01T00:00:00.000Z")
    assert missing.status_code == 404
    assert missing.json()["message"] == "App '/a' does not exist in version 2015-01-01T00:00:00.000Z"
    answer = await house.client.get("/v2/apps/a/versions/yesterday")
    assert answer.status_code == 422
    assert "yesterday" in answer.json()["message"]


async def test_a_list_of_updates_is_one_deployment(house: House) -> None:
    apps = [{"id": "/a", "cmd": "true"}, {"id": "/b", "cmd": "true"}]
    answer = await house.client.put("/v2/apps", json=apps)
    assert answer.status_code == 200
    (view,) = (await house.client.get("/v2/deployments")).json()
    assert view["id"] == answer.json()["deploymentId"]
    assert sorted(view["affectedApps"]) == ["/a", "/b"]


async def test_a_patch_of_a_list_makes_no_apps_and_then_changes_none(house: House) -> None:
    await house.deployed("/a")
    before = house.shape()
    answer = await house.client.patch("/v2/apps", json=[{"id": "/a", "cmd": "true"}, {"id": "/new", "cmd": "true"}])
    assert (answer.status_code, answer.json()) == (404, {"message": "App '/new' does not exist"})
    assert house.shape() == before


async def test_a_list_update_that_is_no_list_is_422(house: House) -> None:
    answer = await house.client.put("/v2/apps", json={"id": "/a"})
    assert (answer.status_code, answer.json()["message"]) == (422, "Invalid JSON")


async def test_a_restart_is_a_deployment_of_the_same_definition(house: House) -> None:
    await house.deployed("/a")
    answer = await house.client.post("/v2/apps/a/restart")
    assert answer.status_code == 200
    (view,) = (await house.client.get("/v2/deployments")).json()
    assert [action["action"] for step in view["steps"] for action in step["actions"]] == ["RestartApplication"]


async def test_a_delete_of_restart_deletes_the_app_of_that_name(house: House) -> None:
    answer = await house.client.delete("/v2/apps/a/restart")
    assert (answer.status_code, answer.json()) == (404, {"message": "App '/a/restart' does not exist"})


@pytest.mark.parametrize(
    "path",
    [
        "/v2/apps/g/a", "/v2/apps//g/a", "/v2/apps///g//a/", "/v2/apps/%2Fg%2Fa", "/v2/apps/%2fg/a", "//v2//apps/g/a",
        "/marathon/v2/apps/g/a", "/service/marathon/v2/apps//g/a", "/v2/apps/g/./a", "/v2/apps/g/x/../a",
        "/v2/apps/g;x=1/a;y=2", "/v2/%61pps/g/a",
    ],
)  # fmt: skip
async def test_an_id_is_found_however_its_path_is_written(house: House, path: str) -> None:
    await house.post_app("/g/a")
    answer = await house.client.get(f"http://marathon{path}")  # whole, lest two slashes be taken for a host
    assert (answer.status_code, answer.json()["app"]["id"]) == (200, "/g/a")


@pytest.mark.parametrize(
    "bad", ["/A", "/a_b", "/-a", "/a-", "/a b", "/é", "/a/tasks", "/a/versions", "/a/restart", "", "/"]
)
async def test_an_id_that_marathon_would_not_take_is_422_and_makes_nothing(house: House, bad: str) -> None:
    answer = await house.post_app(bad)
    assert answer.status_code == 422
    assert answer.json()["details"]
    assert house.cluster.writes == []


@pytest.mark.parametrize(
    "path", ["/v2/apps/A", "/v2/apps/a_b", "/v2/apps/%00", "/v2/apps/%C3%A9", "/v2/apps/%FF%FE", "/v2/apps/a%20b"]
)
async def test_looking_up_a_bad_id_is_404(house: House, path: str) -> None:
    assert (await house.client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("definition", "where"),
    [
        ({"id": 7, "cmd": "true"}, "/id"),
        ({"id": "/a", "cmd": ["true"]}, "/cmd"),
        ({"id": "/a", "cmd": "true", "instances": "2"}, "/instances"),
        ({"id": "/a", "cmd": "true", "cpus": "much"}, "/cpus"),
        ({"id": "/a", "cmd": "true", "labels": ["x"]}, "/labels"),
        ({"id": "/a", "cmd": "true", "mem": None, "healthChecks": {}}, "/healthChecks"),
        ({"id": "/a", "cmd": "true", "instances": 1_000_000_000}, "/instances"),
        ({"id": "/a", "cmd": "true", "instances": -1}, "/instances"),
    ],
)
async def test_a_wrong_value_is_422_and_says_where(house: House, definition: dict[str, object], where: str) -> None:
    answer = await house.client.post("/v2/apps", json=definition)
    assert answer.status_code == 422
    assert any(detail["path"].startswith(where) for detail in answer.json()["details"])
    assert house.cluster.writes == []


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("body", [b"[]", b"7", b"null", b'"text"', b"true"])
async def test_json_that_is_no_object_is_refused_as_an_app(house: House, method: str, body: bytes) -> None:
    path = "/v2/apps" if method == "POST" else "/v2/apps/a"
    answer = await house.client.request(method, path, content=body)
    assert 400 <= answer.status_code < 500
    assert house.cluster.writes == []


NOTHING = 'No content to map due to end-of-input\n at [Source: (byte[])""; line: 1, column: 0]'


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v2/apps"), ("PUT", "/v2/apps"), ("PATCH", "/v2/apps"), ("PUT", "/v2/apps/a"), ("PATCH", "/v2/apps/a"),
     ("POST", "/v2/tasks/delete"), ("PUT", "/v2/groups"), ("POST", "/v2/groups/g")],
)  # fmt: skip
async def test_a_body_that_is_no_json_is_400(house: House, method: str, path: str) -> None:
    for body, details in ((b"{", None), (b"", NOTHING), (b'{"a": \xff}', None)):
        answer = await house.client.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert answer.json()["message"] in ("Invalid JSON", "Please specify data in JSON format")
        assert details is None or answer.json()["details"] == details
    assert house.cluster.writes == []


async def test_more_deployments_than_allowed_are_403() -> None:
    async with House(max_running_deployments=1) as house:
        await house.post_app("/a")
        answer = await house.post_app("/b")
        assert answer.status_code == 403
        assert answer.json()["message"].startswith("Max number (1) of running deployments is achieved.")


async def test_a_star_is_read_as_a_wildcard_and_written_as_a_bad_id(house: House) -> None:
    put = await house.client.put("/v2/apps/*", json={"cmd": "sleep 1"})
    assert (put.status_code, put.json()["details"]) == (422, [{"path": "/id", "errors": ["error.pattern"]}])
    delete = await house.client.delete("/v2/apps/*")
    assert (delete.status_code, delete.json()) == (404, {"message": "App '/*' does not exist"})
