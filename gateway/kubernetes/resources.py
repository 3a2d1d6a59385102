"""The handful of Kubernetes resources that the gateway uses, and their paths."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from translators.kubernetes.objects import (
    GROUP,
    VERSION,
    AppRecord,
    Deployment,
    Event,
    Lease,
    MarathonApp,
    MarathonDeployment,
    MarathonGroup,
    Meta,
    Node,
    Pod,
)

__all__ = [
    "APPS",
    "CHANGES",
    "DEPLOYMENTS",
    "EVENTS",
    "GROUPS",
    "LEASES",
    "NODES",
    "PODS",
    "REVISIONS",
    "ControllerRevision",
    "Resource",
]

T = TypeVar("T")


class _RevisionData(msgspec.Struct, frozen=True, gc=False):
    record: str = "{}"


class ControllerRevision(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One past version of an app. Its data is the JSON text of an AppRecord."""

    metadata: Meta = Meta()
    revision: int = 0
    data: _RevisionData = _RevisionData()

    @property
    def record(self) -> AppRecord:
        return msgspec.json.decode(self.data.record, type=AppRecord)


@dataclass(frozen=True, eq=False)
class Resource(Generic[T]):
    """`name` is the plural of the path, `prefix` the group's path, `type` what its objects are decoded into."""

    name: str
    prefix: str
    kind: str
    type: type[T]
    namespaced: bool = True

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        parts = [self.prefix]
        if self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.name)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)

    def decode(self, body: bytes | str) -> T:
        return msgspec.json.decode(body, type=self.type)

    def convert(self, body: Any) -> T:
        return msgspec.convert(body, type=self.type, strict=False)


PODS = Resource("pods", "/api/v1", "Pod", Pod)
NODES = Resource("nodes", "/api/v1", "Node", Node, namespaced=False)
EVENTS = Resource("events", "/api/v1", "Event", Event)
DEPLOYMENTS = Resource("deployments", "/apis/apps/v1", "Deployment", Deployment)
REVISIONS = Resource("controllerrevisions", "/apis/apps/v1", "ControllerRevision", ControllerRevision)
LEASES = Resource("leases", "/apis/coordination.k8s.io/v1", "Lease", Lease)
APPS = Resource("marathonapps", f"/apis/{GROUP}/{VERSION}", "MarathonApp", MarathonApp)
GROUPS = Resource("marathongroups", f"/apis/{GROUP}/{VERSION}", "MarathonGroup", MarathonGroup)
CHANGES = Resource("marathondeployments", f"/apis/{GROUP}/{VERSION}", "MarathonDeployment", MarathonDeployment)
