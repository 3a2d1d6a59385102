"""What goes back: status, body, headers; JSON as Go writes it, compressed when it is large and the client wants it."""

import gzip
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.simulator.errors import ApiError, TextError

__all__ = ["Answer", "Send", "encode", "of_error", "send_answer"]

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_COMPRESSED_FROM = 128 * 1024
_ESCAPED = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))
_CONSTANT = [
    (b"audit-id", b"00000000-0000-4000-8000-000000000000"),
    (b"cache-control", b"no-cache, private"),
    (b"x-kubernetes-pf-flowschema-uid", b"00000000-0000-4000-8000-000000000001"),
    (b"x-kubernetes-pf-prioritylevel-uid", b"00000000-0000-4000-8000-000000000002"),
]


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is JSON to be, or text."""

    status: int
    body: Any
    warnings: Sequence[str] = ()
    retry_after_s: int = 0
    headers: Sequence[tuple[bytes, bytes]] = ()


def of_error(error: ApiError, *, retry_after_s: int = 1) -> Answer:
    wait = int((error.details or {}).get("retryAfterSeconds", 0))
    if isinstance(error, TextError) and error.status == 429:
        wait = retry_after_s
    return Answer(error.status, error.message if isinstance(error, TextError) else error.body(), retry_after_s=wait)


def encode(value: Any) -> bytes:
    """JSON with the characters escaped that Go escapes; they stand in strings only."""
    body = msgspec.json.encode(value)
    for plain, escaped in _ESCAPED:
        if plain in body:
            body = body.replace(plain, escaped)
    return body


async def send_answer(send: Send, answer: Answer, *, accept_encoding: str = "") -> None:
    if isinstance(answer.body, str):
        body, content_type = answer.body.encode(), b"text/plain; charset=utf-8"
    else:
        body, content_type = encode(answer.body) + b"\n", b"application/json"
    own = {name for name, _ in answer.headers}
    headers = [*(h for h in _CONSTANT if h[0] not in own), *answer.headers]
    headers += [(b"content-type", content_type)] if answer.status != 204 else []
    if "gzip" in accept_encoding and len(body) >= _COMPRESSED_FROM:
        body = gzip.compress(body, 1)
        headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
    for warning in answer.warnings:
        shown = warning.replace("\\", "\\\\").replace('"', '\\"')
        headers.append((b"warning", f'299 - "{shown}"'.encode("latin-1", "replace")))
    if answer.retry_after_s:
        headers.append((b"retry-after", str(answer.retry_after_s).encode()))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
