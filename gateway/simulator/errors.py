"""What the API server answers instead of an object, as an exception with the body of its Status.

ApiError          a Status; without a reason for what a real server never translated (etcd's refusals)
└── TextError     an answer in plain text: unknown groups, proxies, priority and fairness
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

__all__ = [
    "ApiError",
    "Cause",
    "TextError",
    "Undecodable",
    "already_exists",
    "bad_request",
    "conflict",
    "decoding_error",
    "expired",
    "forbidden",
    "invalid",
    "method_not_allowed",
    "no_representation",
    "not_decodable",
    "not_found",
    "too_large",
    "unknown_resource",
    "unsupported_media",
    "unsupported_patch",
]

Cause = tuple[str, str, str]
"""Reason, field, message."""


class ApiError(Exception):
    """`continue_token` is what a refused page offers instead."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        *,
        continue_token: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details
        self.continue_token = continue_token

    def body(self) -> dict[str, Any]:
        metadata = {"continue": self.continue_token} if self.continue_token else {}
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return {**body, "code": self.status}


class TextError(ApiError):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, "", text)


def _about(plural: str, group: str, name: str) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name}
    if group:
        details["group"] = group
    return {**details, "kind": plural}


def _qualified(plural: str, group: str) -> str:
    return f"{plural}.{group}" if group else plural


def not_found(plural: str, group: str, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{_qualified(plural, group)} "{name}" not found', _about(plural, group, name))


def unknown_resource() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(plural: str, group: str, name: str, *, leaving: bool = False) -> ApiError:
    message = f'{_qualified(plural, group)} "{name}" already exists'
    if leaving:
        message = f"object is being deleted: {message}"
    return ApiError(409, "AlreadyExists", message, _about(plural, group, name))


def conflict(plural: str, group: str, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {_qualified(plural, group)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _about(plural, group, name))


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiError:
    texts = list(dict.fromkeys(f"{field}: {message}" for _, field, message in causes))
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details = {key: value for key, value in _about(kind, group, name).items() if value}
    details["causes"] = [{"reason": reason, "message": message, "field": field} for reason, field, message in causes]
    return ApiError(422, "Invalid", f'{_qualified(kind, group)} "{name}" is invalid: {text}', details)


def not_decodable(patched: Any, why: str) -> ApiError:
    """A patch that makes of an object what can not be read."""
    shown = msgspec.json.encode(json.dumps(patched, separators=(",", ":"))).decode()
    error = invalid("", "", "", [("FieldValueInvalid", "patch", f"Invalid value: {shown}: {why}")])
    error.message = f' "" is invalid: patch: Invalid value: {shown}: {why}'
    return error


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


class Undecodable(ApiError):
    """An object that can not be read as its kind; where a patch made it, the answer is another one, around the same `why`."""

    def __init__(self, kind: str, version: str, why: str) -> None:
        super().__init__(400, "BadRequest", f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')
        self.why = why


def decoding_error(kind: str, version: str, why: str) -> ApiError:
    return Undecodable(kind, version, why)


def forbidden(plural: str, group: str, name: str, why: str) -> ApiError:
    message = f'{_qualified(plural, group)} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", message, _about(plural, group, name))


def expired(message: str, *, continue_token: str = "") -> ApiError:
    return ApiError(410, "Expired", message, continue_token=continue_token)


def method_not_allowed() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def no_representation(*accepted: str) -> ApiError:
    """As built-in resources say it; custom ones negotiate by themselves."""
    text = "406: Not Acceptable\n\nAvailable representations: " + ", ".join(accepted)
    return ApiError(406, "NotAcceptable", text, {})


def unsupported_patch(*accepted: str, custom: bool) -> ApiError:
    return (
        unsupported_media(*accepted)
        if custom
        else ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
    )


def unsupported_media(*accepted: str) -> ApiError:
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return ApiError(415, "UnsupportedMediaType", message)


def too_large(why: str) -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {why}")
