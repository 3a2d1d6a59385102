"""`GET /v2/events`, as plain ASGI: head at once, frames as they come, a bare line every ten seconds.

The pump and a reader of disconnects run side by side and end each other: a server that is never told that its client has
gone would keep the stream for ever.
"""

import asyncio
import contextlib
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from events.hub import Hub, Subscriber
from gateway.api.replies import message
from gateway.clock import Clock

__all__ = ["EventStream"]

_HEARTBEAT_S = 10.0
_SEND_S = 30.0
_HEAD = [
    (b"Cache-Control", b"no-cache, no-store, must-revalidate"),
    (b"Pragma", b"no-cache"),
    (b"Expires", b"0"),
    (b"Content-Type", b"text/event-stream;charset=utf-8"),
    (b"Connection", b"close"),
]


class EventStream:
    """`coalesce_s` is how long frames are gathered after a write; 0 sends each at once."""

    def __init__(self, hub: Hub, clock: Clock, *, coalesce_s: float = 0.0) -> None:
        self._hub = hub
        self._clock = clock
        self._coalesce_s = coalesce_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await self._options(send)
            return
        if scope["method"] not in ("GET", "HEAD") or not _wants_stream(scope):
            await message(405, "HTTP method GET is not supported by this URL")(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": _HEAD})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        query = parse_qs(scope["query_string"].decode(), keep_blank_values=True)
        client = scope.get("client")
        light = query.get("plan-format", [""])[-1] == "light"
        subscriber = self._hub.attach(client[0] if client else "", query.get("event_type"), light=light)
        try:
            await self._run(subscriber, receive, send)
        finally:
            self._hub.detach(subscriber)

    async def _run(self, subscriber: Subscriber, receive: Receive, send: Send) -> None:
        sending = _Sending(send)
        tasks = [
            asyncio.ensure_future(self._pump(subscriber, sending)),
            asyncio.ensure_future(self._heartbeat(sending)),
            asyncio.ensure_future(_until_gone(receive)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(Exception):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, subscriber: Subscriber, sending: "_Sending") -> None:
        while frames := await subscriber.take():
            await sending.write(frames)
            if self._coalesce_s:
                await self._clock.sleep(self._coalesce_s)

    async def _heartbeat(self, sending: "_Sending") -> None:
        while True:
            await self._clock.sleep(_HEARTBEAT_S)
            await sending.write(b"\r\n")

    @staticmethod
    async def _options(send: Send) -> None:
        headers = [(b"Allow", b"GET, HEAD, OPTIONS"), (b"Content-Length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


class _Sending:
    """One write at a time, each bounded: a peer that takes nothing for long is gone."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._lock = asyncio.Lock()

    async def write(self, data: bytes) -> None:
        async with self._lock, asyncio.timeout(_SEND_S):
            await self._send({"type": "http.response.body", "body": data, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _wants_stream(scope: Scope) -> bool:
    """One `Accept` line that is exactly this, blanks aside: anything else is not the stream's (recorded)."""
    accepts = [value.decode("latin-1").strip() for key, value in scope["headers"] if key.lower() == b"accept"]
    return "text/event-stream" in accepts
