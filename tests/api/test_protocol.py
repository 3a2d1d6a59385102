"""What every request goes through before and after its handler: methods, types, limits, credentials, headers, outages."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.api.dcos import token
from gateway.api.settings import ApiSettings
from gateway.kubernetes.errors import Unavailable
from tests.api.house import House

APP = {"id": "/a", "cmd": "sleep 100"}


@pytest.fixture
async def locked_house() -> AsyncIterator[House]:
    async with House(settings=ApiSettings(credentials="ops:s3cret", realm="lab")) as made:
        yield made


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/v2/apps"), ("POST", "/v2/apps/a"), ("PUT", "/v2/tasks"), ("POST", "/v2/deployments"),
     ("GET", "/v2/deployments/x"), ("POST", "/v2/info"), ("PUT", "/ping"), ("GET", "/v2/tasks/delete"),
     ("TRACE", "/v2/apps"), ("BREW", "/v2/apps"), ("POST", "/v2/queue"), ("PATCH", "/v2/groups")],
)  # fmt: skip
async def test_a_method_that_a_path_does_not_have_is_405_without_an_allow(house: House, method: str, path: str) -> None:
    answer = await house.client.request(method, path)
    assert (answer.status_code, answer.json()) == (405, {"message": "Method Not Allowed"})
    assert "Allow" not in answer.headers


async def test_options_lists_the_methods_of_a_path(house: House) -> None:
    answer = await house.client.options("/v2/apps/a")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Allow"] == "HEAD,DELETE,GET,OPTIONS,PUT,PATCH"
    assert (await house.client.options("/v2/events")).headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["/v2/apps", "/v2/apps/a", "/v2/groups", "/v2/info", "/ping"])
async def test_head_is_get_without_a_body(house: House, path: str) -> None:
    await house.post_app("/a")
    whole, head = await house.client.get(path), await house.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == whole.headers["Content-Type"]


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*", "nonsense"])
async def test_a_client_that_takes_no_json_is_406(house: House, accept: str) -> None:
    answer = await house.client.get("/v2/apps", headers={"Accept": accept})
    assert (answer.status_code, answer.json()) == (406, {"message": "Not Acceptable"})


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/json", "text/html, */*;q=0.1", "application/*", "Application/JSON"]
)
async def test_a_client_that_takes_json_among_others_gets_it(house: House, accept: str) -> None:
    assert (await house.client.get("/v2/apps", headers={"Accept": accept})).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x"])
async def test_a_body_of_another_type_is_415_and_makes_nothing(house: House, kind: str) -> None:
    answer = await house.client.post("/v2/apps", content=json.dumps(APP), headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()) == (415, {"message": "Unsupported Media Type"})
    assert house.cluster.writes == []


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "*/*", "application/x-www-form-urlencoded", ""])
async def test_what_curl_and_old_clients_call_json_is_read_as_json(house: House, kind: str) -> None:
    answer = await house.client.post("/v2/apps", content=json.dumps(APP), headers={"Content-Type": kind})
    assert answer.status_code == 201


@pytest.mark.parametrize("path", ["/v2/nothing", "/nothing", "/v2", "/v3/apps", "/v2/appsx"])
async def test_a_path_that_nobody_serves_is_404(house: House, path: str) -> None:
    answer = await house.client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"message": "URI not found"})


async def test_every_answer_carries_the_headers_that_forbid_caching(house: House) -> None:
    for path in ("/v2/apps", "/v2/apps/no", "/nothing", "/ping"):
        answer = await house.client.get(path)
        assert answer.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
        assert answer.headers["X-Frame-Options"] == "DENY"


async def test_a_long_answer_is_compressed_for_those_who_ask_and_a_change_never(house: House) -> None:
    answer = await house.client.get("/v2/info", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.json()["name"] == "marathon"
    assert answer.headers["Vary"].startswith("Accept-Encoding, User-Agent")
    assert "Content-Encoding" not in (await house.post_app("/a")).headers
    plain = await house.client.get("/v2/info", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers


async def test_without_a_leader_no_leader_is_named(house: House) -> None:
    house.leadership.who = None
    assert "X-Marathon-Leader" not in (await house.client.get("/ping")).headers


# Limits


async def test_a_body_that_says_it_is_too_large_is_413_and_is_not_read(house: House) -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("read")
        yield b""

    headers = {"Content-Length": str(10 * 1024 * 1024), "Content-Type": "application/json"}
    answer = await house.client.post("/v2/apps", content=body(), headers=headers)
    assert answer.status_code == 413
    assert answer.headers["Connection"] == "close"
    assert "max_body_bytes" in answer.json()["message"]


async def test_a_body_that_grows_too_large_is_413_when_it_does(house: House) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(160):
            sent += 65_536
            yield b" " * 65_536

    answer = await house.client.post("/v2/apps", content=body(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert sent <= 8 * 1024 * 1024 + 2 * 65_536
    assert house.cluster.writes == []


async def test_more_requests_at_once_than_allowed_are_503() -> None:
    async with House(settings=ApiSettings(max_concurrent_requests=1)) as house:
        inner: list[int] = []

        async def body() -> AsyncIterator[bytes]:
            inner.append((await house.client.get("/v2/apps")).status_code)
            yield json.dumps(APP).encode()

        headers = {"Content-Type": "application/json"}
        assert (await house.client.post("/v2/apps", content=body(), headers=headers)).status_code == 201
        assert inner == [503]
        assert (await house.client.get("/v2/apps")).status_code == 200


# Credentials


@pytest.mark.parametrize("path", ["/v2/apps", "/ping", "/v2/events", "/nothing", "/marathon/v2/apps"])
async def test_without_credentials_everything_is_401(locked_house: House, path: str) -> None:
    answer = await locked_house.client.get(path)
    assert (answer.status_code, answer.json()) == (401, {"message": "Invalid username or password."})
    assert answer.headers["WWW-Authenticate"] == 'basic realm="lab"'


@pytest.mark.parametrize(
    "authorization",
    ["Basic b3BzOndyb25n", "Basic !!!", "Basic", "", "Bearer b3BzOnMzY3JldA==", "token=wrong", "Basic é"],
)
async def test_wrong_credentials_are_401(locked_house: House, authorization: str) -> None:
    answer = await locked_house.client.get("/v2/apps", headers={b"Authorization": authorization.encode("latin-1")})
    assert answer.status_code == 401


async def test_basic_credentials_let_in(locked_house: House) -> None:
    assert (await locked_house.client.get("/v2/apps", auth=("ops", "s3cret"))).status_code == 200


async def test_a_login_gives_the_token_that_lets_in(locked_house: House) -> None:
    login = "/acs/api/v1/auth/login"
    assert (await locked_house.client.post(login, json={"uid": "ops", "password": "no"})).status_code == 401
    answer = await locked_house.client.post(login, json={"uid": "ops", "password": "s3cret"})
    assert answer.json() == {"token": token("ops:s3cret")}
    headers = {"Authorization": f"token={answer.json()['token']}"}
    assert (await locked_house.client.get("/v2/apps", headers=headers)).status_code == 200


# Outages


READS = [
    "/v2/apps", "/v2/apps/a", "/v2/apps/a/versions", "/v2/apps/a/versions/2023-11-14T22:13:20.000Z", "/v2/apps/a/tasks", "/v2/tasks", "/v2/groups", "/v2/deployments",
    "/v2/queue", "/metrics",
]  # fmt: skip
WRITES = [
    ("POST", "/v2/apps", {"id": "/b", "cmd": "true"}),
    ("PUT", "/v2/apps/a", {"cmd": "true"}),
    ("PUT", "/v2/apps", [{"id": "/a", "cmd": "true"}]),
    ("PATCH", "/v2/apps/a", {"cmd": "true"}),
    ("DELETE", "/v2/apps/a", None),
    ("POST", "/v2/apps/a/restart", None),
    ("PUT", "/v2/groups", {"apps": [{"id": "a", "cmd": "true"}]}),
    ("POST", "/v2/groups", {"id": "/g", "apps": [{"id": "a", "cmd": "true"}]}),
    ("DELETE", "/v2/groups/", None),
]


@pytest.mark.parametrize("path", READS)
async def test_reads_are_503_in_json_until_the_cluster_has_been_read(house: House, path: str) -> None:
    await house.post_app("/a")
    house.unsynced()
    answer = await house.client.get(path)
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"message": "The Kubernetes API has not been read yet. Try again."}


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
async def test_writes_are_503_until_the_cluster_has_been_read(
    house: House, method: str, path: str, body: object
) -> None:
    await house.deployed("/a")
    before = list(house.cluster.writes)
    house.unsynced()
    answer = await house.client.request(method, path, json=body)
    assert answer.status_code == 503
    assert house.cluster.writes == before


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
async def test_a_write_that_the_cluster_does_not_take_is_503_and_changes_nothing(
    house: House, method: str, path: str, body: object
) -> None:
    await house.deployed("/a")
    before = house.shape()

    def fail(_write: tuple[str, str, str]) -> None:
        raise Unavailable("the API server is away")

    house.cluster.before_write = fail
    answer = await house.client.request(method, path, json=body)
    assert answer.status_code == 503
    assert "the API server is away" in answer.json()["message"]
    assert house.shape() == before
    house.cluster.before_write = lambda write: None
    assert (await house.client.request(method, path, json=body)).status_code in (200, 201)


async def test_a_kill_that_the_cluster_does_not_take_is_503_and_kills_nobody(house: House) -> None:
    (instance,) = await house.deployed("/a")

    def fail(_write: tuple[str, str, str]) -> None:
        raise Unavailable("away")

    house.cluster.before_write = fail
    answer = await house.client.delete(f"/v2/apps/a/tasks/{instance.task_id}")
    assert answer.status_code == 503
    assert [i.uid for i in house.instances.of("/a")] == [instance.uid]


@pytest.mark.parametrize("path", ["/ping", "/v2/info", "/v2/leader"])
async def test_who_the_gateway_is_can_be_asked_before_the_cluster_has_been_read(house: House, path: str) -> None:
    house.unsynced()
    assert (await house.client.get(path)).status_code == 200


async def test_matrix_parameters_are_dropped(house: House) -> None:
    assert (await house.client.get("/v2/apps;a=b")).json() == {"apps": []}


@pytest.mark.parametrize("path", ["/v2/apps//", "/v2/apps///", "/marathon/v2/apps//"])
async def test_two_slashes_name_the_app_that_cannot_be(house: House, path: str) -> None:
    answer = await house.client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"message": "App '/' does not exist", "details": []})
    assert (await house.client.delete(path)).json() == {"message": "App '/' does not exist"}
    put = await house.client.put(path, json={"cmd": "sleep 1"})
    assert put.status_code == 422
    assert {detail["path"]: detail["errors"] for detail in put.json()["details"]} == {
        "/id": ["Path must contain at least one path element"],
        "/": ["must not be root"],
    }


async def test_a_path_that_is_badly_escaped_is_400_as_html(house: House) -> None:
    for target in (b"/v2/apps/%", b"/v2/apps/%zz"):
        answer = await house.client.request("GET", httpx.URL("http://mgw", raw_path=target))
        assert (answer.status_code, answer.text) == (400, "<h1>Bad Message 400</h1><pre>reason: Bad Request</pre>")
        assert answer.headers["Content-Type"] == "text/html;charset=iso-8859-1"
