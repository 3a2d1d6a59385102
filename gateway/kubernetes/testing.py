"""A cluster in memory for tests of what stands on Cluster: same interface, every write visible at once, faults on demand.

`writes` lists what was written, as (verb, plural, name). `before_write` is called with the same before each write and may
raise, which is how a test lets a process die between any two writes; `fail_next` lets the next write fail. `add`, `set` and
`remove` play the others on the cluster: the controllers, the kubelet, somebody with kubectl.
"""

import copy
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from gateway.clock import Clock, VirtualClock, timestamp
from gateway.kubernetes.cluster import Changed, Cluster, Listener, stores
from gateway.kubernetes.errors import AlreadyExists, Conflict, NotFound
from gateway.kubernetes.resources import DEPLOYMENTS, Resource

__all__ = ["FakeCluster"]

T = TypeVar("T")


class FakeCluster(Cluster):
    """No server, no tasks; `run` returns when cancelled. Deletion is immediate and removes what the object owns."""

    def __init__(self, *, namespace: str = "marathon", clock: Clock | None = None) -> None:
        self.namespace = namespace
        self.clock = clock or VirtualClock()
        self._stores = stores()
        self._listeners: list[Listener] = []
        self._objects: dict[tuple[str, str], dict[str, Any]] = {}
        self._version = 100
        self.writes: list[tuple[str, str, str]] = []
        self.before_write: Callable[[tuple[str, str, str]], None] = lambda write: None
        self.down: str = ""
        self._failures: list[BaseException] = []
        for store in self._stores.values():
            store.synced = True

    @property
    def stale_s(self) -> float:
        return 0.0

    @property
    def problem(self) -> str:
        return self.down

    async def run(self) -> None:
        await self.clock.sleep(10**9)

    async def get(self, resource: Resource[T], name: str) -> T:
        return resource.convert(self.object(resource, name))

    async def create(self, resource: Resource[T], body: Mapping[str, Any] | bytes, *, wait: bool = True) -> T:
        new = msgspec.json.decode(body) if isinstance(body, bytes) else copy.deepcopy(dict(body))
        self._write("create", resource, new["metadata"]["name"])
        return self.add(resource, new)

    async def replace(self, resource: Resource[T], name: str, body: Mapping[str, Any], *, wait: bool = True) -> T:
        self._write("replace", resource, name)
        before = self.object(resource, name)
        new = copy.deepcopy(dict(body))
        self._check_version(new, before)
        new["metadata"] = {**before["metadata"], **new["metadata"]}
        new["status"] = before.get("status", {})
        return self._put(resource, name, new)

    async def patch(
        self, resource: Resource[T], name: str, body: Mapping[str, Any], *, subresource: str = "", wait: bool = True
    ) -> T:
        self._write("patch" + (f"/{subresource}" if subresource else ""), resource, name)
        before = self.object(resource, name)
        self._check_version(body, before)
        return self._put(resource, name, _merged(before, body))

    async def scale(self, name: str, replicas: int, *, resource_version: str | None = None) -> None:
        self._write("scale", DEPLOYMENTS, name)
        before = self.object(DEPLOYMENTS, name)
        self._check_version({"metadata": {"resourceVersion": resource_version}}, before)
        self._put(DEPLOYMENTS, name, _merged(before, {"spec": {"replicas": replicas}}))

    async def delete(
        self,
        resource: Resource[Any],
        name: str,
        *,
        uid: str | None = None,
        propagation: str = "Background",
        grace_period_s: float | None = None,
    ) -> None:
        self._write("delete", resource, name)
        if uid and self.object(resource, name)["metadata"]["uid"] != uid:
            raise Conflict(f"{name} is another object", status=409)
        self.remove(resource, name)

    async def ensure_namespace(self) -> None:
        return None

    async def ensure_crds(self, crds: Sequence[Mapping[str, Any]]) -> None:
        return None

    def fail_next(self, *errors: BaseException) -> None:
        """The next write raises the first of these and changes nothing, the one after it the second …"""
        self._failures += errors

    # What others do on the cluster

    def object(self, resource: Resource[Any], name: str) -> dict[str, Any]:
        try:
            return self._objects[resource.name, name]
        except KeyError:
            raise NotFound(f"{resource.name} {name} not found", status=404, reason="NotFound") from None

    def add(self, resource: Resource[T], body: Mapping[str, Any]) -> T:
        new = copy.deepcopy(dict(body))
        name = new["metadata"]["name"]
        if (resource.name, name) in self._objects:
            raise AlreadyExists(f"{resource.name} {name} already exists", status=409, reason="AlreadyExists")
        moment = timestamp(self.clock.time())[:19] + "Z"
        made = {"uid": str(uuid.uuid4()), "creationTimestamp": moment, "namespace": self.namespace, "generation": 1}
        new["metadata"] = {**made, **new["metadata"]}
        return self._put(resource, name, new)

    def set(self, resource: Resource[T], name: str, changes: Mapping[str, Any]) -> T:
        """Merges `changes` into an object, as a kubelet or a person would, without counting it as a write of ours."""
        return self._put(resource, name, _merged(self.object(resource, name), changes))

    def remove(self, resource: Resource[Any], name: str) -> None:
        gone = self.object(resource, name)
        del self._objects[resource.name, name]
        self._version += 1
        if resource in self._stores:
            before = self._stores[resource].remove(name)
            self._tell(resource, before, None)
        self._collect(gone["metadata"]["uid"])

    # How

    def _collect(self, owner: str) -> None:
        by_name = {resource.name: resource for resource in self._stores}
        for (plural, name), item in list(self._objects.items()):
            owners = item["metadata"].get("ownerReferences", [])
            if any(reference.get("uid") == owner for reference in owners):
                if plural in by_name:
                    self.remove(by_name[plural], name)
                else:
                    self._objects.pop((plural, name), None)

    def _write(self, verb: str, resource: Resource[Any], name: str) -> None:
        write = (verb, resource.name, name)
        if self._failures:
            raise self._failures.pop(0)
        self.before_write(write)
        self.writes.append(write)

    @staticmethod
    def _check_version(body: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        for key in ("resourceVersion", "uid"):
            wanted = body.get("metadata", {}).get(key)
            if wanted and wanted != before["metadata"][key]:
                raise Conflict(f"{key} is {before['metadata'][key]}, not {wanted}", status=409, reason="Conflict")

    def _put(self, resource: Resource[T], name: str, new: dict[str, Any]) -> T:
        before = self._objects.get((resource.name, name))
        self._version += 1
        new["metadata"]["resourceVersion"] = str(self._version)
        if before is not None and before.get("spec") != new.get("spec"):
            new["metadata"]["generation"] = before["metadata"]["generation"] + 1
        self._objects[resource.name, name] = new
        item = resource.convert(new)
        if resource in self._stores:
            known = self._stores[resource].put(name, item)
            self._stores[resource].resource_version = str(self._version)
            self._tell(resource, known, item)
        return item

    def _tell(self, resource: Resource[Any], before: Any, after: Any) -> None:
        for listener in tuple(self._listeners):
            listener(Changed(resource, before, after))


def _merged(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON merge patch (RFC 7386)."""
    out = copy.deepcopy(dict(target))
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, Mapping):
            base = out.get(key)
            out[key] = _merged(base if isinstance(base, dict) else {}, value)
        else:
            out[key] = copy.deepcopy(value)
    return out
