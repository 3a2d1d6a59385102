"""The cluster as the gateway sees it: stores kept by reflectors to read from, writes that are visible to the next read.

Readers never await Kubernetes. What a write answers is in the store when it returns; after a scale or a deletion, whose
answers are not the object, it waits, bounded, until the watch has told it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from gateway.clock import Clock
from gateway.kubernetes.errors import AlreadyExists, NotFound, Unavailable
from gateway.kubernetes.reflector import Reflector
from gateway.kubernetes.resources import APPS, CHANGES, DEPLOYMENTS, EVENTS, GROUPS, LEASES, NODES, PODS, Resource
from gateway.kubernetes.store import Store
from gateway.kubernetes.transport import MERGE_PATCH, ApiServer
from gateway.kubernetes.waiting import within
from translators.kubernetes.objects import GROUP

__all__ = ["Changed", "Cluster", "Listener", "stores"]

T = TypeVar("T")

_MANAGED = {"labelSelector": "app.kubernetes.io/managed-by=marathon-gateway"}
_OF_PODS = {"fieldSelector": "involvedObject.kind=Pod"}
_NO_CRDS = "the custom resources are not installed: apply the output of `mgw manifests`"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_SEEN_WITHIN_S = 2.0
_REACHABLE_S = 90.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Changed:
    """One difference between two states of a store. `before` is None for a new object, `after` for a deleted one."""

    resource: Resource[Any]
    before: Any | None
    after: Any | None


Listener = Callable[[Changed], None]


def stores() -> dict[Resource[Any], Store[Any]]:
    """The stores of a cluster, with their indexes."""

    def id_hash(item: Any) -> str:
        return str(item.metadata.labels.get(f"{GROUP}/id-hash", ""))

    return {
        PODS: Store({"id-hash": id_hash, "node": lambda pod: pod.spec.nodeName}),
        NODES: Store(),
        DEPLOYMENTS: Store({"id-hash": id_hash}),
        EVENTS: Store({"uid": lambda event: event.involvedObject.uid}),
        APPS: Store({"id-hash": id_hash}),
        GROUPS: Store({"id-hash": id_hash}),
        CHANGES: Store(),
    }


class Cluster:
    """See the module. `run` owns the reflectors; `subscribe` listeners are called after a store has changed.

    `streaming` reads the first state of each kind as a stream instead of in pages, which spares an API server of many
    objects the memory of large lists; servers that do not stream are read in pages in any case.
    """

    def __init__(self, api: ApiServer, *, namespace: str, clock: Clock, streaming: bool = True) -> None:
        self.api = api
        self._streaming = streaming
        self.namespace = namespace
        self.clock = clock
        self._stores = stores()
        self._listeners: list[Listener] = []
        self._waiters: dict[tuple[Resource[Any], str], list[asyncio.Future[None]]] = {}
        self._heard_at = clock.monotonic()
        self._reflectors = [self._reflector(resource, store) for resource, store in self._stores.items()]

    pods = property(lambda self: self._stores[PODS])
    nodes = property(lambda self: self._stores[NODES])
    deployments = property(lambda self: self._stores[DEPLOYMENTS])
    events = property(lambda self: self._stores[EVENTS])
    apps = property(lambda self: self._stores[APPS])
    groups = property(lambda self: self._stores[GROUPS])
    changes = property(lambda self: self._stores[CHANGES])

    @property
    def synced(self) -> bool:
        """Whether every store has been read once. Before that an answer would be a dangerous lie."""
        return all(store.synced for store in self._stores.values())

    @property
    def stale_s(self) -> float:
        """Seconds since the API server last said anything (it says something at least once a minute)."""
        return self.clock.monotonic() - self._heard_at

    @property
    def reachable(self) -> bool:
        return self.problem == "" and self.stale_s < _REACHABLE_S

    @property
    def problem(self) -> str:
        """What hinders the watches now, or empty."""
        return next((r.problem for r in self._reflectors if r.problem), "")

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def run(self) -> None:
        """Until cancelled. A reflector that ends by an error we do not know ends all."""
        async with asyncio.TaskGroup() as tasks:
            for reflector in self._reflectors:
                tasks.create_task(reflector.run())

    async def get(self, resource: Resource[T], name: str) -> T:
        """A consistent read from the API server."""
        path = resource.path(self.namespace, name)
        return _decoded(resource, await self.api.get(path, urgent=resource is LEASES))

    async def create(self, resource: Resource[T], body: Mapping[str, Any] | bytes, *, wait: bool = True) -> T:
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        path = resource.path(self.namespace)
        answer = await self.api.send("POST", path, content, urgent=resource is LEASES)
        return self._written(resource, answer, wait=wait)

    async def replace(self, resource: Resource[T], name: str, body: Mapping[str, Any], *, wait: bool = True) -> T:
        """With `metadata.resourceVersion` in the body: Conflict if the object has changed since."""
        path = resource.path(self.namespace, name)
        answer = await self.api.send("PUT", path, msgspec.json.encode(body), urgent=resource is LEASES)
        return self._written(resource, answer, wait=wait)

    async def patch(
        self, resource: Resource[T], name: str, body: Mapping[str, Any], *, subresource: str = "", wait: bool = True
    ) -> T:
        """A merge patch. `metadata.resourceVersion` or `uid` in the body are preconditions."""
        path = resource.path(self.namespace, name, subresource)
        answer = await self.api.send("PATCH", path, msgspec.json.encode(body), content_type=MERGE_PATCH)
        return self._written(resource, answer, wait=wait)

    async def scale(self, name: str, replicas: int, *, resource_version: str | None = None) -> None:
        """Sets the replicas of a Deployment and nothing else. With a version: Conflict if it has changed since."""
        path = DEPLOYMENTS.path(self.namespace, name, "scale")
        metadata = {"resourceVersion": resource_version} if resource_version else {}
        body = msgspec.json.encode({"metadata": metadata, "spec": {"replicas": replicas}})
        answer = _decoded(DEPLOYMENTS, await self.api.send("PATCH", path, body, content_type=MERGE_PATCH))
        version = answer.metadata.resourceVersion  # of the Deployment; the rest of the answer is a Scale
        await self._until(
            DEPLOYMENTS,
            name,
            lambda seen: (
                (seen is not None and _reached(seen.metadata.resourceVersion, version))
                or _reached(self._stores[DEPLOYMENTS].resource_version, version)  # scaled, and gone again
            ),
        )

    async def delete(
        self,
        resource: Resource[Any],
        name: str,
        *,
        uid: str | None = None,
        propagation: str = "Background",
        grace_period_s: float | None = None,
    ) -> None:
        """Raises NotFound if it is not there, Conflict if it is another object of that name."""
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_period_s is not None:
            options["gracePeriodSeconds"] = int(grace_period_s)
        before = self._stores[resource].get(name) if resource in self._stores else None
        await self.api.send("DELETE", resource.path(self.namespace, name), msgspec.json.encode(options))
        if before is not None:
            gone = uid or before.metadata.uid
            await self._until(
                resource,
                name,
                lambda item: item is None or item.metadata.uid != gone or bool(item.metadata.deletionTimestamp),
            )

    async def ensure_namespace(self) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        await self._ensure("/api/v1/namespaces", self.namespace, body)

    async def ensure_crds(self, crds: Sequence[Mapping[str, Any]]) -> None:
        for crd in crds:
            await self._ensure(_CRDS, str(crd["metadata"]["name"]), crd)

    async def _ensure(self, path: str, name: str, body: Mapping[str, Any]) -> None:
        try:
            await self.api.get(f"{path}/{name}")
        except NotFound:
            with contextlib.suppress(AlreadyExists):  # another replica was faster
                await self.api.send("POST", path, msgspec.json.encode(body))

    def _reflector(self, resource: Resource[Any], store: Store[Any]) -> Reflector[Any]:
        managed = _MANAGED if resource in (PODS, DEPLOYMENTS, APPS, GROUPS, CHANGES) else None
        return Reflector(
            self.api,
            resource,
            store,
            path=resource.path(self.namespace),
            clock=self.clock,
            changed=lambda before, after: self._changed(resource, before, after),
            heard=self._heard,
            params=_OF_PODS if resource is EVENTS else managed,
            missing=_NO_CRDS if resource in (APPS, GROUPS, CHANGES) else "",
            streaming=self._streaming,
        )

    def _heard(self) -> None:
        self._heard_at = self.clock.monotonic()

    def _changed(self, resource: Resource[Any], before: Any | None, after: Any | None) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(Changed(resource, before, after))
            except Exception:  # one reader's mistake must not stop the watch that all others live on
                log.exception("a listener failed on %s", resource.name)
        name = (after if after is not None else before).metadata.name  # type: ignore[union-attr]
        for waiter in self._waiters.pop((resource, name), ()):
            if not waiter.done():
                waiter.set_result(None)

    def _written(self, resource: Resource[T], answer: bytes, *, wait: bool) -> T:
        item = _decoded(resource, answer)
        if wait and resource in self._stores:
            self._keep(resource, item)
        return item

    def _keep(self, resource: Resource[Any], item: Any) -> None:
        """What the server has just answered is in the store at once, unless the watch is as far already.

        Then it may have told that the object has changed or is gone again since. The watch will tell it once more, which is
        no change, and all that is newer. Its place does not move: what is between must not be missed.
        """
        meta, store = item.metadata, self._stores[resource]
        known = store.get(meta.name)
        if not store.synced or _reached(store.resource_version, meta.resourceVersion):
            return
        if known is not None and known.metadata.uid != meta.uid:
            store.remove(meta.name)
            self._changed(resource, known, None)
            known = None
        if known is None or not _reached(known.metadata.resourceVersion, meta.resourceVersion):
            store.put(meta.name, item)
            self._changed(resource, known, item)

    async def _until(self, resource: Resource[Any], name: str, seen: Callable[[Any | None], bool]) -> None:
        """Waits, bounded, until the store shows what was written; then goes on either way."""
        store = self._stores[resource]
        if not seen(store.get(name)):
            try:
                await within(self.clock, _SEEN_WITHIN_S, self._shown(resource, name, seen))
            except TimeoutError:
                log.warning("%s %s was written but not seen within %g s", resource.kind, name, _SEEN_WITHIN_S)

    async def _shown(self, resource: Resource[Any], name: str, seen: Callable[[Any | None], bool]) -> None:
        key = (resource, name)
        while not seen(self._stores[resource].get(name)):
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.setdefault(key, []).append(waiter)
            try:
                await waiter
            finally:
                if waiter.cancelled() and waiter in self._waiters.get(key, ()):
                    self._waiters[key].remove(waiter)
                    if not self._waiters[key]:
                        del self._waiters[key]


def _decoded(resource: Resource[T], answer: bytes) -> T:
    try:
        return resource.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable(f"what answered is not a Kubernetes API: {error}") from error


def _reached(seen: str, written: str) -> bool:
    """A version is of the cluster and not of the object, so this holds across a deletion and a new object of that name."""
    if seen.isdecimal() and written.isdecimal():
        return int(seen) >= int(written)
    return seen == written
