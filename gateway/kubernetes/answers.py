"""Reads what an API server sends: error bodies, Retry-After, and the lines of a watch.

The HTTP status decides what an answer is. A body may be a Status with or without a reason, or plain text from the server,
a proxy or a load balancer before it.
"""

from collections.abc import Mapping

import msgspec

from gateway.kubernetes.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubernetesError,
    NotFound,
    TooManyRequests,
    Unavailable,
)

__all__ = ["Lines", "error_of", "retry_after_s"]

_KNOWN: dict[int, type[KubernetesError]] = {401: Forbidden, 403: Forbidden, 404: NotFound, 410: Gone}
_TEXT_SHOWN = 300  # characters of a body that is not a Status: enough to recognise who wrote it


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""


def error_of(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> KubernetesError:
    """The exception for an answer that is not a success."""
    try:
        decoded = msgspec.json.decode(body, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        decoded = _Status(message=body[:_TEXT_SHOWN].decode("utf-8", "replace").strip())
    message, reason = decoded.message or f"HTTP {status}", decoded.reason
    if status == 429:
        return TooManyRequests(message, reason=reason, retry_after_s=retry_after_s(headers or {}, default=1.0))
    if status == 409:
        return (AlreadyExists if reason == "AlreadyExists" else Conflict)(message, status=status, reason=reason)
    fallback = Unavailable if status >= 500 else Invalid
    return _KNOWN.get(status, fallback)(message, status=status, reason=reason)


def retry_after_s(headers: Mapping[str, str], *, default: float = 0.0) -> float:
    """How long the server asks to be left alone. The API server sends whole seconds, never a date."""
    asked = headers.get("Retry-After", "")
    return float(asked) if asked.isdecimal() else default


class Lines:
    """Splits a stream into lines of any length: an object may exceed every stream reader's own limit."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        self._pending += chunk
        if b"\n" not in chunk:
            return []
        *lines, rest = bytes(self._pending).split(b"\n")
        self._pending = bytearray(rest)
        return [line for line in lines if line.strip()]

    def end(self) -> None:
        """Raises Unavailable if the stream ended in the middle of a line."""
        if self._pending.strip():
            raise Unavailable("the watch ended in the middle of a line")
