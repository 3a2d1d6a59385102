"""A request to the API: its path taken apart, its query, its body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec
import yaml

from gateway.simulator.errors import ApiError, bad_request
from gateway.simulator.kinds import Kind, Kinds

__all__ = ["Request", "parse_target"]

_MAX_BODY = 3 * 1024 * 1024


@dataclass(slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    accept: str = ""
    body: bytes = b""

    @staticmethod
    def of(scope: Mapping[str, Any], body: bytes) -> "Request":
        if len(body) > _MAX_BODY:
            raise ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {_MAX_BODY}")
        headers = {key.decode().lower(): value.decode("latin-1") for key, value in scope["headers"]}
        query = {
            key: values[-1] for key, values in parse_qs(scope["query_string"].decode(), keep_blank_values=True).items()
        }
        content_type = headers.get("content-type", "").partition(";")[0].strip()
        return Request(scope["method"], scope["path"], query, content_type, headers.get("accept", ""), body)

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("true", "1")

    def decoded(self) -> Any:
        """JSON, or YAML where the type says so (apply)."""
        if "protobuf" in self.content_type:
            raise ApiError(415, "UnsupportedMediaType", "the embedded cluster speaks JSON and YAML, not protobuf")
        try:
            if "yaml" in self.content_type and not self.body.lstrip().startswith(b"{"):
                return yaml.safe_load(self.body)
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, yaml.YAMLError) as error:
            raise bad_request(f"the request body is not valid: {error}") from None

    def object(self) -> dict[str, Any]:
        body = self.decoded()
        if not isinstance(body, dict):
            raise bad_request("the request body is not an object")
        return body


@dataclass(frozen=True, slots=True)
class Target:
    kind: Kind
    namespace: str
    name: str
    subresource: str


def parse_target(path: str, kinds: Kinds) -> Target:
    """Raises ApiError (404, as text) for a path of no resource."""
    parts = [unquote(part) for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise ApiError(404, "", "404 page not found")
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    kind = kinds.find(group, version, rest[0])
    if kind is None or len(rest) > 3:
        raise ApiError(404, "", "404 page not found")
    return Target(kind, namespace, rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else "")
