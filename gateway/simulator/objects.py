"""All objects of the embedded cluster, in memory: the truth that the API serves and the controllers act on.

Objects are plain dicts that nobody mutates: whoever changes one makes a new dict and calls `update`. One counter gives every
write its resourceVersion; a write that changes nothing keeps the version and tells nobody. Listeners are called
synchronously, after the write, with (type, after, before). Deletion honours grace periods, finalizers and owners.
"""

import logging
import secrets
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.clock import Clock
from gateway.simulator.errors import ApiError, already_exists, conflict, forbidden, not_found
from gateway.simulator.kinds import Kind, Kinds, kind_of_crd
from gateway.simulator.schemas import pruned
from gateway.simulator.validation import defaulted, validate

__all__ = ["Admission", "ApiError", "Entry", "Listener", "Objects"]

Obj = dict[str, Any]
Listener = Callable[[str, Obj | None, Obj | None], None]
Admission = Callable[[str, Obj], Obj]
Objs = list[Obj]

_REMEMBERED = 4096
_GENERATED_BASE = 58  # a generated name is cut to 63 characters, five of them random
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_FOREGROUND = "foregroundDeletion"
_SERVER_SET = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One change in the order of versions: what a watch tells."""

    version: int
    type: str
    after: Obj
    before: Obj | None


class Objects:
    """`admission` steps may change an object on its creation. `journal` is told each stored or removed object."""

    def __init__(self, clock: Clock, *, namespaces: Sequence[str] = ("default", "kube-system", "marathon")) -> None:
        self.clock = clock
        self.kinds = Kinds()
        self.admission: list[Admission] = []
        self.journal: Callable[[str, Obj, bool], None] = lambda plural, obj, removed: None
        self.version = 0
        self._items: dict[str, dict[tuple[str, str], Obj]] = {}
        self._owned: dict[str, set[tuple[str, str, str]]] = {}
        self._log: dict[str, deque[Entry]] = {}
        self._forgotten: dict[str, int] = {}
        self._listeners: dict[str, list[Listener]] = {}
        for namespace in namespaces:
            self.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})

    # Reading

    def kind(self, plural: str) -> Kind:
        found = self.kinds.get(plural)
        if found is None:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return found

    def get(self, plural: str, namespace: str, name: str) -> Obj:
        """Raises ApiError (404)."""
        kind = self.kind(plural)
        try:
            return self._items[plural][namespace if kind.namespaced else "", name]
        except KeyError:
            raise not_found(plural, kind.group, name) from None

    def list(
        self,
        plural: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Callable[[Obj], bool] | None = None,
    ) -> Objs:
        """In the order of namespace and name."""
        found = sorted(self._items.get(plural, {}).items())
        return [
            obj
            for (in_namespace, _), obj in found
            if (not namespace or in_namespace == namespace)
            and (not labels or all((obj["metadata"].get("labels") or {}).get(k) == v for k, v in labels.items()))
            and (fields is None or fields(obj))
        ]

    def changes_since(self, plural: str, version: int) -> Sequence[Entry] | None:
        """What happened after that version, or None if it is no longer remembered."""
        if version < self._forgotten.get(plural, 0):
            return None
        return [entry for entry in self._log.get(plural, ()) if entry.version > version]

    def subscribe(self, plural: str, listener: Listener) -> Callable[[], None]:
        listeners = self._listeners.setdefault(plural, [])
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    # Writing

    def create(self, plural: str, obj: Obj, *, dry_run: bool = False) -> Obj:
        """Raises ApiError: 404 (namespace), 409 AlreadyExists, 422."""
        kind = self.kind(plural)
        meta = dict(obj.get("metadata") or {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"][:_GENERATED_BASE] + "".join(secrets.choice(_LETTERS) for _ in range(5))
        namespace = str(meta.get("namespace") or "default") if kind.namespaced else ""
        self._check_namespace(kind, namespace)
        name = str(meta.get("name") or "")
        if (namespace, name) in self._items.get(plural, {}):
            raise already_exists(plural, kind.group, name)
        for key in _SERVER_SET:
            meta.pop(key, None)
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": self._now()}
        if kind.namespaced:
            meta["namespace"] = namespace
        else:
            meta.pop("namespace", None)
        if kind.generation:
            meta["generation"] = 1
        new = {"apiVersion": kind.api_version, "kind": kind.kind, **obj, "metadata": meta}
        if kind.custom and kind.status:
            new.pop("status", None)
        new = self._prepared(kind, new, None)
        new = self._admitted(plural, new)
        if dry_run:
            return new
        return self._store(kind, "ADDED", new, None)

    def update(self, plural: str, obj: Obj, *, subresource: str = "", dry_run: bool = False) -> Obj:
        """Replaces an object, or its status. `metadata.resourceVersion` and `uid` are preconditions if given.

        Raises ApiError: 404, 409 Conflict, 422.
        """
        kind = self.kind(plural)
        given = obj.get("metadata") or {}
        name = str(given.get("name") or "")
        old = self.get(plural, str(given.get("namespace") or "default"), name)
        self._check_preconditions(kind, old, given.get("uid"), given.get("resourceVersion"))
        new = self._status_of(old, obj) if subresource == "status" else self._merged(kind, old, obj)
        new = self._prepared(kind, new, old)
        if _without_version(new) == _without_version(old):
            return old
        if kind.generation and subresource != "status" and _intent(kind, new) != _intent(kind, old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if dry_run:
            return new
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers") and _removable(kind, new):
            return self._remove(kind, new)
        return self._store(kind, "MODIFIED", new, old)

    def delete(
        self,
        plural: str,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str = "Background",
        grace_s: float | None = None,
    ) -> Obj:
        """The object in its last state: gone, or with a deletionTimestamp while something keeps it."""
        kind = self.kind(plural)
        old = self.get(plural, namespace, name)
        self._check_preconditions(kind, old, uid, resource_version)
        if propagation == "Orphan":
            self._orphan(old["metadata"]["uid"])
        if propagation == "Foreground" and self._owned.get(old["metadata"]["uid"]):
            return self._delete_foreground(kind, old)
        grace = self._grace(kind, old, grace_s)
        if not old["metadata"].get("finalizers") and grace == 0:
            return self._remove(kind, old)
        already = old["metadata"].get("deletionGracePeriodSeconds")
        if old["metadata"].get("deletionTimestamp") and (already is None or grace >= already):
            return old
        return self._mark_deleted(kind, old, grace)

    def forget(self, plural: str | None = None) -> None:
        """Drops what watches could resume from, as a compaction or a restart of an API server does."""
        for name in [plural] if plural else list(self._log):
            self._log.pop(name, None)
            self._forgotten[name] = self.version

    def load(self, version: int, objects: Iterator[tuple[str, Obj]]) -> None:
        """Takes over a stored state; nobody is told."""
        self._items.clear()
        self._owned.clear()
        self.version = version
        for plural, obj in sorted(objects, key=lambda found: found[0] != "customresourcedefinitions"):
            if plural == "customresourcedefinitions":
                self.kinds.add(kind_of_crd(obj))
            meta = obj["metadata"]
            self._items.setdefault(plural, {})[meta.get("namespace", ""), meta["name"]] = obj
            self._index(plural, None, obj)
        self.forget()

    def everything(self) -> Iterator[tuple[str, Obj]]:
        for plural, items in self._items.items():
            for obj in items.values():
                yield plural, obj

    # How

    def _check_namespace(self, kind: Kind, namespace: str) -> None:
        if not kind.namespaced or kind.plural == "namespaces":
            return
        found = self._items.get("namespaces", {}).get(("", namespace))
        if found is None:
            raise not_found("namespaces", "", namespace)
        if found["metadata"].get("deletionTimestamp"):
            raise forbidden(f"unable to create new content in namespace {namespace} because it is being terminated")

    @staticmethod
    def _check_preconditions(kind: Kind, old: Obj, uid: object, version: object) -> None:
        meta = old["metadata"]
        if uid and uid != meta["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {meta['uid']}"
            raise conflict(kind.plural, kind.group, meta["name"], why)
        if version and version != meta["resourceVersion"]:
            why = "the object has been modified; please apply your changes to the latest version and try again"
            raise conflict(kind.plural, kind.group, meta["name"], why)

    def _prepared(self, kind: Kind, new: Obj, old: Obj | None) -> Obj:
        if kind.custom and kind.schema:
            new = pruned(new, kind.schema)
        new = defaulted(kind, new)
        validate(kind, new, old)
        return {key: value for key, value in new.items() if value is not None}

    def _admitted(self, plural: str, new: Obj) -> Obj:
        for admit in self.admission:
            try:
                new = admit(plural, new)
            except ApiError:
                raise
            except Exception as error:
                raise forbidden(f'{plural} "{new["metadata"]["name"]}" is forbidden: {error}') from error
        return new

    @staticmethod
    def _merged(kind: Kind, old: Obj, obj: Obj) -> Obj:
        meta = {k: v for k, v in (obj.get("metadata") or {}).items() if v not in (None, {}, [])}
        kept = {k: old["metadata"][k] for k in ("namespace", *_SERVER_SET) if k in old["metadata"]}
        for key in _SERVER_SET:
            meta.pop(key, None)
        new = {"apiVersion": kind.api_version, "kind": kind.kind, **obj, "metadata": {**meta, **kept}}
        if kind.status:
            new.pop("status", None)
            if "status" in old:
                new["status"] = old["status"]
        return new

    @staticmethod
    def _status_of(old: Obj, obj: Obj) -> Obj:
        """A status update changes the status, and of the metadata only what the kubelet may (nothing here)."""
        return {**old, "metadata": dict(old["metadata"]), "status": obj.get("status") or {}}

    def _grace(self, kind: Kind, obj: Obj, grace_s: float | None) -> float:
        if kind.plural != "pods":
            return 0
        phase = (obj.get("status") or {}).get("phase")
        if not obj["spec"].get("nodeName") or phase in ("Failed", "Succeeded"):
            return 0
        default = obj["spec"].get("terminationGracePeriodSeconds", 30)
        return default if grace_s is None else max(0, grace_s)

    def _mark_deleted(self, kind: Kind, old: Obj, grace: float, finalizers: Sequence[str] = ()) -> Obj:
        meta = dict(old["metadata"])
        moment = datetime.fromtimestamp(self.clock.time() + grace, UTC)
        meta["deletionTimestamp"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        meta["deletionGracePeriodSeconds"] = int(grace)
        if kind.generation:
            meta["generation"] = meta.get("generation", 0) + 1
        if finalizers:
            meta["finalizers"] = [*(meta.get("finalizers") or ()), *finalizers]
        return self._store(kind, "MODIFIED", {**old, "metadata": meta}, old)

    def _delete_foreground(self, kind: Kind, old: Obj) -> Obj:
        if not old["metadata"].get("deletionTimestamp"):
            old = self._mark_deleted(kind, old, 0, (_FOREGROUND,))
        for plural, namespace, name in list(self._owned.get(old["metadata"]["uid"], ())):
            self.delete(plural, namespace, name, propagation="Foreground")
        found = self._items[kind.plural].get((old["metadata"].get("namespace", ""), old["metadata"]["name"]))
        return found or old

    def _orphan(self, uid: str) -> None:
        for plural, namespace, name in list(self._owned.get(uid, ())):
            obj = self.get(plural, namespace, name)
            owners = [o for o in obj["metadata"].get("ownerReferences") or () if o.get("uid") != uid]
            self.update(plural, {**obj, "metadata": {**obj["metadata"], "ownerReferences": owners}})

    def _store(self, kind: Kind, event: str, new: Obj, old: Obj | None) -> Obj:
        self.version += 1
        new["metadata"] = {**new["metadata"], "resourceVersion": str(self.version)}
        meta = new["metadata"]
        self._items.setdefault(kind.plural, {})[meta.get("namespace", ""), meta["name"]] = new
        self._index(kind.plural, old, new)
        if kind.plural == "customresourcedefinitions":
            new = self._establish(new)
        self.journal(kind.plural, new, False)
        self._tell(kind, event, new, old)
        return new

    def _establish(self, crd: Obj) -> Obj:
        self.kinds.add(kind_of_crd(crd))
        now = self._now()
        conditions = [
            {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found", "lastTransitionTime": now},
            {"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": "the initial names have been accepted", "lastTransitionTime": now},
        ]  # fmt: skip
        crd["status"] = {
            "conditions": conditions,
            "acceptedNames": crd["spec"]["names"],
            "storedVersions": [crd["spec"]["versions"][0]["name"]],
        }
        return crd

    def _remove(self, kind: Kind, obj: Obj) -> Obj:
        self.version += 1
        meta = {**obj["metadata"], "resourceVersion": str(self.version)}
        gone = {**obj, "metadata": meta}
        before = self._items[kind.plural].pop((meta.get("namespace", ""), meta["name"]), None)
        self._index(kind.plural, before, None)
        self.journal(kind.plural, gone, True)
        if kind.plural == "customresourcedefinitions":
            self._drop_kind(gone)
        self._tell(kind, "DELETED", gone, before)
        self._collect(meta["uid"])
        for owner in meta.get("ownerReferences") or ():
            self._release_foreground(owner)
        if kind.plural == "namespaces":
            self._empty_namespace(meta["name"])
        return gone

    def _drop_kind(self, crd: Obj) -> None:
        plural = crd["spec"]["names"]["plural"]
        for namespace, name in list(self._items.get(plural, {})):
            self.delete(plural, namespace, name)
        self.kinds.remove(plural)

    def _empty_namespace(self, namespace: str) -> None:
        for plural, items in list(self._items.items()):
            for found, name in list(items):
                if found == namespace:
                    self.delete(plural, namespace, name, grace_s=0)

    def _collect(self, uid: str) -> None:
        """Background deletion: what the object owned goes too, unless somebody else owns it as well."""
        for plural, namespace, name in list(self._owned.pop(uid, ())):
            obj = self._items.get(plural, {}).get((namespace, name))
            if obj is None:
                continue
            others = [o for o in obj["metadata"].get("ownerReferences") or () if o.get("uid") != uid]
            if not any(self._owner_exists(o) for o in others):
                self.delete(plural, namespace, name)

    def _owner_exists(self, owner: Obj) -> bool:
        return any(obj["metadata"]["uid"] == owner.get("uid") for _, obj in self.everything())

    def _release_foreground(self, owner: Obj) -> None:
        """An owner that waits for its dependants goes with the last of them."""
        if self._owned.get(owner.get("uid", "")):
            return
        for plural, obj in list(self.everything()):
            meta = obj["metadata"]
            if meta["uid"] == owner.get("uid") and _FOREGROUND in (meta.get("finalizers") or ()):
                left = [f for f in meta["finalizers"] if f != _FOREGROUND]
                changed = {**obj, "metadata": {**meta, "finalizers": left}}
                if left:
                    self._store(self.kind(plural), "MODIFIED", changed, obj)
                else:
                    self._remove(self.kind(plural), changed)

    def _index(self, plural: str, old: Obj | None, new: Obj | None) -> None:
        for obj, add in ((old, False), (new, True)):
            if obj is None:
                continue
            meta = obj["metadata"]
            key = (plural, meta.get("namespace", ""), meta["name"])
            for owner in meta.get("ownerReferences") or ():
                owned = self._owned.setdefault(owner.get("uid", ""), set())
                owned.add(key) if add else owned.discard(key)

    def _tell(self, kind: Kind, event: str, after: Obj, before: Obj | None) -> None:
        entries = self._log.setdefault(kind.plural, deque())
        entries.append(Entry(self.version, event, after, before))
        if len(entries) > _REMEMBERED:
            self._forgotten[kind.plural] = entries.popleft().version
        for listener in tuple(self._listeners.get(kind.plural, ())):
            try:
                listener(event, None if event == "DELETED" else after, before)
            except Exception:
                log.exception("a listener of %s failed", kind.plural)

    def _now(self) -> str:
        return f"{datetime.fromtimestamp(self.clock.time(), UTC):%Y-%m-%dT%H:%M:%SZ}"


def _without_version(obj: Obj) -> Obj:
    return {
        **obj,
        "metadata": {k: v for k, v in obj["metadata"].items() if k not in ("resourceVersion", "managedFields")},
    }


def _intent(kind: Kind, obj: Obj) -> Obj:
    intent = {k: v for k, v in obj.items() if k not in ("metadata", "status")}
    return {**intent, "annotations": obj["metadata"].get("annotations")} if kind.plural == "deployments" else intent


def _removable(kind: Kind, obj: Obj) -> bool:
    """A pod that is being stopped goes when its kubelet says so, anything else when nothing keeps it."""
    return kind.plural != "pods" or not obj["spec"].get("nodeName")
