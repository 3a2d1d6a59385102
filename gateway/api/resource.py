"""One path with its methods, as Marathon's JAX-RS resources behave: no other path is tried when the method does not fit.

`HEAD` is `GET` without a body, `OPTIONS` lists the methods, anything else is 405 without an `Allow`. What the client accepts
and sends is checked before a handler runs.
"""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.api.replies import TooLarge, error_reply, message

__all__ = ["Handler", "Resource"]

Handler = Callable[[Request], Awaitable[Response]]
_PRODUCED = "application/json"
_ALLOW_ORDER = ("HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT", "PATCH")  # as recorded


class Resource:
    """An ASGI application. `produces` is what a handler answers with; `negotiates` leaves the choice to the handler."""

    def __init__(self, methods: Mapping[str, Handler], *, produces: str = _PRODUCED, negotiates: bool = False) -> None:
        self._methods = dict(methods)
        self._produces = produces
        self._negotiates = negotiates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        handler = self._methods.get("GET" if request.method == "HEAD" else request.method)
        if request.method == "OPTIONS":
            return Response(b"", headers={"Allow": self._allow(), "Content-Type": _PRODUCED})
        if handler is None:
            return message(405, "Method Not Allowed")
        if not self._negotiates and not _accepts(request.headers.get("accept"), self._produces):
            return message(406, "Not Acceptable")
        try:
            return await handler(request)
        except TooLarge:
            raise
        except Exception as error:
            return error_reply(error)

    def _allow(self) -> str:
        offered = {*self._methods, "OPTIONS", *(["HEAD"] if "GET" in self._methods else [])}
        return ",".join(method for method in _ALLOW_ORDER if method in offered)


def _accepts(accept: str | None, produced: str) -> bool:
    """Qualities are not weighed; an empty value accepts everything, as recorded."""
    if not accept or not accept.strip():
        return True
    family = produced.partition("/")[0] + "/*"
    names = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return bool(names & {produced, family, "*/*", "*"})
