"""The Kubernetes API of the embedded cluster, as an ASGI application.

Serves what `Objects` holds with the verbs, parameters and Status bodies of a real API server, as far as clients rely on
them; `tests/contract` and kubectl say how far that is.
"""

import asyncio
import contextlib
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any

from gateway.simulator import discovery
from gateway.simulator.errors import ApiError, TextError, conflict, method_not_allowed, unknown_resource
from gateway.simulator.fairness import Fairness, TooManyRequestsError
from gateway.simulator.faults import Faults
from gateway.simulator.objects import Objects
from gateway.simulator.reads import Reads, selected
from gateway.simulator.requests import Request, Target, check_body, parse_target
from gateway.simulator.responses import Answer, Send, of_error, send_answer
from gateway.simulator.reviews import Reviews, Tokens
from gateway.simulator.rights import Asked, Rights
from gateway.simulator.subresources import Logs, Subresources
from gateway.simulator.versions import check_watch
from gateway.simulator.watches import BOOKMARK_EVERY_S, Watch, watch
from gateway.simulator.webhooks import Review, Webhooks
from gateway.simulator.writes import Writes

__all__ = ["Server"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

Verb = Callable[[Request, Target], Answer]

_REVIEWS = 5
_WATCH_S = 1800.0
_OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version")

log = logging.getLogger(__name__)


class Server:
    """`token` is what a request must bear, empty for none; `logs` answers what a container wrote."""

    def __init__(
        self,
        objects: Objects,
        *,
        token: str = "",
        faults: Faults | None = None,
        logs: Logs | None = None,
        bookmark_every_s: float = BOOKMARK_EVERY_S,
    ) -> None:
        self._objects = objects
        self._token = token
        self._faults = faults or Faults()
        self._reads = Reads(objects)
        self._writes = Writes(objects)
        self._tokens = Tokens(token, objects)
        self._rights = Rights(objects)
        self._reviews = Reviews(objects, self._tokens, self._rights)
        self._subresources = Subresources(objects, logs)
        self._webhooks = Webhooks(objects)
        self._fairness = Fairness(objects)
        self._bookmark_every_s = bookmark_every_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self._faults.unreachable:
            raise ConnectionResetError("unreachable")
        request = Request.of(scope)
        try:
            request.body = await _read(receive)
            self._check_origin(request)
            self._authenticate(request)
            await self._misbehave()
            with self._fairness.seated(request):
                lines = self._lines(request)
                if lines is None:
                    answer = await self._answer(request)
            if lines is not None:
                await self._stream(lines, receive, send)
                return
        except TooManyRequestsError as error:
            uids = ((b"flowschema", error.schema), (b"prioritylevel", error.level))
            headers = [(b"x-kubernetes-pf-" + what + b"-uid", uid.encode()) for what, uid in uids]
            answer = replace(of_error(error), headers=headers)
        except ApiError as error:
            answer = of_error(error, retry_after_s=self._faults.retry_after_s)
            answer = replace(answer, warnings=request.warnings)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            answer = of_error(ApiError(500, "InternalError", "Internal error occurred"))
        await send_answer(send, answer, accept_encoding=request.headers.get("accept-encoding", ""))

    @staticmethod
    def _check_origin(request: Request) -> None:
        host = request.headers.get("host", "")
        bare = (host.rpartition(":")[0] or host).strip("[]")
        if "origin" in request.headers or not (bare in ("localhost", "::1", "") or bare.startswith("127.")):
            raise ApiError(403, "Forbidden", "the embedded cluster answers local clients only, not web pages")

    def _authenticate(self, request: Request) -> None:
        """The token comes as a bearer's, or as the first segment of the path. Raises ApiError (401)."""
        if not self._token or request.path in _OPEN_PATHS:
            return
        _, given, rest = request.path.split("/", 2) if request.path.count("/") > 1 else ("", "", "")
        if hmac.compare_digest(given.encode(), self._token.encode()):
            request.path = f"/{rest}"
            return
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            user = self._tokens.user(given)
            if user is None:
                raise ApiError(401, "Unauthorized", "Unauthorized")
            request.user = user

    async def _misbehave(self) -> None:
        if self._faults.latency_s:
            await self._objects.clock.sleep(self._faults.latency_s)
        if refusal := self._faults.next_refusal():
            raise TextError(*refusal)

    async def _answer(self, request: Request) -> Answer:
        found = discovery.answer(request.path, self._objects.kinds)
        if found is not None:
            if request.method not in ("GET", "HEAD"):
                raise method_not_allowed()
            return Answer(200, found)
        if (review := self._reviews.answer(request)) is not None:
            return review
        target = parse_target(request.path, self._objects.kinds)
        self._rights.check(request.user, Asked.of(request, target))
        if target.subresource == "token" and target.kind.plural == "serviceaccounts":
            return self._reviews.token(request, target)
        if target.subresource and target.kind.custom:
            self._objects.get(target.kind.plural, target.namespace, target.name)
        if target.subresource and not (target.subresource == "status" and target.kind.status):
            special = self._subresources.answer(request, target)
            if special is None:
                raise unknown_resource()
            return special
        return await self._verb(request, target)

    async def _verb(self, request: Request, target: Target) -> Answer:
        method, name = request.method, target.name
        if method in ("GET", "HEAD"):
            return Answer(200, await (self._reads.one if name else self._reads.many)(request, target))
        verbs = {
            ("POST", False): self._writes.create,
            ("PUT", True): self._writes.replace,
            ("PATCH", True): self._writes.patch,
            ("DELETE", True): self._writes.delete,
            ("DELETE", False): self._writes.delete_collection,
        }
        found = verbs.get((method, bool(name)))
        if found is None or (target.subresource and method not in ("PUT", "PATCH")):
            raise method_not_allowed()
        operation = {"POST": "CREATE", "DELETE": "DELETE"}.get(method, "UPDATE")
        if (name or method == "POST") and self._webhooks.concern(target.kind, operation, target.subresource):
            answer = await self._reviewed(found, operation, request, target)
        else:
            answer = found(request, target)
        if isinstance(answer.body, dict):
            return replace(answer, body=self._reads.shown(request, target.kind, answer.body))
        return answer

    async def _reviewed(self, write: Verb, operation: str, request: Request, target: Target) -> Answer:
        """Writes what webhooks have admitted, which is what is there then: they are asked again if that has changed."""
        dry = replace(request, query={**request.query, "dryRun": "All"})
        place = target.kind.plural, target.namespace if target.kind.namespaced else "", target.name
        for _ in range(_REVIEWS):
            old = self._objects.find(*place)
            new = None if operation == "DELETE" else write(dry, target).body
            asked_dry = request.dry_run("CreateOptions")
            if operation == "UPDATE" and old is None:
                operation = "CREATE"  # an apply
            review = Review(target.kind, operation, target.namespace, new, old, target.subresource, asked_dry)
            await self._webhooks.mutate(review)
            if new is not None:
                review.new = write(replace(dry, admitted=review.new), target).body
            await self._webhooks.validate(review)
            if self._objects.find(*place) is old:
                answer = write(replace(request, admitted=review.new), target)
                return replace(answer, warnings=[*answer.warnings, *review.warnings])
        raise conflict(target.kind.plural, target.kind.group, target.name, "it changed too often while it was admitted")

    # Watching

    def _lines(self, request: Request) -> AsyncIterator[bytes] | None:
        """None if it asks for no watch, as every GET of one object. Raises ApiError for what a watch can not begin with."""
        if not request.is_watch():
            return None
        target = parse_target(request.path, self._objects.kinds)
        if target.name:
            return None
        self._rights.check(request.user, Asked.of(request, target))
        check_watch(request)
        matches = selected(request, target.kind)
        asked = Watch(
            target.kind,
            target.namespace,
            matches,
            version=request.query.get("resourceVersion", ""),
            timeout_s=float(request.whole("timeoutSeconds") or _WATCH_S),
            bookmarks=request.flag("allowWatchBookmarks"),
            initial_events=request.flag("sendInitialEvents"),
            mixed_up=self._faults.mixed_up,
        )
        return watch(self._objects, asked, bookmark_every_s=self._bookmark_every_s)

    async def _stream(self, lines: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
        """Sends until the watch ends, the client goes or a fault cuts it; a cut stream is not ended properly."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        pump = asyncio.ensure_future(self._pump(lines, send))
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            whole = pump.done() and not pump.cancelled() and pump.exception() is None and pump.result()
            for task in (pump, gone):
                task.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
        if whole:
            with contextlib.suppress(OSError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, lines: AsyncIterator[bytes], send: Send) -> bool:
        """Whether it came to its end."""
        sent = 0
        async for line in lines:
            if self._faults.silent:
                continue
            limit = self._faults.cut_after_bytes
            if limit is not None and sent + len(line) > limit:
                self._faults.cut_after_bytes = None
                await send({"type": "http.response.body", "body": line[: limit - sent], "more_body": True})
                return False
            sent += len(line)
            await send({"type": "http.response.body", "body": line, "more_body": True})
        return True


async def _read(receive: Receive) -> bytes:
    """Raises ApiError (413) once it is too much."""
    parts, size = [], 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        check_body(size)
        if not message.get("more_body"):
            return b"".join(parts)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
