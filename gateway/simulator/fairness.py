"""API priority and fairness: which FlowSchema a request belongs to, and the 429 of a priority level that has no room.

A level without concurrency shares of its own, whose `limitResponse` is `Reject`, serves one request at a time and refuses the
others. All other levels have room: most requests are answered here without a wait, so nothing would ever fill them.
The administrator is exempt.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from gateway.simulator.errors import ApiError, TextError
from gateway.simulator.objects import Objects
from gateway.simulator.requests import Request, parse_target

__all__ = ["Fairness", "TooManyRequestsError"]

Obj = dict[str, Any]

_TEXT = "Too many requests, please try again later.\n"
_DEFAULT_PRECEDENCE = 1000


class TooManyRequestsError(TextError):
    """A refusal by a priority level; `schema` and `level` are the uids that the answer names."""

    def __init__(self, schema: str, level: str) -> None:
        super().__init__(429, _TEXT)
        self.schema = schema
        self.level = level


class Fairness:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._busy: set[str] = set()

    @contextlib.contextmanager
    def seated(self, request: Request) -> Iterator[None]:
        """Holds a seat of its level for the time of the block. Raises TooManyRequestsError if there is none."""
        schema, level = self._level(request)
        uid = level["metadata"]["uid"] if level else ""
        if schema is None or level is None or not _is_narrow(level):
            yield
            return
        if uid in self._busy:
            raise TooManyRequestsError(schema["metadata"]["uid"], uid)
        self._busy.add(uid)
        try:
            yield
        finally:
            self._busy.discard(uid)

    def _level(self, request: Request) -> tuple[Obj | None, Obj | None]:
        schemas = self._objects.list("flowschemas")
        if not schemas or not request.user:
            return None, None
        found = next((s for s in sorted(schemas, key=_precedence) if self._matches(s["spec"], request)), None)
        name = ((found or {}).get("spec") or {}).get("priorityLevelConfiguration", {}).get("name", "")
        return found, self._objects.find("prioritylevelconfigurations", "", name)

    def _matches(self, spec: Obj, request: Request) -> bool:
        return any(
            any(_is_of(subject, request.user) for subject in rule.get("subjects") or ()) and self._covers(rule, request)
            for rule in spec.get("rules") or ()
        )

    def _covers(self, rule: Obj, request: Request) -> bool:
        try:
            target = parse_target(request.path, self._objects.kinds)
        except ApiError:
            return any(_covers_path(r, request) for r in rule.get("nonResourceRules") or ())
        resource = f"{target.kind.plural}/{target.subresource}" if target.subresource else target.kind.plural
        return any(
            _has(r.get("verbs"), _verb(request, named=bool(target.name)))
            and _has(r.get("apiGroups"), target.kind.group)
            and _has(r.get("resources"), resource)
            and (_has(r.get("namespaces"), target.namespace) if target.namespace else bool(r.get("clusterScope")))
            for r in rule.get("resourceRules") or ()
        )


def _precedence(schema: Obj) -> tuple[int, str]:
    return int(schema["spec"].get("matchingPrecedence") or _DEFAULT_PRECEDENCE), schema["metadata"]["name"]


def _is_narrow(level: Obj) -> bool:
    limited = level["spec"].get("limited") or {}
    response = (limited.get("limitResponse") or {}).get("type", "Reject")
    return (
        level["spec"].get("type") == "Limited" and limited.get("nominalConcurrencyShares") == 0 and response == "Reject"
    )


def _is_of(subject: Obj, user: str) -> bool:
    match subject.get("kind"):
        case "User":
            return _has([subject["user"]["name"]], user)
        case "Group":
            return subject["group"]["name"] in ("*", *_groups(user))
        case "ServiceAccount":
            account = subject["serviceAccount"]
            prefix = f"system:serviceaccount:{account['namespace']}:"
            return user.startswith(prefix) and _has([account["name"]], user.removeprefix(prefix))
    return False


def _groups(user: str) -> tuple[str, ...]:
    """Of a service account, `system:serviceaccount:NAMESPACE:NAME`."""
    namespace = user.split(":")[2]
    return "system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}"


def _covers_path(rule: Obj, request: Request) -> bool:
    paths = rule.get("nonResourceURLs") or ()
    known = any(
        path in ("*", request.path) or (path.endswith("*") and request.path.startswith(path[:-1])) for path in paths
    )
    return known and _has(rule.get("verbs"), request.method.lower())


def _verb(request: Request, *, named: bool) -> str:
    if request.is_watch():
        return "watch"
    if request.method in ("GET", "HEAD"):
        return "get" if named else "list"
    if request.method == "DELETE":
        return "delete" if named else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(request.method, request.method.lower())


def _has(values: list[str] | None, wanted: str) -> bool:
    return wanted in (values or ()) or "*" in (values or ())
