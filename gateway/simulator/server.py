"""The Kubernetes API of the embedded cluster, as an ASGI application.

Serves what `Objects` holds with the verbs, parameters and Status bodies of a real API server, as far as clients rely on
them; `tests/simulator` and kubectl say how far that is.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.simulator import discovery
from gateway.simulator.errors import ApiError, bad_request, expired
from gateway.simulator.faults import Faults
from gateway.simulator.objects import Objects
from gateway.simulator.patches import MANAGERS, apply, json_patch, merge_patch, strategic_patch
from gateway.simulator.requests import Request, Target, parse_target
from gateway.simulator.selectors import field_selector, label_selector
from gateway.simulator.tables import table
from gateway.simulator.watches import watch

__all__ = ["Server"]

Obj = dict[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_CONTINUE_VALID_S = 300.0
_WATCH_S = 1800.0

log = logging.getLogger(__name__)


class Server:
    """`token` is what a request must bear, empty for none; `logs` answers what a container wrote."""

    def __init__(
        self,
        objects: Objects,
        *,
        token: str = "",
        faults: Faults | None = None,
        logs: Callable[[Obj, str], bytes] | None = None,
    ) -> None:
        self._objects = objects
        self._token = token
        self._faults = faults or Faults()
        self._logs = logs
        self._pages: dict[str, tuple[float, list[Obj], int]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            body = await _read(receive)
            self._check_origin(scope)
            await self._misbehave()
            request = Request.of(scope, body)
            if request.method == "GET" and (request.flag("watch") or "/watch/" in request.path):
                await self._watch(request, receive, send)
                return
            status, answer, kind = self._answer(request)
        except ApiError as error:
            status, answer, kind = error.status, error.body() if error.reason else error.message, ""
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            status, answer, kind = 500, ApiError(500, "InternalError", "Internal error occurred").body(), ""
        await _send(send, status, answer, kind, self._faults.retry_after_s)

    @staticmethod
    def _check_origin(scope: Scope) -> None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").rpartition(":")[0] or headers.get(b"host", b"").decode(
            "latin-1"
        )
        local = host.strip("[]") in ("localhost", "::1", "") or host.startswith("127.")
        if b"origin" in headers or not local:
            raise ApiError(403, "Forbidden", "the embedded cluster answers local clients only, not web pages")

    async def _misbehave(self) -> None:
        if self._faults.latency_s:
            await asyncio.sleep(self._faults.latency_s)
        refusal = self._faults.next_refusal()
        if refusal:
            raise ApiError(refusal[0], "", refusal[1])

    def _answer(self, request: Request) -> tuple[int, Any, str]:
        found = discovery.answer(request.path, self._objects.kinds)
        if found is not None:
            return 200, found, ""
        target = parse_target(request.path, self._objects.kinds)
        if target.subresource == "scale" and target.kind.scale:
            return (200, self._scale(request, target), "")
        if target.subresource == "log" and target.kind.plural == "pods":
            return (200, self._log(request, target), "text/plain")
        if target.subresource == "eviction" and request.method == "POST":
            self._objects.delete("pods", target.namespace, target.name)
            return 201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, ""
        if target.subresource and not (target.subresource == "status" and target.kind.status):
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return self._verb(request, target)

    def _verb(self, request: Request, target: Target) -> tuple[int, Any, str]:
        method, name = request.method, target.name
        if method == "GET":
            return (200, self._shown(request, target) if name else self._list(request, target), "")
        if method == "POST" and not name:
            return (201, self._create(request, target), "")
        if method == "PUT" and name:
            return (200, self._replace(request, target), "")
        if method == "PATCH" and name:
            return (*self._patch(request, target), "")
        if method == "DELETE" and name:
            return (200, self._delete(request, target), "")
        if method == "DELETE":
            return (200, self._delete_collection(request, target), "")
        raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    # Reading

    def _shown(self, request: Request, target: Target) -> Obj:
        obj = self._objects.get(target.kind.plural, target.namespace, target.name)
        if "as=Table" in request.accept:
            return table(
                target.kind, [obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}, self._objects.clock.time()
            )
        return obj

    def _list(self, request: Request, target: Target) -> Obj:
        self._check_version(request)
        objects, version, meta = self._page(request, target)
        metadata = {"resourceVersion": str(version), **meta}
        if "as=Table" in request.accept:
            return table(target.kind, objects, metadata, self._objects.clock.time())
        if not target.kind.custom:
            objects = [{k: v for k, v in obj.items() if k not in ("kind", "apiVersion")} for obj in objects]
        kind = target.kind
        return {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": objects}

    def _check_version(self, request: Request) -> None:
        version = request.query.get("resourceVersion", "")
        if version and version != "0":
            if not version.isdecimal():
                raise bad_request(f"Invalid value for resourceVersion: {version!r}")
            if int(version) > self._objects.version:
                text = f"Too large resource version: {version}, current: {self._objects.version}"
                raise ApiError(
                    504,
                    "Timeout",
                    text,
                    {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]},
                )

    def _page(self, request: Request, target: Target) -> tuple[list[Obj], int, Obj]:
        limit = int(request.query.get("limit") or 0)
        token = request.query.get("continue", "")
        now = self._objects.clock.monotonic()
        if token:
            page = self._pages.pop(token, None)
            if page is None or page[0] < now:
                raise expired("The provided continue parameter is too old to display a consistent list result.")
            objects, version = page[1], page[2]
        else:
            matches = _selected(request)
            found = self._objects.list(target.kind.plural, target.namespace or None)
            objects, version = [obj for obj in found if matches(obj)], self._objects.version
        if not limit or len(objects) <= limit:
            return objects, version, {}
        rest = objects[limit:]
        following = f"{version}.{target.kind.plural}.{rest[0]['metadata']['uid']}"
        self._pages = {k: p for k, p in self._pages.items() if p[0] >= now}
        self._pages[following] = (now + _CONTINUE_VALID_S, rest, version)
        return objects[:limit], version, {"continue": following, "remainingItemCount": len(rest)}

    def _log(self, request: Request, target: Target) -> str:
        pod = self._objects.get("pods", target.namespace, target.name)
        container = request.query.get("container") or pod["spec"]["containers"][0]["name"]
        written = self._logs(pod, container) if self._logs else b""
        lines = int(request.query.get("tailLines") or 0)
        text = written.decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:]) + "\n" if lines else text

    # Writing

    def _create(self, request: Request, target: Target) -> Obj:
        obj = request.object()
        _check_type(obj, target)
        meta = {**(obj.get("metadata") or {})}
        if target.kind.namespaced:
            if meta.get("namespace") not in (None, "", target.namespace):
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
            meta["namespace"] = target.namespace
        return self._objects.create(target.kind.plural, {**obj, "metadata": meta}, dry_run=_dry(request))

    def _replace(self, request: Request, target: Target) -> Obj:
        obj = request.object()
        _check_type(obj, target)
        meta = {**(obj.get("metadata") or {})}
        if meta.get("name") not in (None, "", target.name):
            raise bad_request(
                f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})"
            )
        if not meta.get("resourceVersion") and (target.kind.custom or target.kind.plural == "leases"):
            self._objects.get(target.kind.plural, target.namespace, target.name)
            message = "Invalid value: 0: must be specified for an update"
            details = {
                "causes": [{"reason": "FieldValueInvalid", "field": "metadata.resourceVersion", "message": message}]
            }
            raise ApiError(422, "Invalid", f"metadata.resourceVersion: {message}", details)
        meta |= {"name": target.name, "namespace": target.namespace}
        return self._update(request, target, {**obj, "metadata": meta})

    def _patch(self, request: Request, target: Target) -> tuple[int, Obj]:
        plural, type_ = target.kind.plural, request.content_type
        if type_ == "application/apply-patch+yaml":
            return self._apply(request, target)
        old = self._objects.get(plural, target.namespace, target.name)
        patch = request.decoded()
        if type_ == "application/merge-patch+json":
            if not isinstance(patch, dict):
                raise bad_request("a merge patch is an object")
            new = merge_patch(old, patch)
        elif type_ == "application/json-patch+json":
            new = json_patch(old, patch)
        elif type_ == "application/strategic-merge-patch+json" and not target.kind.custom:
            new = strategic_patch(old, patch)
        else:
            supported = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
            raise ApiError(
                415,
                "UnsupportedMediaType",
                f"the body of the request was in an unknown format - accepted media types include: {supported}",
            )
        given = patch.get("metadata") if isinstance(patch, dict) else None
        new = _identified(new, old, given if isinstance(given, dict) else {})
        return 200, self._update(request, target, new)

    def _apply(self, request: Request, target: Target) -> tuple[int, Obj]:
        manager = request.query.get("fieldManager")
        if not manager:
            raise ApiError(
                422,
                "Invalid",
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
            )
        intent = request.object()
        _check_type(intent, target)
        plural = target.kind.plural
        try:
            old: Obj | None = self._objects.get(plural, target.namespace, target.name)
        except ApiError:
            old = None
        given = intent.get("metadata") or {}
        if old is None and given.get("uid"):
            raise ApiError(
                409,
                "Conflict",
                f"uid mismatch: the provided object specified uid {given['uid']}, and no existing object was found",
            )
        moment = f"{datetime.fromtimestamp(self._objects.clock.time(), UTC):%Y-%m-%dT%H:%M:%SZ}"
        new = apply(
            old, intent, manager=manager, force=request.flag("force"), now=moment, subresource=target.subresource
        )
        new["metadata"] = {**new["metadata"], "name": target.name, "namespace": target.namespace}
        if old is None:
            return 201, self._objects.create(plural, new, dry_run=_dry(request))
        return 200, self._update(request, target, _identified(new, old, given))

    def _update(self, request: Request, target: Target, new: Obj) -> Obj:
        return self._objects.update(target.kind.plural, new, subresource=target.subresource, dry_run=_dry(request))

    def _scale(self, request: Request, target: Target) -> Obj:
        plural = target.kind.plural
        obj = self._objects.get(plural, target.namespace, target.name)
        if request.method in ("PUT", "PATCH"):
            scale = _scale_of(obj)
            asked = request.object() if request.method == "PUT" else merge_patch(scale, request.object())
            replicas = (asked.get("spec") or {}).get("replicas", 0)
            meta = {**obj["metadata"], "resourceVersion": (asked.get("metadata") or {}).get("resourceVersion")}
            if request.method == "PATCH" and "resourceVersion" not in ((request.object().get("metadata")) or {}):
                meta.pop("resourceVersion")
            obj = self._objects.update(
                plural, {**obj, "metadata": meta, "spec": {**obj["spec"], "replicas": replicas}}, dry_run=_dry(request)
            )
        elif request.method != "GET":
            raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        return _scale_of(obj)

    def _delete(self, request: Request, target: Target) -> Obj:
        options = request.object() if request.body.strip() else {}
        preconditions = options.get("preconditions") or {}
        grace = options.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
        propagation = options.get("propagationPolicy") or request.query.get("propagationPolicy") or "Background"
        obj = self._objects.get(target.kind.plural, target.namespace, target.name)
        if _dry(request) or options.get("dryRun"):
            return obj
        gone = self._objects.delete(
            target.kind.plural,
            target.namespace,
            target.name,
            uid=preconditions.get("uid"),
            resource_version=preconditions.get("resourceVersion"),
            propagation=propagation,
            grace_s=None if grace is None else float(grace),
        )
        if target.kind.plural == "pods" or gone["metadata"].get("deletionTimestamp"):
            return gone
        details = {
            "name": target.name,
            "group": target.kind.group,
            "kind": target.kind.plural,
            "uid": gone["metadata"]["uid"],
        }
        details = {key: value for key, value in details.items() if value}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _delete_collection(self, request: Request, target: Target) -> Obj:
        matches = _selected(request)
        found = [o for o in self._objects.list(target.kind.plural, target.namespace or None) if matches(o)]
        for obj in found:
            with contextlib.suppress(ApiError):
                self._objects.delete(target.kind.plural, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        kind = target.kind
        metadata = {"resourceVersion": str(self._objects.version)}
        return {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": found}

    # Watching

    async def _watch(self, request: Request, receive: Receive, send: Send) -> None:
        target = parse_target(request.path, self._objects.kinds)
        matches = _selected(request)
        if target.name:
            matches = field_selector(f"metadata.name={target.name}")
        lines = watch(
            self._objects,
            target.kind,
            namespace=target.namespace,
            matches=matches,
            version=request.query.get("resourceVersion", ""),
            timeout_s=float(request.query.get("timeoutSeconds") or _WATCH_S),
            bookmarks=request.flag("allowWatchBookmarks"),
            initial_events=request.flag("sendInitialEvents"),
        )
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        pump = asyncio.ensure_future(self._pump(lines, send))
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pump, gone):
                task.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
        with contextlib.suppress(Exception):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, lines: Any, send: Send) -> None:
        sent = 0
        async for line in lines:
            if self._faults.silent:
                continue
            limit = self._faults.cut_after_bytes
            if limit is not None and sent + len(line) > limit:
                self._faults.cut_after_bytes = None
                await send({"type": "http.response.body", "body": line[: limit - sent], "more_body": True})
                raise ConnectionAbortedError("cut")
            sent += len(line)
            await send({"type": "http.response.body", "body": line, "more_body": True})


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, status: int, answer: Any, kind: str, retry_after_s: int) -> None:
    if isinstance(answer, str):
        body, content_type = answer.encode(), kind or "text/plain; charset=utf-8"
    else:
        body, content_type = msgspec.json.encode(answer), "application/json"
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    if status == 429:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _selected(request: Request) -> Callable[[Obj], bool]:
    labels = label_selector(request.query.get("labelSelector", ""))
    fields = field_selector(request.query.get("fieldSelector", ""))
    return lambda obj: labels(obj) and fields(obj)


def _dry(request: Request) -> bool:
    return bool(request.query.get("dryRun"))


def _check_type(obj: Obj, target: Target) -> None:
    kind = target.kind
    for key, wanted in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        if obj.get(key) not in (None, "", wanted):
            raise bad_request(f"the {key} in the data ({obj[key]}) does not match the expected {key} ({wanted})")


def _identified(new: Obj, old: Obj, given: Obj) -> Obj:
    """A patch names its object by the path; versions and uids count only if the patch itself gives them."""
    meta = {
        **new.get("metadata", {}),
        "name": old["metadata"]["name"],
        "namespace": old["metadata"].get("namespace", ""),
    }
    for key in ("resourceVersion", "uid"):
        meta.pop(key, None)
        if given.get(key):
            meta[key] = given[key]
    if MANAGERS in old["metadata"]:
        meta.setdefault(MANAGERS, old["metadata"][MANAGERS])
    return {**new, "metadata": meta}


def _scale_of(obj: Obj) -> Obj:
    meta = {k: obj["metadata"][k] for k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    replicas = obj["spec"].get("replicas", 0)
    labels = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": replicas} if replicas else {},
        "status": {
            "replicas": (obj.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items())),
        },
    }
