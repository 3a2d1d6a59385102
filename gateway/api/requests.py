"""What handlers read of a request: flags, embeds, ids, bodies; as tolerant as clients need and Marathon is."""

from datetime import datetime
from typing import Any

from starlette.requests import Request

from gateway.api.replies import HttpError
from gateway.engines.engine import Origin
from translators.marathon.json import read_json
from translators.marathon.paths import absolute_id

__all__ = ["app_id", "body", "embeds", "flag", "origin", "timestamp"]

_PREFIXES = ("group.apps.", "apps.", "app.", "group.")


def flag(request: Request, name: str, default: bool = False) -> bool:
    """`true` in any letter case is true, any other text is false, none is the default."""
    given = request.query_params.get(name, "")
    return given.lower() == "true" if given else default


def embeds(request: Request) -> frozenset[str]:
    """The names asked for, without `app.`, `apps.` or `group.apps.`; names with commas are one unknown name."""
    return frozenset(_bare(name) for name in request.query_params.getlist("embed"))


def _bare(name: str) -> str:
    for prefix in _PREFIXES[:3]:
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


def app_id(request: Request) -> str:
    """The id in the path; matrix parameters are dropped, `.` and `..` resolved."""
    segments = (segment.partition(";")[0] for segment in request.path_params["id"].split("/"))
    return absolute_id("/" + "/".join(segments))


async def body(request: Request) -> Any:
    """The decoded JSON. Raises MalformedJson."""
    return read_json(await request.body())


def origin(request: Request) -> Origin:
    client = request.client.host if request.client else ""
    return Origin(uri=str(request.scope.get("raw_target", request.url.path)), client_ip=client)


def timestamp(text: str) -> str:
    """A version in a path, in Marathon's form. Raises HttpError (422)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise HttpError(422, f"Invalid timestamp provided '{text}'. Expecting ISO-8601 datetime string.") from None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
