"""A server of which every byte is scripted, on a real socket, so that the transport under test is the real one.

What is asked is answered by the next `Reply` in the queue of its kind (`lists`, `streams`, `watches`, `others`), or by the
`Collection` when that queue is empty. A reply says what comes after its bytes: the next request, silence, or the end of
the connection. `until` polls for a state and moves the virtual clock meanwhile, so no test waits for real.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from gateway.clock import VirtualClock
from gateway.kubernetes.transport import ApiServer, connect

__all__ = [
    "Asked",
    "Collection",
    "Reply",
    "SocketServer",
    "answer",
    "bookmark",
    "connected",
    "event",
    "expired",
    "pod",
    "status",
    "until",
    "watching",
]

Obj = dict[str, Any]
_UNTIL_S = 10.0
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True, slots=True)
class Reply:
    data: bytes
    then: Literal["next", "silence", "cut"] = "next"

    def cut(self, at: int) -> "Reply":
        return Reply(self.data[:at], "cut")


def answer(code: int, body: bytes = b"{}", *, kind: str = "application/json", **headers: str) -> Reply:
    """A whole answer. Header names are given with underscores."""
    lines = [f"HTTP/1.1 {code} Something", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Reply("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def watching(*lines: bytes, then: Literal["end", "silence", "cut"] = "silence") -> Reply:
    """A watch that sends these lines, each in a chunk of its own, and then ends in order, falls silent or is cut."""
    data = _HEAD + b"".join(b"%x\r\n%b\r\n" % (len(line), line) for line in lines)
    return Reply(data + _END) if then == "end" else Reply(data, then)


def pod(name: str, version: int, uid: str = "", **more: Any) -> Obj:
    return {"metadata": {"name": name, "uid": uid or f"u-{name}", "resourceVersion": str(version)}, **more}


def event(kind: str, item: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": item}, separators=(",", ":")).encode() + b"\n"


def bookmark(version: int, *, end_of_list: bool = False) -> bytes:
    annotations = {"annotations": {"k8s.io/initial-events-end": "true"}} if end_of_list else {}
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version), **annotations}})


def status(code: int, reason: str, message: str = "") -> bytes:
    return json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message or reason}).encode()


def expired() -> bytes:
    return event("ERROR", json.loads(status(410, "Expired", "too old resource version: 1 (2)")))


@dataclass
class Collection:
    """What a well-behaved API server has: a state at a version, and what happened after it."""

    version: int = 10
    items: Sequence[Obj] = ()
    later: Sequence[tuple[str, Obj]] = ()

    def reply(self, asked: Asked) -> Reply:
        if not asked.params.get("watch"):
            page = {"metadata": {"resourceVersion": str(self.version)}, "items": list(self.items)}
            return answer(200, json.dumps(page).encode())
        if asked.params.get("sendInitialEvents"):
            first = [*(event("ADDED", item) for item in self.items), bookmark(self.version, end_of_list=True)]
            return watching(*first, *(event(kind, item) for kind, item in self.later))
        since = int(asked.params["resourceVersion"])
        missed = [event(k, i) for k, i in self.later if int(i["metadata"]["resourceVersion"]) > since]
        return watching(*missed)


@dataclass
class SocketServer:
    """See the module. `asked` is everything that was asked, in order; `open` counts the connections there are."""

    collection: Collection = field(default_factory=Collection)
    asked: list[Asked] = field(default_factory=list)
    lists: deque[Reply] = field(default_factory=deque)
    streams: deque[Reply] = field(default_factory=deque)
    watches: deque[Reply] = field(default_factory=deque)
    others: deque[Reply] = field(default_factory=deque)
    choose: Callable[[Asked], Reply | None] = lambda asked: None
    open: int = 0
    _connections: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def of(self, *, watch: bool) -> list[Asked]:
        return [each for each in self.asked if bool(each.params.get("watch")) is watch]

    def versions(self) -> list[str]:
        """The versions that plain watches were opened at."""
        return [a.params["resourceVersion"] for a in self.of(watch=True) if "sendInitialEvents" not in a.params]

    def send(self, data: bytes) -> None:
        """Sends to every open connection, in a chunk."""
        for writer in self._writers:
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self._writers.add(writer)
        self._connections += 1
        self.open += 1
        try:
            await self._connection(reader, writer, self._connections)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def end(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while True:
            asked = await _read(reader, number)
            self.asked.append(asked)
            reply = self.choose(asked) or self._reply(asked)
            writer.write(reply.data)
            await writer.drain()
            if reply.then == "silence":
                await reader.read()  # until the other side gives up
            if reply.then != "next":
                return

    def _reply(self, asked: Asked) -> Reply:
        if asked.method != "GET":
            return self.others.popleft() if self.others else answer(200)
        queue = self.lists
        if asked.params.get("watch"):
            queue = self.streams if "sendInitialEvents" in asked.params else self.watches
        return queue.popleft() if queue else self.collection.reply(asked)


async def _read(reader: asyncio.StreamReader, connection: int) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    url = urlsplit(target)
    return Asked(method, url.path, dict(parse_qsl(url.query)), headers, body, connection)


@asynccontextmanager
async def connected(
    server: SocketServer, directory: Path, clock: VirtualClock, *, token: str = "first"
) -> AsyncIterator[ApiServer]:
    """The real transport, by a kubeconfig whose user has a token file, to this server."""
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=2**24)
    port = listening.sockets[0].getsockname()[1]
    (directory / "token").write_text(token + "\n")
    user = {"name": "u", "user": {"tokenFile": str(directory / "token")}}
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "x"}
    (directory / "config").write_text(
        json.dumps({**config, "users": [user], "clusters": [cluster], "contexts": [context]})
    )
    api = await connect(directory / "config", clock=clock)
    try:
        yield api
    finally:
        await api.close()
        await server.end()
        listening.close()
        await listening.wait_closed()


async def until(clock: VirtualClock, reached: Callable[[], bool], *, step_s: float = 0.0) -> None:
    """Polls, moving the clock by `step_s` between two looks."""
    end = time.monotonic() + _UNTIL_S
    while not reached():
        assert time.monotonic() < end, "not reached"
        await asyncio.sleep(0.0005)
        if step_s:
            await clock.advance(step_s)


def repeated(reply: Reply, times: int) -> deque[Reply]:
    return deque(replace(reply) for _ in range(times))
