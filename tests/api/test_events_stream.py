"""`GET /v2/events` as a server would call it: raw ASGI, one client that listens and goes away."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.house import House

STREAM = [(b"accept", b"text/event-stream")]


class Listener:
    """One connection. `sent` is what the gateway sent; `leave` is the client that hangs up."""

    def __init__(self, house: House, *, query: bytes = b"", headers: Any = STREAM, method: str = "GET") -> None:
        self._house = house
        self._gone = asyncio.Event()
        self._asked = False
        self.sent: list[dict[str, Any]] = []
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": "/v2/events", "raw_path": b"/v2/events", "query_string": query, "headers": headers,
            "client": ("192.0.2.9", 4321), "server": ("marathon", 80), "root_path": "",
        }  # fmt: skip
        self.task = asyncio.create_task(house.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    def leave(self) -> None:
        self._gone.set()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def head(self) -> dict[str, str]:
        return {key.decode(): value.decode() for key, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        out = []
        for frame in self.body.split(b"\r\n\r\n"):
            lines = [line for line in frame.split(b"\r\n") if line]
            if lines:
                assert lines[0].startswith(b"event: ")
                assert lines[1].startswith(b"data: ")
                out.append((lines[0][7:].decode(), json.loads(lines[1][6:])))
        return out


@pytest.fixture
async def listeners(house: House) -> AsyncIterator[list[Listener]]:
    made: list[Listener] = []
    yield made
    for listener in made:
        listener.leave()
    await asyncio.gather(*(listener.task for listener in made))


async def test_the_head_comes_at_once_and_names_the_stream(house: House, listeners: list[Listener]) -> None:
    listeners.append(Listener(house))
    await house.clock.settle()
    assert listeners[0].status == 200
    assert listeners[0].head["Content-Type"] == "text/event-stream;charset=utf-8"
    assert listeners[0].head["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert "Content-Encoding" not in listeners[0].head


async def test_the_first_frame_is_the_streams_own_attachment(house: House, listeners: list[Listener]) -> None:
    listeners.append(Listener(house))
    await house.clock.settle()
    ((kind, data),) = listeners[0].events
    assert kind == "event_stream_attached"
    assert list(data) == ["remoteAddress", "eventType", "timestamp"]
    assert data["remoteAddress"] == "192.0.2.9"


@pytest.mark.parametrize(
    "headers",
    [[], [(b"accept", b"*/*")], [(b"accept", b"application/json")], [(b"accept", b"text/event-stream, */*")],
     [(b"accept", b"text/*")]],
)  # fmt: skip
async def test_what_does_not_ask_for_exactly_a_stream_is_405(house: House, headers: Any) -> None:
    listener = Listener(house, headers=headers)
    await listener.task
    assert listener.status == 405
    assert json.loads(listener.body) == {"message": "HTTP method GET is not supported by this URL"}
    assert not house.hub.subscribers


async def test_blanks_around_the_type_do_not_matter_and_compression_is_not_done(
    house: House, listeners: list[Listener]
) -> None:
    listeners.append(Listener(house, headers=[(b"Accept", b" text/event-stream "), (b"accept-encoding", b"gzip")]))
    await house.clock.settle()
    assert listeners[0].status == 200
    assert listeners[0].events[0][0] == "event_stream_attached"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_other_methods_are_405(house: House, method: str) -> None:
    listener = Listener(house, method=method)
    await listener.task
    assert listener.status == 405


async def test_head_answers_and_attaches_nobody(house: House) -> None:
    listener = Listener(house, method="HEAD")
    await listener.task
    assert (listener.status, listener.body) == (200, b"")
    assert not house.hub.subscribers


async def test_a_silent_stream_sends_an_empty_line_every_ten_seconds(house: House, listeners: list[Listener]) -> None:
    listeners.append(Listener(house))
    await house.clock.settle()
    before = len(listeners[0].sent)
    await house.clock.advance(9.9)
    assert len(listeners[0].sent) == before
    await house.clock.advance(0.2)
    await house.clock.advance(10)
    assert [message["body"] for message in listeners[0].sent[before:]] == [b"\r\n", b"\r\n"]


async def test_a_client_that_hangs_up_leaves_nothing_behind_and_the_others_are_told(
    house: House, listeners: list[Listener]
) -> None:
    first, second = Listener(house), Listener(house)
    listeners.append(second)
    await house.clock.settle()
    assert len(house.hub.subscribers) == 2
    first.leave()
    await house.clock.settle()
    assert first.task.done()
    assert len(house.hub.subscribers) == 1
    assert second.events[-1][0] == "event_stream_detached"


async def test_a_server_that_ends_ends_the_streams(house: House) -> None:
    listener = Listener(house)
    await house.clock.settle()
    house.hub.close()
    await house.clock.settle()
    assert listener.task.done()
    assert listener.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_cancelled_connection_frees_the_subscriber(house: House) -> None:
    listener = Listener(house)
    await house.clock.settle()
    listener.task.cancel()
    await asyncio.gather(listener.task, return_exceptions=True)
    assert not house.hub.subscribers


async def test_a_deployment_is_told_from_its_acceptance_to_its_success(house: House, listeners: list[Listener]) -> None:
    listeners.append(Listener(house))
    await house.clock.settle()
    change = (await house.post_app("/a")).headers["Marathon-Deployment-Id"]
    await house.roll()
    await house.clock.settle()
    kinds = [kind for kind, _ in listeners[0].events]
    assert kinds == [
        "event_stream_attached",
        "group_change_success",
        "api_post_event",
        "deployment_info",
        "deployment_step_success",
        "deployment_info",
        "instance_changed_event",
        "instance_changed_event",
        "status_update_event",
        "instance_changed_event",
        "status_update_event",
        "instance_changed_event",
        "deployment_step_success",
        "deployment_success",
    ]
    told = dict(listeners[0].events)
    assert told["deployment_success"]["id"] == change
    assert told["api_post_event"]["clientIp"] == "192.0.2.7"
    assert told["api_post_event"]["uri"] == "/v2/apps"
    conditions = [data["condition"] for kind, data in listeners[0].events if kind == "instance_changed_event"]
    assert conditions == ["Scheduled", "Provisioned", "Starting", "Running"]


async def test_a_refused_change_is_told_as_failed(house: House, listeners: list[Listener]) -> None:
    await house.post_app("/a")
    listeners.append(Listener(house))
    await house.clock.settle()
    await house.client.put("/v2/apps/a", json={"cmd": "true"})
    await house.clock.settle()
    kinds = [kind for kind, _ in listeners[0].events]
    assert kinds == ["event_stream_attached", "group_change_failed", "deployment_failed"]
    assert listeners[0].events[1][1]["reason"].startswith("App is locked by one or more deployments.")


async def test_only_the_types_that_were_asked_for_come(house: House, listeners: list[Listener]) -> None:
    listeners.append(Listener(house, query=b"event_type=api_post_event&event_type=deployment_success"))
    await house.clock.settle()
    await house.post_app("/a")
    await house.roll()
    await house.clock.settle()
    assert [kind for kind, _ in listeners[0].events] == ["api_post_event", "deployment_success"]


async def test_the_light_plan_lacks_what_the_full_one_has_empty(house: House, listeners: list[Listener]) -> None:
    listeners.append(Listener(house, query=b"plan-format=light&event_type=deployment_info"))
    listeners.append(Listener(house, query=b"event_type=deployment_info"))
    await house.clock.settle()
    await house.post_app("/a")
    await house.roll()
    await house.clock.settle()
    light, full = listeners[0].events[0][1]["plan"], listeners[1].events[0][1]["plan"]
    assert list(light) == ["id", "steps", "version"]
    assert list(full) == ["id", "original", "target", "steps", "version"]
