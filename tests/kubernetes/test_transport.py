"""What a call to the API server does about refusals, silence and cuts, over a real socket."""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.clock import VirtualClock
from gateway.kubernetes.cluster import Cluster
from gateway.kubernetes.errors import Forbidden, Invalid, TooManyRequests, Unavailable
from gateway.kubernetes.resources import DEPLOYMENTS, LEASES
from gateway.kubernetes.transport import connect
from tests.kubernetes.sockets import Asked, Reply, SocketServer, answer, bookmark, connected, status, until, watching

T = TypeVar("T")
WRITES = ["POST", "PUT", "PATCH", "DELETE"]
TOO_MANY = answer(429, b"Too many requests, please try again later.\n", kind="text/plain", Retry_After="3")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def server() -> SocketServer:
    return SocketServer()


async def result(clock: VirtualClock, call: Coroutine[Any, Any, T], *, step_s: float = 0.1) -> T:
    """The call's result, with time passing while it waits."""
    task = asyncio.create_task(call)
    await until(clock, task.done, step_s=step_s)
    return task.result()


@pytest.mark.parametrize("method", ["GET", *WRITES])
async def test_a_refusal_for_load_is_asked_again_after_the_time_it_names(
    server: SocketServer, clock: VirtualClock, tmp_path: Path, method: str
) -> None:
    replies = [TOO_MANY, answer(200, b'{"done":1}')]
    server.choose = lambda asked: replies.pop(0)
    async with connected(server, tmp_path, clock) as api:
        call = api.get("/api/v1/pods") if method == "GET" else api.send(method, "/api/v1/pods", b"{}")
        assert await result(clock, call) == b'{"done":1}'
    assert 3.0 <= clock.monotonic() <= 4.0
    assert len(server.asked) == 2


async def test_a_server_that_asks_for_more_patience_than_a_caller_has_is_not_asked_again(
    server: SocketServer, clock: VirtualClock, tmp_path: Path
) -> None:
    text = "Too many requests, please try again later."
    server.choose = lambda asked: answer(429, text.encode(), kind="text/plain", Retry_After="60")
    async with connected(server, tmp_path, clock) as api:
        with pytest.raises(TooManyRequests, match=text) as refused:
            await result(clock, api.send("POST", "/api/v1/pods", b"{}"))
    assert refused.value.retry_after_s == 60
    assert len(server.asked) == 1


async def test_one_call_waits_for_ten_seconds_in_all(server: SocketServer, clock: VirtualClock, tmp_path: Path) -> None:
    server.choose = lambda asked: answer(429, b"no", kind="text/plain", Retry_After="6")
    async with connected(server, tmp_path, clock) as api:
        with pytest.raises(TooManyRequests):
            await result(clock, api.get("/api/v1/pods"))
    assert len(server.asked) == 2


def by_token(asked: Asked) -> Reply | None:
    """Takes only the second token."""
    if asked.headers.get("authorization") == "Bearer second":
        return None
    return answer(401, status(401, "Unauthorized"))


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_refused_token_is_read_again_at_once(
    server: SocketServer, clock: VirtualClock, tmp_path: Path, method: str
) -> None:
    server.choose = by_token
    async with connected(server, tmp_path, clock) as api:
        (tmp_path / "token").write_text("second\n")
        call = api.get("/api/v1/pods") if method == "GET" else api.send(method, "/api/v1/pods", b"{}")
        assert await result(clock, call, step_s=0)
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer first", "Bearer second"]
    assert clock.monotonic() == 0


async def test_a_watch_whose_token_is_refused_is_opened_with_the_new_one(
    server: SocketServer, clock: VirtualClock, tmp_path: Path
) -> None:
    server.choose = lambda asked: by_token(asked) or watching(bookmark(3), then="end")
    async with connected(server, tmp_path, clock) as api:
        (tmp_path / "token").write_text("second\n")
        lines = [line async for line in api.watch("/api/v1/pods", {"watch": "true"}, idle_timeout_s=70)]
    assert lines == [b"", bookmark(3).strip()]


async def test_a_token_that_stays_refused_is_not_loaded_for_each_call(
    server: SocketServer, clock: VirtualClock, tmp_path: Path
) -> None:
    server.choose = by_token
    loads = 0
    async with connected(server, tmp_path, clock) as api:
        load = api._credentials._load

        async def counted(clock: Any) -> Any:
            nonlocal loads
            loads += 1
            return await load(clock)

        api._credentials._load = counted
        for _ in range(10):
            with pytest.raises(Forbidden):
                await api.get("/api/v1/pods")
        assert (loads, len(server.asked)) == (1, 10)
        (tmp_path / "token").write_text("second\n")
        await clock.advance(5)
        assert await result(clock, api.get("/api/v1/pods"))


async def test_a_token_file_is_read_again_every_minute(
    server: SocketServer, clock: VirtualClock, tmp_path: Path
) -> None:
    async with connected(server, tmp_path, clock) as api:
        (tmp_path / "token").write_text("second\n")
        await clock.advance(61)
        await api.get("/api/v1/pods")
    assert server.asked[0].headers["authorization"] == "Bearer second"


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("ending", [0, 20], ids=["no answer", "half an answer"])
async def test_a_write_that_may_have_been_executed_is_not_sent_again(
    server: SocketServer, clock: VirtualClock, tmp_path: Path, method: str, ending: int
) -> None:
    async with connected(server, tmp_path, clock) as api:
        await api.get("/api/v1/pods")  # the write goes over a connection that is in use already
        server.choose = lambda asked: answer(200).cut(ending)
        with pytest.raises(Unavailable):
            await result(clock, api.send(method, "/api/v1/namespaces/m/pods/a", b"{}"))
    assert [asked.method for asked in server.asked] == ["GET", method]
    assert server.asked[0].connection == server.asked[1].connection


@pytest.mark.parametrize("code", [500, 503, 504])
async def test_a_write_that_failed_in_the_server_is_not_sent_again(
    server: SocketServer, clock: VirtualClock, tmp_path: Path, code: int
) -> None:
    server.choose = lambda asked: answer(code, b"upstream request timeout", kind="text/plain")
    async with connected(server, tmp_path, clock) as api:
        with pytest.raises(Unavailable, match="upstream request timeout"):
            await result(clock, api.send("POST", "/api/v1/pods", b"{}"))
    assert len(server.asked) == 1


async def test_a_read_that_was_cut_is_asked_again(server: SocketServer, clock: VirtualClock, tmp_path: Path) -> None:
    replies = [answer(200).cut(30), answer(503, b"no"), answer(200, b'{"done":1}')]
    server.choose = lambda asked: replies.pop(0)
    async with connected(server, tmp_path, clock) as api:
        assert await result(clock, api.get("/api/v1/pods")) == b'{"done":1}'


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_without_a_connection_nothing_was_executed_so_all_is_tried_again(
    clock: VirtualClock, tmp_path: Path, method: str
) -> None:
    async with connected(SocketServer(), tmp_path, clock):
        pass  # leaves a configuration for a port on which nobody listens
    api = await connect(tmp_path / "config", clock=clock)
    call = api.get("/api/v1/pods") if method == "GET" else api.send(method, "/api/v1/pods", b"{}")
    with pytest.raises(Unavailable):
        await result(clock, call)
    assert api.calls[f"{method} pods"] == 4
    await api.close()


async def test_the_lease_does_not_wait_for_thirty_two_hanging_writes_and_a_hundred_reads(
    server: SocketServer, clock: VirtualClock, tmp_path: Path
) -> None:
    lease = json.dumps({"metadata": {"name": "l", "uid": "u", "resourceVersion": "1"}}).encode()
    server.choose = lambda asked: answer(200, lease) if "leases" in asked.path else Reply(b"", "silence")
    async with connected(server, tmp_path, clock) as api:
        cluster = Cluster(api, namespace="m", clock=clock)
        hanging = [asyncio.create_task(cluster.create(DEPLOYMENTS, b"{}")) for _ in range(40)]
        hanging += [asyncio.create_task(cluster.get(DEPLOYMENTS, "d")) for _ in range(100)]
        await until(clock, lambda: len(server.asked) == 100)
        await result(clock, cluster.get(LEASES, "l"), step_s=0)
        await result(clock, cluster.replace(LEASES, "l", {}), step_s=0)
        await result(clock, cluster.create(LEASES, {}), step_s=0)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
    assert sum(asked.method == "POST" and "leases" not in asked.path for asked in server.asked) == 32


async def test_a_lease_call_is_made_once_because_its_caller_has_a_rhythm(
    server: SocketServer, clock: VirtualClock, tmp_path: Path
) -> None:
    server.choose = lambda asked: TOO_MANY
    async with connected(server, tmp_path, clock) as api:
        with pytest.raises(TooManyRequests):
            await result(clock, Cluster(api, namespace="m", clock=clock).get(LEASES, "l"))
    assert len(server.asked) == 1


async def test_what_is_no_api_server_is_unavailable_and_said_so(
    server: SocketServer, clock: VirtualClock, tmp_path: Path
) -> None:
    pages = [answer(200, b"<html>Sign in</html>", kind="text/html"), answer(200, b'{"metadata":{"name":"\xff"}}')]
    server.choose = lambda asked: replace(pages.pop(0))
    async with connected(server, tmp_path, clock) as api:
        for _ in range(2):
            with pytest.raises(Unavailable, match="not a Kubernetes API"):
                await Cluster(api, namespace="m", clock=clock).get(DEPLOYMENTS, "d")


async def test_an_answer_in_text_is_shown_to_whoever_asked(
    server: SocketServer, clock: VirtualClock, tmp_path: Path
) -> None:
    server.choose = lambda asked: answer(400, b"Client sent an HTTP request to an HTTPS server.\n", kind="text/plain")
    async with connected(server, tmp_path, clock) as api:
        with pytest.raises(Invalid, match="HTTP request to an HTTPS server"):
            await api.get("/api/v1/pods")


async def test_missing_custom_resources_are_named_with_what_to_do(
    server: SocketServer, clock: VirtualClock, tmp_path: Path
) -> None:
    missing = answer(404, b"404 page not found\n", kind="text/plain")
    server.choose = lambda asked: missing if "/apis/marathon" in asked.path else None
    async with connected(server, tmp_path, clock) as api:
        cluster = Cluster(api, namespace="m", clock=clock)
        task = asyncio.create_task(cluster.run())
        await until(clock, lambda: bool(cluster.problem))
        assert "mgw manifests" in cluster.problem
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_redirect_is_not_followed_with_the_token(
    server: SocketServer, clock: VirtualClock, tmp_path: Path
) -> None:
    server.choose = lambda asked: answer(302, b"", Location="/login") if asked.path != "/login" else answer(200)
    async with connected(server, tmp_path, clock) as api:
        with pytest.raises(Invalid, match="302"):
            await api.get("/api/v1/pods")
    assert len(server.asked) == 1
