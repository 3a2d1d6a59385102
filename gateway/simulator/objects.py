"""All objects of the embedded cluster, in memory: the truth that the API serves and the controllers act on.

Objects are plain dicts that nobody mutates: whoever changes one makes a new dict and calls `update`. One counter gives every
write its resourceVersion; a write that changes nothing keeps the version and tells nobody. Listeners are called
synchronously, after the write, with (type, after, before). Deletion honours grace periods, finalizers and owners.
"""

import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.clock import Clock
from gateway.simulator.defaults import admitted, defaulted
from gateway.simulator.deletion import Deletion
from gateway.simulator.errors import ApiError, already_exists, conflict, forbidden, not_found, unknown_resource
from gateway.simulator.history import Entry, History
from gateway.simulator.kinds import Kind, Kinds, kind_of_crd
from gateway.simulator.owners import Owners
from gateway.simulator.schemas import canonical, decoded
from gateway.simulator.validation import validate

__all__ = ["Admission", "ApiError", "Entry", "Listener", "Objects"]

Obj = dict[str, Any]
Listener = Callable[[str, Obj | None, Obj | None], None]
Admission = Callable[[str, Obj], Obj]
Check = Callable[[str, Obj], None]
Reviewer = Callable[[str, Obj], Awaitable[Obj]]
Managed = Callable[[Obj, Obj | None], Obj]
Objs = list[Obj]

_GENERATED_BASE = 58  # a generated name is cut to 63 characters, five of them random
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_REVISION = "deployment.kubernetes.io/revision"
_SERVER_SET = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)

_UNDYING = ("default", "kube-system", "kube-public")

log = logging.getLogger(__name__)


class Objects:
    """`admission` steps may change an object on its creation, `checks` refuse it when it is found valid,
    `reviewer` is whom controllers ask first. `journal` is told each stored or removed object."""

    def __init__(self, clock: Clock, *, namespaces: Sequence[str] = ("default", "kube-system", "marathon")) -> None:
        self.clock = clock
        self.kinds = Kinds()
        self.admission: list[Admission] = []
        self.checks: list[Check] = []
        self.reviewer: Reviewer | None = None
        self.journal: Callable[[str, Obj, bool], None] = lambda plural, obj, removed: None
        self.version = 0
        self.history = History()
        self.owners = Owners()
        self._deletion = Deletion(self)
        self._items: dict[str, dict[tuple[str, str], Obj]] = {}
        self._sorted: dict[str, list[tuple[str, str]]] = {}
        self._listeners: dict[str, list[Listener]] = {}
        for namespace in namespaces:
            self.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})

    # Reading

    def kind(self, plural: str) -> Kind:
        """Raises ApiError (404)."""
        found = self.kinds.get(plural)
        if found is None:
            raise unknown_resource()
        return found

    def get(self, plural: str, namespace: str, name: str) -> Obj:
        """The stored dict itself, not to be mutated. Raises ApiError (404)."""
        kind = self.kind(plural)
        found = self.find(plural, namespace if kind.namespaced else "", name)
        if found is None:
            raise not_found(plural, kind.group, name)
        return found

    def find(self, plural: str, namespace: str, name: str) -> Obj | None:
        return self._items.get(plural, {}).get((namespace, name))

    def list(
        self,
        plural: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Callable[[Obj], bool] | None = None,
    ) -> Objs:
        """In the order of namespace and name."""
        items = self._items.get(plural, {})
        keys = self._sorted.get(plural)
        if keys is None:
            keys = self._sorted[plural] = sorted(items)
        return [
            obj
            for key in keys
            if (not namespace or key[0] == namespace)
            and ((obj := items[key]) is not None)
            and (not labels or all((obj["metadata"].get("labels") or {}).get(k) == v for k, v in labels.items()))
            and (fields is None or fields(obj))
        ]

    def past(self, plural: str, version: int, namespace: str | None = None) -> Objs | None:
        """The list as it was at that version; None if that is no longer known."""
        found = self.history.past(plural, version, self._items.get(plural, {}), self.clock.monotonic())
        if found is None:
            return None
        return [obj for key, obj in sorted(found.items()) if not namespace or key[0] == namespace]

    def subscribe(self, plural: str, listener: Listener) -> Callable[[], None]:
        listeners = self._listeners.setdefault(plural, [])
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    # Writing

    def create(self, plural: str, obj: Obj, *, dry_run: bool = False, managed: Managed | None = None) -> Obj:
        """Raises ApiError: 404 (namespace), 409 AlreadyExists, 422. `managed` adds the field managers at the end."""
        kind = self.kind(plural)
        meta = dict(obj.get("metadata") or {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"][:_GENERATED_BASE] + "".join(secrets.choice(_LETTERS) for _ in range(5))
        namespace = str(meta.get("namespace") or "default") if kind.namespaced else ""
        self._check_namespace(kind, namespace, str(meta.get("name") or ""))
        for key in (*_SERVER_SET, "namespace"):
            meta.pop(key, None)
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": self.now()}
        if kind.namespaced:
            meta["namespace"] = namespace
        if kind.generation:
            meta["generation"] = 1
        new = {"apiVersion": kind.api_version, "kind": kind.kind, **obj, "metadata": meta}
        if kind.custom and kind.status:
            new.pop("status", None)
        new = self._prepared(kind, new, None)
        self._check_absent(kind, namespace, str(meta.get("name") or ""))
        new = admitted(kind, managed(new, None) if managed else new)
        if dry_run:
            return new
        new = self.store(kind, "ADDED", new, None)
        self._deletion.adopted(kind, new)
        return new

    def update(
        self,
        plural: str,
        obj: Obj,
        *,
        subresource: str = "",
        dry_run: bool = False,
        managed: Managed | None = None,
    ) -> Obj:
        """Replaces an object, or its status. `metadata.resourceVersion` and `uid` are preconditions if given.

        Raises ApiError: 404, 409 Conflict, 422.
        """
        kind = self.kind(plural)
        given = obj.get("metadata") or {}
        old = self.get(plural, str(given.get("namespace") or "default"), str(given.get("name") or ""))
        self._check_unchanged(kind, old, given.get("uid"), given.get("resourceVersion"))
        new = _with_status(kind, old, obj) if subresource == "status" else _merged(kind, old, obj)
        new = self._prepared(kind, new, old, subresource)
        new = managed(new, old) if managed else new
        if _without_version(new) == _without_version(old):
            return old
        if kind.generation and subresource != "status" and _intent(kind, new) != _intent(kind, old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if dry_run:
            return new
        if self._deletion.removable(kind, new):
            return self.remove(kind, new)
        return self.store(kind, "MODIFIED", new, old)

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
        if kind.plural == "namespaces" and name in _UNDYING:
            raise forbidden(kind.plural, kind.group, name, "this namespace may not be deleted")
        self.check_preconditions(kind, old, uid, resource_version)
        return self._deletion.delete(kind, old, propagation=propagation, grace_s=grace_s)

    @staticmethod
    def check_preconditions(kind: Kind, old: Obj, uid: str | None, version: str | None) -> None:
        """Raises ApiError (409) in the words of a deletion."""
        meta = old["metadata"]
        pairs = (
            ("UID", uid, meta["uid"], "The object might have been deleted and then recreated"),
            ("ResourceVersion", version, meta["resourceVersion"], "The object might have been modified"),
        )
        for what, wanted, found, why in pairs:
            if wanted and wanted != found:
                text = f"the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). {why}"
                raise conflict(kind.kind, kind.group, meta["name"], text)

    def shown_deleted(self, kind: Kind, old: Obj, grace_s: float | None) -> Obj | None:
        """What a deletion that is only tried would leave to see; None if the object would be gone without a trace."""
        if kind.plural != "pods" and not old["metadata"].get("finalizers"):
            return None
        grace = int(grace_s or 0) if old.get("spec", {}).get("nodeName") else 0
        meta = {**old["metadata"], "deletionTimestamp": self.now(), "deletionGracePeriodSeconds": grace}
        if kind.generation and not old["metadata"].get("deletionTimestamp"):
            meta["generation"] = meta.get("generation", 0) + 1
        return {**old, "metadata": meta}

    # The whole

    def restart(self) -> None:
        """Drops what watches could resume from, as a restart of an API server does; lists of the past stay."""
        self.history.restart(self.version)

    def forget(self) -> None:
        """Drops what watches and lists of the past need."""
        self.history.forget(self.version)

    def compact(self) -> None:
        """Drops what lists and pages of the past need, as a compaction of etcd does."""
        self.history.compact(self.version)

    def restart_versions(self) -> None:
        """Counts from 1 again, as after a restored backup: every object has a new, low version, and nothing is remembered."""
        self.version = 0
        for plural, items in self._items.items():
            for key, obj in items.items():
                self.version += 1
                items[key] = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
                self.journal(plural, items[key], False)
        self.forget()

    def load(self, version: int, objects: Iterator[tuple[str, Obj]]) -> None:
        """Takes over a stored state; nobody is told."""
        self._items.clear()
        self._sorted.clear()
        self.owners.clear()
        self.version = version
        for plural, obj in sorted(objects, key=lambda found: found[0] != "customresourcedefinitions"):
            if plural == "customresourcedefinitions":
                self.kinds.add(kind_of_crd(obj))
            meta = obj["metadata"]
            self._items.setdefault(plural, {})[meta.get("namespace", ""), meta["name"]] = obj
            self.owners.replace(plural, None, obj)
        self.forget()

    def everything(self) -> Iterator[tuple[str, Obj]]:
        for plural, items in self._items.items():
            for obj in items.values():
                yield plural, obj

    def now(self) -> str:
        return f"{datetime.fromtimestamp(self.clock.time(), UTC):%Y-%m-%dT%H:%M:%SZ}"

    # For the deletion

    def store(self, kind: Kind, event: str, new: Obj, old: Obj | None) -> Obj:
        self.version += 1
        new["metadata"] = {**new["metadata"], "resourceVersion": str(self.version)}
        meta = new["metadata"]
        if kind.plural == "customresourcedefinitions":
            new = self._established(new, old)
        self._items.setdefault(kind.plural, {})[meta.get("namespace", ""), meta["name"]] = new
        if old is None:
            self._sorted.pop(kind.plural, None)
        self.owners.replace(kind.plural, old, new)
        self.journal(kind.plural, new, False)
        self._tell(kind, event, new, old)
        return new

    def remove(self, kind: Kind, obj: Obj) -> Obj:
        self.version += 1
        meta = {**obj["metadata"], "resourceVersion": str(self.version)}
        gone = {**obj, "metadata": meta}
        before = self._items[kind.plural].pop((meta.get("namespace", ""), meta["name"]))
        self._sorted.pop(kind.plural, None)
        self.owners.replace(kind.plural, before, None)
        self.journal(kind.plural, gone, True)
        if kind.plural == "customresourcedefinitions":
            self._drop_kind(gone)
        self._tell(kind, "DELETED", gone, before)
        self._deletion.removed(kind, gone)
        return gone

    # How

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        if not kind.namespaced:
            return
        found = self.find("namespaces", "", namespace)
        if found is None:
            raise not_found("namespaces", "", namespace)
        if found["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            error = forbidden(kind.plural, kind.group, name, why)
            text = f"namespace {namespace} is being terminated"
            cause = {"reason": "NamespaceTerminating", "message": text, "field": "metadata.namespace"}
            raise ApiError(error.status, error.reason, error.message, {**(error.details or {}), "causes": [cause]})

    def _check_absent(self, kind: Kind, namespace: str, name: str) -> None:
        found = self.find(kind.plural, namespace, name)
        if found is not None:
            leaving = bool(found["metadata"].get("deletionTimestamp"))
            raise already_exists(kind.plural, kind.group, name, leaving=leaving)

    @staticmethod
    def _check_unchanged(kind: Kind, old: Obj, uid: object, version: object) -> None:
        meta = old["metadata"]
        if uid and uid != meta["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {meta['uid']}"
            raise conflict(kind.plural, kind.group, meta["name"], why)
        if version and not str(version).isdecimal():
            raise ApiError(500, "", f'strconv.ParseUint: parsing "{version}": invalid syntax')
        if version and version != meta["resourceVersion"]:
            why = "the object has been modified; please apply your changes to the latest version and try again"
            raise conflict(kind.plural, kind.group, meta["name"], why)

    def _prepared(self, kind: Kind, new: Obj, old: Obj | None, subresource: str = "") -> Obj:
        """With defaults, admitted and found to be valid. What the admission adds to a pod is beyond its validation."""
        if kind.custom:
            read, _ = decoded(new, kind.schema, kind=kind.kind, version=kind.version, typed=False)
            new = canonical(read)
        new = defaulted(kind, new)
        if old is None:
            new = self._admitted(kind, new)
        validate(kind, new, old, subresource)
        for check in self.checks if old is None else ():
            check(kind.plural, new)
        return {key: value for key, value in new.items() if value is not None}

    def _admitted(self, kind: Kind, new: Obj) -> Obj:
        for admit in self.admission:
            try:
                new = admit(kind.plural, new)
            except ApiError:
                raise
            except Exception as error:
                name = new["metadata"].get("name", "")
                raise forbidden(kind.plural, kind.group, name, str(error)) from error
        return new

    def _established(self, crd: Obj, old: Obj | None) -> Obj:
        known = self.kinds.get(crd["spec"]["names"]["plural"])
        if old is None and known is not None and not known.custom:
            raise conflict("customresourcedefinitions", "", crd["metadata"]["name"], f"{known.plural} is built in")
        kind = kind_of_crd(crd)
        self.kinds.add(kind)
        if old is None:
            self.history.begin(kind.plural, self.version)
        texts = (("NamesAccepted", "NoConflicts", "no conflicts found"), ("Established", "InitialNamesAccepted", "the initial names have been accepted"))  # fmt: skip
        conditions = [
            {"type": type_, "status": "True", "reason": reason, "message": text, "lastTransitionTime": crd["metadata"]["creationTimestamp"]}
            for type_, reason, text in texts
        ]  # fmt: skip
        names = {"singular": kind.singular, "listKind": f"{kind.kind}List", **crd["spec"]["names"]}
        status = {"conditions": conditions, "acceptedNames": names, "storedVersions": [kind.version]}
        return {**crd, "spec": {**crd["spec"], "names": names}, "status": status}

    def _drop_kind(self, crd: Obj) -> None:
        plural = crd["spec"]["names"]["plural"]
        for namespace, name in list(self._items.get(plural, {})):
            self.delete(plural, namespace, name)
        self.kinds.remove(plural)

    def _tell(self, kind: Kind, event: str, after: Obj, before: Obj | None) -> None:
        self.history.add(kind.plural, Entry(self.version, event, after, before), self.clock.monotonic())
        for listener in tuple(self._listeners.get(kind.plural, ())):
            try:
                listener(event, None if event == "DELETED" else after, before)
            except Exception:
                log.exception("a listener of %s failed", kind.plural)


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


def _with_status(kind: Kind, old: Obj, obj: Obj) -> Obj:
    """A status update changes the status; of built-in kinds also the annotations, where the Deployment's revision stands."""
    meta = dict(old["metadata"])
    annotations = (obj.get("metadata") or {}).get("annotations")
    if not kind.custom and annotations is not None:
        meta["annotations"] = annotations
    return {**old, "metadata": meta, "status": obj.get("status") or {}}


def _without_version(obj: Obj) -> Obj:
    meta = {k: v for k, v in obj["metadata"].items() if k not in ("resourceVersion", "managedFields")}
    return {**obj, "metadata": meta, "managed": _claims(obj)}


def _claims(obj: Obj) -> Objs:
    """Who manages what, without when."""
    return [{k: v for k, v in e.items() if k != "time"} for e in obj["metadata"].get("managedFields") or ()]


def _intent(kind: Kind, obj: Obj) -> Obj:
    intent = {k: v for k, v in obj.items() if k not in ("metadata", "status")}
    if kind.plural == "pods":  # being bound is no change of what it wants
        return {**intent, "spec": {k: v for k, v in obj["spec"].items() if k != "nodeName"}}
    if kind.plural != "deployments":
        return intent
    annotations = obj["metadata"].get("annotations") or {}
    return {**intent, "annotations": {k: v for k, v in annotations.items() if k != _REVISION}}
