"""A request to the API: its path taken apart, its query, its body."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec
import yaml

from gateway.simulator.errors import ApiError, TextError, bad_request, too_large, unknown_resource, unsupported_media
from gateway.simulator.gojson import duplicates, go_type, summary, why_not
from gateway.simulator.kinds import Kind, Kinds

__all__ = ["Request", "Target", "check_body", "check_size", "invalid_option", "parse_target"]

_MAX_BODY = 3 * 1024 * 1024
_JSON = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_HEAD = 'Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_STORED = 1_572_864  # what etcd takes in one request
_SENT = 2_097_152  # what its client sends in one message


@dataclass(slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    admitted: dict[str, Any] | None = None
    """The object that webhooks have seen, to be written as it is."""
    warnings: list[str] = field(default_factory=list)
    user: str = ""  # whose rights count; empty for the administrator

    @staticmethod
    def of(scope: Mapping[str, Any], body: bytes = b"") -> "Request":
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        parsed = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return Request(scope["method"], scope["path"], {k: v[-1] for k, v in parsed.items()}, headers, body)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip()

    @property
    def accept(self) -> str:
        return self.headers.get("accept", "")

    @property
    def manager(self) -> str:
        """Who manages what this request writes: the parameter, or the program's name."""
        return self.query.get("fieldManager") or self.headers.get("user-agent", "").partition("/")[0] or "unknown"

    def flag(self, name: str) -> bool:
        """Any value but these two is true, as in Go's conversion of queries."""
        return name in self.query and self.query[name].lower() not in ("false", "0")

    def whole(self, name: str) -> int:
        """A number of the query, 0 if it is not there. Raises ApiError (400)."""
        text = self.query.get(name, "")
        if text and not re.fullmatch(r"[-+]?\d+", text):
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        return int(text or 0)

    def is_watch(self) -> bool:
        return self.method == "GET" and self.flag("watch")

    def decoded(self, said: str = "couldn't get version/kind; json parse error: {}") -> Any:
        """JSON or YAML; `said` is the refusal, around why. Raises ApiError (400)."""
        if "yaml" in self.content_type and not self.body.lstrip().startswith((b"{", b"[")):
            try:
                return yaml.safe_load(self.body)
            except yaml.YAMLError as error:
                why = str(error).partition("\n")[0]
                raise bad_request(f"error decoding YAML: error converting YAML to JSON: yaml: {why}") from None
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise bad_request(said.replace("{}", why_not(self.body) or str(error))) from None

    def object(self, kind: Kind) -> dict[str, Any]:
        """The object of a create or a replace. Raises ApiError (400, 415)."""
        if self.content_type and self.content_type not in _JSON[:2]:
            raise unsupported_media(*_JSON)
        unrecognized = f"the object provided is unrecognized (must be of type {kind.kind}): "
        shown = f" ({summary(self.body)})"
        body = self.decoded(f"{unrecognized}couldn't get version/kind; json parse error: {{}}{shown}")
        if body is None and not kind.custom:
            return {}
        if not isinstance(body, dict | None):
            text = f"couldn't get version/kind; json parse error: json: cannot unmarshal {go_type(body)} into {_HEAD}"
            raise bad_request(f"{unrecognized}{text}{shown}")
        if kind.custom and not (body or {}).get("kind"):
            text = f"Object 'Kind' is missing in '{self.body.decode('utf-8', 'replace')}'"
            raise bad_request(f"{unrecognized}{text}{shown}")
        return body or {}

    def duplicates(self) -> list[str]:
        """Of a JSON body; YAML has been read already."""
        return duplicates(self.body) if self.body.lstrip()[:1] == b"{" else []

    def mapping(self) -> dict[str, Any]:
        body = self.decoded()
        if not isinstance(body, dict):
            raise bad_request("couldn't get version/kind; json parse error: the body is not an object")
        return body

    def dry_run(self, options: str, also: Any = None) -> bool:
        """Raises ApiError (422) for any value but All."""
        value = self.query.get("dryRun") or (also[0] if isinstance(also, list) and also else "")
        if value in ("", "All"):
            return value == "All"
        text = f'Unsupported value: ["{value}"]: supported values: "All"'
        raise invalid_option(options, "dryRun", text, "FieldValueNotSupported")


def invalid_option(options: str, name: str, text: str, reason: str = "FieldValueForbidden") -> ApiError:
    """A refused query parameter or member of DeleteOptions."""
    causes = [{"reason": reason, "message": text, "field": name}]
    message = f'{options}.meta.k8s.io "" is invalid: {name}: {text}'
    return ApiError(422, "Invalid", message, {"group": "meta.k8s.io", "kind": options, "causes": causes})


def check_size(obj: Mapping[str, Any]) -> None:
    """Raises ApiError (500 without a reason) for what etcd would not take."""
    size = len(msgspec.json.encode(obj))
    if size > _SENT:
        text = f"rpc error: code = ResourceExhausted desc = trying to send message larger than max ({size} vs. {_SENT})"
        raise ApiError(500, "", text)
    if size > _STORED:
        raise ApiError(500, "", "etcdserver: request is too large")


def check_body(size: int) -> None:
    """Raises ApiError (413)."""
    if size > _MAX_BODY:
        raise too_large(f"limit is {_MAX_BODY}")


@dataclass(frozen=True, slots=True)
class Target:
    kind: Kind
    namespace: str
    name: str
    subresource: str


def parse_target(path: str, kinds: Kinds) -> Target:
    """Raises ApiError: 404, as text for a path of no group."""
    parts = [unquote(part) for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise TextError(404, "404 page not found\n")
    if group not in kinds.groups():
        raise TextError(404, "404 page not found\n")
    if version not in kinds.groups()[group]:
        raise unknown_resource()
    if rest[0] == "watch" and len(rest) > 1:
        rest = rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    kind = kinds.find(group, version, rest[0])
    if kind is None or len(rest) > 3:
        raise unknown_resource()
    return Target(kind, namespace, rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else "")
