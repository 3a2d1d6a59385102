"""What a client says about versions: which it wants to read, from where it goes on."""

import base64
import binascii
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from gateway.simulator.errors import ApiError, Cause, bad_request, invalid
from gateway.simulator.gojson import why_not
from gateway.simulator.requests import Request, invalid_option

__all__ = ["Position", "check_list", "check_watch", "no_version", "number", "too_new"]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ends: at which version of the list, after which key. Version -1: whatever is there now."""

    version: int
    after: str

    def token(self) -> str:
        text = msgspec.json.encode({"v": "meta.k8s.io/v1", "rv": self.version, "start": self.after + "\0"})
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()

    @staticmethod
    def of(token: str) -> "Position":
        """Raises ApiError (400)."""
        try:
            found = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            return Position(int(found["rv"]), str(found["start"]).removesuffix("\0"))
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            with contextlib.suppress(ValueError):
                error = ValueError(why_not(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))) or error)
            raise bad_request(f"invalid continue token: continue key is not valid: {error}") from None


def number(text: str) -> int:
    """Raises ApiError (400)."""
    if not text:
        return 0
    if not text.isdecimal():
        why = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f"invalid resource version: resourceVersion: {why}")
    return int(text)


def no_version(version: str) -> ApiError:
    """A get or a watch of a version that is no number; a list of it is a 400."""
    why = f'strconv.ParseUint: parsing "{version}": invalid syntax'
    return ApiError(500, "", f'resourceVersion: Invalid value: "{version}": {why}')


def too_new(version: int, current: int) -> ApiError:
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    text = f"Timeout: Too large resource version: {version}, current: {current}"
    return ApiError(504, "Timeout", text, {"causes": causes, "retryAfterSeconds": 1})


def check_list(request: Request) -> None:
    """Raises ApiError (400, 422) for parameters that do not go together."""
    version, match = request.query.get("resourceVersion", ""), request.query.get("resourceVersionMatch", "")
    if request.query.get("sendInitialEvents"):
        raise invalid_option("ListOptions", "sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list")
    if request.query.get("continue"):
        if match:
            text = "Forbidden: resourceVersionMatch is forbidden when continue is provided"
            raise invalid_option("ListOptions", "resourceVersionMatch", text)
        if version not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
    if match and not version:
        text = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise invalid_option("ListOptions", "resourceVersionMatch", text)
    if match not in ("", "Exact", "NotOlderThan"):
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        raise invalid_option("ListOptions", "resourceVersionMatch", text, "FieldValueNotSupported")
    if match == "Exact" and version == "0":
        text = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        raise invalid_option("ListOptions", "resourceVersionMatch", text)


def _not_older_than(match: str) -> Iterator[Cause]:
    text = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    yield ("FieldValueForbidden", "resourceVersionMatch", text)
    if match:
        text = f'Unsupported value: "{match}": supported values: "NotOlderThan"'
        yield ("FieldValueNotSupported", "resourceVersionMatch", text)


def check_watch(request: Request) -> None:
    """Raises ApiError: 422 for parameters that do not go together, 500 for a version that is no number."""
    version, match = request.query.get("resourceVersion", ""), request.query.get("resourceVersionMatch", "")
    if "sendInitialEvents" in request.query:
        if match != "NotOlderThan":
            raise invalid("ListOptions", "meta.k8s.io", "", list(_not_older_than(match)))
    elif match:
        text = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        raise invalid_option("ListOptions", "resourceVersionMatch", text)
    if version and not version.isdecimal():
        raise no_version(version)
