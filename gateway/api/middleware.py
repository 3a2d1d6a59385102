"""What every request goes through, as plain ASGI: paths put straight, limits, authentication, headers, compression.

A request never leaves here without an answer in Marathon's form, whatever happens inside.
"""

import base64
import binascii
import gzip
import hmac
import logging
import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.dcos import token
from gateway.api.replies import TooLarge, error_reply, message
from gateway.api.settings import ApiSettings

__all__ = ["Marathon"]

_PREFIXES = ("/service/marathon", "/marathon")
_HEADERS = (
    (b"X-Frame-Options", b"DENY"),
    (b"X-XSS-Protection", b"1; mode=block"),
    (b"Cache-Control", b"no-cache, no-store, must-revalidate"),
    (b"Pragma", b"no-cache"),
    (b"Expires", b"0"),
)
_GZIP_FROM_BYTES = 200
_MATRIX = re.compile(r";[^/]*")
_ROOT_APP = re.compile(r"/v2/apps//+$")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BAD_MESSAGE = "<h1>Bad Message 400</h1><pre>reason: Bad Request</pre>"
_OPEN_PATHS = ("/acs/api/v1/auth/login", "/pkgpanda/active.buildinfo.full.json", "/acs/api/v1/auth/providers")
_NAMES = {
    b"location": b"Location", b"marathon-deployment-id": b"Marathon-Deployment-Id", b"content-type": b"Content-Type",
    b"content-length": b"Content-Length", b"vary": b"Vary", b"allow": b"Allow", b"set-cookie": b"Set-Cookie",
    b"x-marathon-gateway-warning": b"X-Marathon-Gateway-Warning", b"www-authenticate": b"WWW-Authenticate",
    b"content-encoding": b"Content-Encoding", b"connection": b"Connection", b"cache-control": b"Cache-Control",
}  # fmt: skip

log = logging.getLogger(__name__)


class Marathon:
    """`leader` is who leads now (`host:port`) for `X-Marathon-Leader`."""

    def __init__(self, app: ASGIApp, settings: ApiSettings, leader: Callable[[], str | None]) -> None:
        self._app = app
        self._settings = settings
        self._leader = leader
        self._token = f"token={token(settings.credentials)}" if settings.credentials else ""
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {key.lower(): value.decode("latin-1") for key, value in scope["headers"]}
        scope = _straightened(scope)
        answer = _Answer(send, scope, headers, self._decorations(headers))
        limited = _Limited(receive, self._settings.max_body_bytes)
        limit = self._settings.max_concurrent_requests
        self._open += 1
        try:
            refusal = await self._refusal(scope, headers, limited)
            if refusal is None and limit and self._open > limit:
                refusal = message(503, f"Too many concurrent requests! Allowed: {limit}.")
            if refusal is not None:
                await refusal(scope, receive, answer.send)
                return
            await self._app(scope, limited.receive, answer.send)
        except TooLarge:
            text = f"The request is larger than {self._settings.max_body_bytes} bytes (setting max_body_bytes)."
            await self._instead(message(413, text), scope, receive, answer)
        except Exception as error:
            await self._instead(error_reply(error), scope, receive, answer)
        finally:
            self._open -= 1

    @staticmethod
    async def _instead(response: Response, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        if not answer.started:
            response.headers["Connection"] = "close"
            await response(scope, receive, answer.send)

    async def _refusal(self, scope: Scope, headers: Mapping[bytes, str], limited: "_Limited") -> Response | None:
        if _BAD_ESCAPE.search(scope["raw_target"]):
            return Response(_BAD_MESSAGE, 400, {"Connection": "close"}, "text/html;charset=iso-8859-1")
        if not self._may(scope, headers.get(b"authorization", "")):
            realm = self._settings.realm or "marathon"
            response = message(401, "Invalid username or password.")
            response.headers["WWW-Authenticate"] = f'basic realm="{realm}"'
            return response
        if not _is_json(scope["path"], headers.get(b"content-type")):
            return message(415, "Unsupported Media Type")
        declared = headers.get(b"content-length", "0")
        if declared.isdecimal() and int(declared) > self._settings.max_body_bytes:
            raise TooLarge
        return None

    def _may(self, scope: Scope, authorization: str) -> bool:
        wanted = self._settings.credentials
        if not wanted or scope["path"] in _OPEN_PATHS:
            return True
        if hmac.compare_digest(authorization.encode(), self._token.encode()):
            return True
        kind, _, encoded = authorization.partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        return kind.lower() == "basic" and hmac.compare_digest(given, wanted.encode())

    def _decorations(self, headers: Mapping[bytes, str]) -> list[tuple[bytes, bytes]]:
        leader = self._leader()
        out = [(b"X-Marathon-Leader", f"http://{leader}".encode())] if leader else []
        out += _HEADERS
        origins = self._settings.allow_origin
        if origins:
            asked = headers.get(b"access-control-request-headers", "")
            out += [
                (b"Access-Control-Allow-Origin", origins[-1].encode()),
                (b"Access-Control-Allow-Headers", asked.encode()),
                (b"Access-Control-Allow-Methods", b"GET, HEAD, OPTIONS"),
                (b"Access-Control-Max-Age", b"86400"),
            ]
        return out


class _Limited:
    """The request's body, never more of it than is allowed."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit

    async def receive(self) -> Message:
        message_ = await self._receive()
        self._left -= len(message_.get("body", b""))
        if self._left < 0:
            raise TooLarge
        return message_


class _Answer:
    """The answer on its way out: headers in Marathon's order and spelling, no body for HEAD, gzip where it pays."""

    def __init__(
        self, send: Send, scope: Scope, headers: Mapping[bytes, str], decorations: list[tuple[bytes, bytes]]
    ) -> None:
        self._send = send
        self._head = scope["method"] == "HEAD"
        self._get = scope["method"] == "GET"
        self._gzip = "gzip" in headers.get(b"accept-encoding", "")
        self._decorations = decorations
        self._start: Message | None = None
        self.started = False

    async def send(self, message_: Message) -> None:
        if message_["type"] == "http.response.start":
            self.started = True
            self._start = message_
            return
        if self._start is None:
            await self._send({**message_, "body": b""} if self._head else message_)
            return
        start, self._start = self._start, None
        body = message_.get("body", b"")
        whole = not message_.get("more_body")
        given = [(key.lower(), value) for key, value in start["headers"]]
        ok = 200 <= start["status"] < 300
        stream = any(key == b"content-type" and value.startswith(b"text/event-stream") for key, value in given)
        if whole and ok and self._get and not stream:
            body, given = self._compressed(body, given)
        await self._send({**start, "headers": self._ordered(given, vary=ok and self._get and not stream)})
        await self._send({**message_, "body": b""} if self._head else {**message_, "body": body})

    def _compressed(self, body: bytes, given: list[tuple[bytes, bytes]]) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        if not self._gzip or len(body) < _GZIP_FROM_BYTES:
            return body, given
        packed = gzip.compress(body, compresslevel=1, mtime=0)
        kept = [(key, value) for key, value in given if key != b"content-length"]
        return packed, [*kept, (b"content-encoding", b"gzip"), (b"content-length", str(len(packed)).encode())]

    def _ordered(self, given: list[tuple[bytes, bytes]], *, vary: bool) -> list[tuple[bytes, bytes]]:
        names = {key for key, _ in given}
        own = [(key, value) for key, value in self._decorations if key.lower() not in names]
        order = (b"location", b"marathon-deployment-id", b"content-type")
        first = [(key, value) for wanted in order for key, value in given if key == wanted]
        rest = [(key, value) for key, value in given if key not in order and key != b"vary"]
        known = b", ".join(value for key, value in given if key == b"vary")
        vary_value = b"Accept-Encoding, User-Agent" + (b", " + known if known else b"")
        middle = [(b"vary", vary_value)] if vary else []
        return [*own, *((_NAMES.get(key, key), value) for key, value in [*first, *middle, *rest])]


def _straightened(scope: Scope) -> Scope:
    """Clients double slashes, end paths with one, encode them, and come by three prefixes: all mean the same path.

    Matrix parameters (`;a=b`) are dropped. Two slashes after `/v2/apps` name the app `/`, which is never there.
    """
    raw = scope.get("raw_path") or scope["path"].encode()
    target = raw.decode("latin-1").partition("?")[0]
    path = unquote(_MATRIX.sub("", target))
    root_app = _ROOT_APP.search(path) is not None
    while "//" in path:
        path = path.replace("//", "/")
    for prefix in _PREFIXES:
        if path == prefix or path.startswith(prefix + "/"):
            path = path[len(prefix) :] or "/"
            break
    if len(path) > 1:
        path = path.rstrip("/") or "/"
    if root_app:
        path += "//"
    return {**scope, "path": path, "raw_path": path.encode(), "raw_target": target}


_ANY_TYPE = ("/v2/groups", "/v2/leader", "/v2/plugins", "/ping", "/acs/", "/v2/events")


def _is_json(path: str, content_type: str | None) -> bool:
    """What Marathon takes: no type, `*/*`, JSON; and anything on the paths where it does not look."""
    if (
        not content_type
        or path == "/v2/tasks"
        or path.startswith(_ANY_TYPE)
        or not path.startswith(("/v2/", "/logging"))
    ):
        return True
    kind = content_type.partition(";")[0].strip().lower()
    # what `curl -d` sends without a thought: reading it as JSON, which it is, harms nobody
    return kind in ("", "*/*", "application/*", "application/json", "application/x-www-form-urlencoded")
