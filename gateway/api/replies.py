"""Answers in Marathon's form, and what becomes of exceptions. The only place that knows both."""

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.engines.engine import Accepted
from gateway.engines.errors import (
    AppExists,
    AppLocked,
    EngineError,
    EngineUnavailable,
    TooManyDeployments,
    UnknownApp,
    UnknownDeployment,
    UnknownGroup,
    UnknownTask,
    UnknownVersion,
)
from translators.marathon.errors import DefinitionError

__all__ = ["HttpError", "TooLarge", "accepted", "error_reply", "json_reply", "message", "not_found"]

_LOCKED = (
    "App is locked by one or more deployments. Override with the option '?force=true'. "
    "View details at '/v2/deployments/<DEPLOYMENT_ID>'."
)
_TOO_MANY = (
    "Max number ({limit}) of running deployments is achieved. Wait for existing deployments to complete or cancel one"
    "using force=true parameter. You can increase max deployment number by using --max_running_deployments parameter "
    "but be advised that this can have negative effects on the performance."
)  # "oneusing" is on Marathon's wire

log = logging.getLogger(__name__)


class HttpError(Exception):
    """An answer that a handler decided on: a status and Marathon's message."""

    def __init__(self, status: int, message: str, *, details: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"message": message, **({"details": []} if details else {})}


class TooLarge(Exception):
    """More of a body came than is allowed. Not a handler's to answer: the connection has to end as well."""


def json_reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Response(content, status, dict(headers) if headers else None, media_type="application/json")


def message(status: int, text: str) -> Response:
    return json_reply({"message": text}, status)


def not_found(text: str) -> HttpError:
    """The 404 of a look-up, which has empty `details`; the 404 of a failed change has none."""
    return HttpError(404, text, details=True)


def accepted(change: Accepted, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """DeploymentResult, in the order of the real one."""
    body = {"deploymentId": change.deployment_id, "version": change.version}
    return json_reply(body, status, {**(headers or {}), "Marathon-Deployment-Id": change.deployment_id})


def error_reply(error: Exception) -> Response:
    """Marathon's answer to what went wrong; what nobody expected is a 500 without its inside, which the log has."""
    if isinstance(error, HttpError):
        return json_reply(error.body, error.status)
    if isinstance(error, DefinitionError):
        return json_reply(error.body(), error.status)
    if isinstance(error, EngineError):
        return _engine_error(error)
    log.error("a request failed", exc_info=error)
    return message(500, "The gateway failed to answer this request; its log says why.")


def _engine_error(error: EngineError) -> Response:
    if isinstance(error, AppLocked):
        return json_reply({"message": _LOCKED, "deployments": [{"id": i} for i in error.deployments]}, 409)
    if isinstance(error, TooManyDeployments):
        return message(403, _TOO_MANY.format(limit=error.limit))
    if isinstance(error, EngineUnavailable):
        return message(503, str(error))
    if isinstance(error, AppExists):
        return message(409, str(error))
    if isinstance(error, UnknownGroup):
        return json_reply({"message": str(error), "details": []}, 404)
    if isinstance(error, UnknownVersion):
        return message(404, f"App '{error.app_id}' does not exist")
    if isinstance(error, UnknownTask | UnknownDeployment | UnknownApp):
        return message(404, str(error))
    return message(409, str(error))
