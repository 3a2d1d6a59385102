"""GET: one object, a list, a page of one; whole, as metadata only, or as a table."""

from collections.abc import Callable, Sequence
from typing import Any

from gateway.simulator.errors import ApiError, expired, no_representation
from gateway.simulator.kinds import Kind
from gateway.simulator.objects import Objects
from gateway.simulator.requests import Request, Target
from gateway.simulator.selectors import field_selector, label_selector
from gateway.simulator.tables import table
from gateway.simulator.versions import Position, check_list, no_version, number, too_new

__all__ = ["Reads", "list_of", "selected"]

Obj = dict[str, Any]

_TOO_NEW_WAIT_S = 3.0
_MEDIA = (
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
)
_PAGE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue "
    "parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided "
    "token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was "
    "returned and now may show up in the list."
)


class Reads:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def one(self, request: Request, target: Target) -> Obj:
        version = request.query.get("resourceVersion", "")
        if version and not version.isdecimal():
            raise no_version(version)
        await self._reached(number(version))
        obj = self._objects.get(target.kind.plural, target.namespace, target.name)
        return (
            self._rendered(request, target.kind, [obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}) or obj
        )

    async def many(self, request: Request, target: Target) -> Obj:
        check_list(request)
        matches = selected(request, target.kind)
        found, version, rest = await self._page(request, target)
        objects = [obj for obj in found if matches(obj)]
        metadata: Obj = {"resourceVersion": str(version)}
        request.whole("timeoutSeconds")
        limit = max(0, request.whole("limit"))
        if limit and len(objects) > limit and request.query.get("resourceVersion") != "0":
            last = objects[limit - 1]["metadata"]
            after = last["name"] if target.namespace else f"{last.get('namespace', '')}/{last['name']}"
            metadata["continue"] = Position(version if rest != -1 else -1, after).token()
            if not request.query.get("labelSelector") and not request.query.get("fieldSelector"):
                metadata["remainingItemCount"] = len(objects) - limit
            objects = objects[:limit]
        return self._rendered(request, target.kind, objects, metadata, is_list=True) or list_of(
            target.kind, objects, metadata
        )

    async def _reached(self, version: int) -> None:
        """Waits as a server does whose cache is behind. Raises ApiError (504)."""
        if version > self._objects.version:
            await self._objects.clock.sleep(_TOO_NEW_WAIT_S)
            if version > self._objects.version:
                raise too_new(version, self._objects.version)

    async def _page(self, request: Request, target: Target) -> tuple[Sequence[Obj], int, int]:
        """The objects of the version asked for, that version, and -1 if the page goes on inconsistently."""
        plural, namespace = target.kind.plural, target.namespace or None
        if token := request.query.get("continue"):
            position = Position.of(token)
            found = self._continued(plural, namespace, position)
            in_namespace, _, name = position.after.rpartition("/")
            after = (target.namespace or in_namespace, name)
            left = [obj for obj in found if _key(obj) > after]
            version = self._objects.version if position.version == -1 else position.version
            return left, version, min(position.version, 0)
        version = number(request.query.get("resourceVersion", ""))
        await self._reached(version)
        limited = request.whole("limit") > 0 and version > 0
        match = request.query.get("resourceVersionMatch", "Exact" if limited else "")
        if version and match == "Exact":
            past = self._objects.past(plural, version, namespace)
            if past is None:
                raise expired("The resourceVersion for the provided list is too old.")
            return past, version, 0
        return self._objects.list(plural, namespace), self._objects.version, 0

    def _continued(self, plural: str, namespace: str | None, position: Position) -> Sequence[Obj]:
        if position.version == -1:
            return self._objects.list(plural, namespace)
        past = self._objects.past(plural, position.version, namespace)
        if past is None:
            raise expired(_PAGE_EXPIRED, continue_token=Position(-1, position.after).token())
        return past

    def _rendered(
        self, request: Request, kind: Kind, objects: list[Obj], metadata: Obj, *, is_list: bool = False
    ) -> Obj | None:
        """The first form of the Accept header that is not the plain one; None for that. Raises ApiError (406)."""
        for option in request.accept.split(",") if request.accept else ["*/*"]:
            media, *parameters = (part.strip() for part in option.split(";"))
            given = dict(part.split("=", 1) for part in parameters if "=" in part)
            shown = given.get("as", "")
            if media not in ("*/*", "application/*", "application/json"):
                continue
            if shown and (given.get("g") != "meta.k8s.io" or given.get("v") not in ("v1", "v1beta1")):
                continue
            if shown == "Table":
                return table(kind, objects, metadata, self._objects.clock.time())
            if shown == ("PartialObjectMetadataList" if is_list else "PartialObjectMetadata"):
                partial = [_partial(obj) for obj in objects]
                if not is_list:
                    return partial[0]
                head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
                return {**head, "metadata": metadata, "items": partial}
            if not shown:
                return None
        if not kind.custom and "as=" not in request.accept:
            watches = tuple(f"{media};stream=watch" for media in (_MEDIA[0], _MEDIA[2])) if is_list else ()
            raise no_representation(*_MEDIA, *watches)
        message = "only the following media types are accepted: " + ", ".join(_MEDIA)
        raise ApiError(406, "NotAcceptable", message)

    def shown(self, request: Request, kind: Kind, obj: Obj) -> Obj:
        """One object as the Accept header wants it, for the answers to writes. Raises ApiError (406)."""
        if obj.get("kind") != kind.kind:
            return obj
        version = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return self._rendered(request, kind, [obj], version) or obj


def selected(request: Request, kind: Kind) -> Callable[[Obj], bool]:
    """Raises ApiError (400)."""
    labels = label_selector(request.query.get("labelSelector", ""))
    fields = field_selector(request.query.get("fieldSelector", ""), kind)
    return lambda obj: labels(obj) and fields(obj)


def _key(obj: Obj) -> tuple[str, str]:
    return (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def _partial(obj: Obj) -> Obj:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def list_of(kind: Kind, objects: list[Obj], metadata: Obj) -> Obj:
    """Items of built-in kinds do not say again of what kind they are."""
    head = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version}
    if kind.custom:
        return {**head, "items": objects, "metadata": {"continue": "", **metadata}}
    items = [{k: v for k, v in obj.items() if k not in ("kind", "apiVersion")} for obj in objects]
    return {**head, "metadata": metadata, "items": items}
