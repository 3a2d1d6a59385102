"""The kinds that the embedded cluster serves: those that are built in, and those that CRDs add."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gateway.simulator.builtin import FREE, METADATA, schema_of

__all__ = ["BUILT_IN", "Kind", "Kinds", "kind_of_crd"]

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_POD_FIELDS = ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase", "status.podIP")  # fmt: skip
_EVENT_FIELDS = (
    "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid", "reason", "reportingComponent",
    "source", "type",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """`generation` is bumped by a change of anything but metadata and status (Deployments: and annotations).

    `fields` are what a field selector may name besides name and namespace, `scale` where replicas, their count and the selector are.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    status: bool = False
    scale: tuple[str, str, str] | None = None
    generation: bool = False
    crd_schema: dict[str, Any] | None = field(default=None, hash=False, compare=False)
    columns: tuple[tuple[str, str, str], ...] = ()
    fields: tuple[str, ...] = ()
    custom: bool = False
    categories: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def verbs(self) -> tuple[str, ...]:
        """Nobody deletes all namespaces at once."""
        verbs = _CUSTOM_VERBS if self.custom else _VERBS
        return tuple(verb for verb in verbs if self.plural != "namespaces" or verb != "deletecollection")

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @cached_property
    def schema(self) -> dict[str, Any]:
        if not self.custom:
            return schema_of(self.kind)
        root = self.crd_schema or FREE
        envelope = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": METADATA}
        return {**root, "properties": {**(root.get("properties") or {}), **envelope}}

    def discovery(self) -> list[dict[str, Any]]:
        base = {"singularName": "", "namespaced": self.namespaced, "kind": self.kind}
        main = {**base, "name": self.plural, "singularName": self.singular, "verbs": list(self.verbs)}
        if self.short:
            main["shortNames"] = list(self.short)
        if self.categories:
            main["categories"] = list(self.categories)
        out = [main]
        if self.status:
            out.append({**base, "name": f"{self.plural}/status", "verbs": ["get", "patch", "update"]})
        if self.scale:
            scale = {**base, "kind": "Scale", "group": "autoscaling", "version": "v1"}
            out.append({**scale, "name": f"{self.plural}/scale", "verbs": ["get", "patch", "update"]})
        if self.plural == "pods":
            out.append({**base, "name": "pods/binding", "kind": "Binding", "verbs": ["create"]})
            out.append({**base, "name": "pods/log", "verbs": ["get"]})
            eviction = {**base, "kind": "Eviction", "group": "policy", "version": "v1"}
            out.append({**eviction, "name": "pods/eviction", "verbs": ["create"]})
        return out


_ADMISSION = "admissionregistration.k8s.io"
_FLOWS = "flowcontrol.apiserver.k8s.io"
_RBAC = "rbac.authorization.k8s.io"
_REPLICAS = (".spec.replicas", ".status.replicas", "")
BUILT_IN = (
    Kind("", "v1", "Namespace", "namespaces", namespaced=False, short=("ns",), status=True, fields=("status.phase",)),
    Kind("", "v1", "Node", "nodes", namespaced=False, short=("no",), status=True, fields=("spec.unschedulable",)),
    Kind("", "v1", "Pod", "pods", short=("po",), status=True, generation=True, fields=_POD_FIELDS, categories=("all",)),
    Kind("", "v1", "Event", "events", short=("ev",), fields=_EVENT_FIELDS),
    Kind("", "v1", "Secret", "secrets", fields=("type",)),
    Kind("", "v1", "ConfigMap", "configmaps", short=("cm",)),
    Kind("", "v1", "ServiceAccount", "serviceaccounts", short=("sa",)),
    Kind("", "v1", "ResourceQuota", "resourcequotas", short=("quota",), status=True),
    Kind("", "v1", "LimitRange", "limitranges", short=("limits",)),
    Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", short=("pvc",), status=True),
    Kind("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False, short=("pv",), status=True),
    Kind(
        "apps", "v1", "Deployment", "deployments",
        short=("deploy",), status=True, scale=_REPLICAS, generation=True, categories=("all",),
    ),
    Kind(
        "apps", "v1", "ReplicaSet", "replicasets",
        short=("rs",), status=True, scale=_REPLICAS, generation=True, fields=("status.replicas",), categories=("all",),
    ),
    Kind("apps", "v1", "ControllerRevision", "controllerrevisions"),
    Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", short=("pdb",), status=True, generation=True),
    Kind("coordination.k8s.io", "v1", "Lease", "leases"),
    Kind(
        _ADMISSION, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations",
        namespaced=False, generation=True, categories=("api-extensions",),
    ),
    Kind(
        _ADMISSION, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations",
        namespaced=False, generation=True, categories=("api-extensions",),
    ),
    Kind(_FLOWS, "v1", "FlowSchema", "flowschemas", namespaced=False, status=True, generation=True),
    Kind(
        _FLOWS, "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations",
        namespaced=False, status=True, generation=True,
    ),
    Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False, short=("sc",)),
    Kind(_RBAC, "v1", "Role", "roles"),
    Kind(_RBAC, "v1", "RoleBinding", "rolebindings"),
    Kind(_RBAC, "v1", "ClusterRole", "clusterroles", namespaced=False),
    Kind(_RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    Kind(
        "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions",
        namespaced=False, short=("crd", "crds"), status=True, generation=True, categories=("api-extensions",),
    ),
)  # fmt: skip


class Kinds:
    """A registry by plural and by group, version and plural. Plurals are unique here."""

    def __init__(self, kinds: Iterable[Kind] = BUILT_IN) -> None:
        self._by_plural = {kind.plural: kind for kind in kinds}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._by_plural.values())

    def get(self, plural: str) -> Kind | None:
        return self._by_plural.get(plural)

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        kind = self._by_plural.get(plural)
        return kind if kind and (kind.group, kind.version) == (group, version) else None

    def add(self, kind: Kind) -> None:
        self._by_plural[kind.plural] = kind

    def remove(self, plural: str) -> None:
        self._by_plural.pop(plural, None)

    def groups(self) -> dict[str, set[str]]:
        out: dict[str, set[str]] = {}
        for kind in self._by_plural.values():
            out.setdefault(kind.group, set()).add(kind.version)
        return out


def kind_of_crd(crd: dict[str, Any]) -> Kind:
    """The kind that a CustomResourceDefinition establishes, in its storage version."""
    spec = crd["spec"]
    names = spec["names"]
    version = next((v for v in spec["versions"] if v.get("storage")), spec["versions"][0])
    subresources = version.get("subresources") or {}
    columns = tuple((c["name"], c["type"], c["jsonPath"]) for c in version.get("additionalPrinterColumns") or ())
    scale = subresources.get("scale")
    return Kind(
        spec["group"],
        version["name"],
        names["kind"],
        names["plural"],
        namespaced=spec.get("scope") == "Namespaced",
        short=tuple(names.get("shortNames") or ()),
        status="status" in subresources,
        scale=(scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath", ""))
        if scale
        else None,
        generation=True,
        crd_schema=(version.get("schema") or {}).get("openAPIV3Schema"),
        columns=columns,
        fields=tuple(f["jsonPath"].lstrip(".") for f in version.get("selectableFields") or ()),
        custom=True,
        categories=tuple(names.get("categories") or ()),
    )
