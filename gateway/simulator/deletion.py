"""How objects go: grace periods, finalizers, dependents, namespaces.

Background: the owner goes and its dependents after it. Foreground: the owner stays with a finalizer until no dependent that blocks
it is left. Orphan: the dependents lose the reference. A namespace stays, terminating, until it is empty.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway.simulator.kinds import Kind

if TYPE_CHECKING:
    from gateway.simulator.objects import Objects

__all__ = ["Deletion"]

Obj = dict[str, Any]

_FOREGROUND = "foregroundDeletion"
_GRACEFUL = ("pods",)


class Deletion:
    """The part of `Objects` that deletes; it stores through it."""

    def __init__(self, objects: "Objects") -> None:
        self._objects = objects

    def delete(self, kind: Kind, old: Obj, *, propagation: str, grace_s: float | None) -> Obj:
        if propagation == "Orphan":
            self._orphan(old["metadata"]["uid"])
        elif propagation == "Foreground" and (
            kind.plural not in _GRACEFUL or self._objects.owners.dependents(old["metadata"]["uid"])
        ):
            return self._foreground(kind, old)
        if kind.plural == "namespaces":
            return self._terminate(kind, old)
        grace = _grace(kind, old, grace_s)
        if not old["metadata"].get("finalizers") and grace == 0:
            return self._objects.remove(kind, self._marked(kind, old, 0) if kind.plural in _GRACEFUL else old)
        already = old["metadata"].get("deletionGracePeriodSeconds")
        if old["metadata"].get("deletionTimestamp") and (already is None or grace >= already):
            return old
        return self._mark(kind, old, grace)

    def removable(self, kind: Kind, obj: Obj) -> bool:
        """A marked object that nothing keeps any longer. A pod that is being stopped goes when its kubelet says so."""
        meta = obj["metadata"]
        if not meta.get("deletionTimestamp") or meta.get("finalizers") or kind.plural == "namespaces":
            return False
        return kind.plural != "pods" or not obj["spec"].get("nodeName")

    def removed(self, kind: Kind, gone: Obj) -> None:
        """What follows from an object that is no more."""
        meta = gone["metadata"]
        for plural, namespace, name in self._objects.owners.forget(meta["uid"]):
            self._lost_owner(plural, namespace, name)
        for owner in meta.get("ownerReferences") or ():
            self._release(owner.get("uid", ""))
        if kind.namespaced:
            self._finish_namespace(meta["namespace"])

    def adopted(self, kind: Kind, obj: Obj) -> None:
        """An object whose owners are all gone goes too, even if it has only just come."""
        references = obj["metadata"].get("ownerReferences") or []
        if references and not self._objects.owners.has_living(references):
            self._objects.delete(kind.plural, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])

    def _mark(self, kind: Kind, old: Obj, grace: float, finalizers: Sequence[str] = ()) -> Obj:
        return self._objects.store(kind, "MODIFIED", self._marked(kind, old, grace, finalizers), old)

    def _marked(self, kind: Kind, old: Obj, grace: float, finalizers: Sequence[str] = ()) -> Obj:
        meta = dict(old["metadata"])
        moment = datetime.fromtimestamp(self._objects.clock.time() + grace, UTC)
        meta["deletionTimestamp"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        meta["deletionGracePeriodSeconds"] = int(grace)
        if kind.generation:
            meta["generation"] = meta.get("generation", 0) + 1
        if finalizers:
            meta["finalizers"] = [*(meta.get("finalizers") or ()), *finalizers]
        return {**old, "metadata": meta}

    def _foreground(self, kind: Kind, old: Obj) -> Obj:
        uid = old["metadata"]["uid"]
        if not old["metadata"].get("deletionTimestamp"):
            old = self._mark(kind, old, 0, (_FOREGROUND,))
        for plural, namespace, name in self._objects.owners.dependents(uid):
            found = self._objects.find(plural, namespace, name)
            if found is not None and not found["metadata"].get("deletionTimestamp"):
                deeper = self._objects.owners.dependents(found["metadata"]["uid"])
                self._objects.delete(plural, namespace, name, propagation="Foreground" if deeper else "Background")
        self._release(uid)
        return self._objects.find(kind.plural, old["metadata"].get("namespace", ""), old["metadata"]["name"]) or old

    def _release(self, uid: str) -> None:
        """An owner that waits for its dependents goes with the last that blocks it."""
        place = self._objects.owners.place(uid)
        owner = self._objects.find(*place) if place else None
        if owner is None or _FOREGROUND not in (owner["metadata"].get("finalizers") or ()):
            return
        for dependent in self._objects.owners.dependents(uid):
            found = self._objects.find(*dependent)
            if found and any(
                r.get("uid") == uid and r.get("blockOwnerDeletion") for r in found["metadata"]["ownerReferences"]
            ):
                return
        left = [f for f in owner["metadata"]["finalizers"] if f != _FOREGROUND]
        meta = {k: v for k, v in owner["metadata"].items() if k != "finalizers"}
        changed = {**owner, "metadata": {**meta, "finalizers": left} if left else meta}
        kind = self._objects.kind(place[0] if place else "")
        if left:
            self._objects.store(kind, "MODIFIED", changed, owner)
        else:
            self._objects.remove(kind, changed)

    def _lost_owner(self, plural: str, namespace: str, name: str) -> None:
        """It goes with its last owner; until then it only loses the references to those that are gone."""
        obj = self._objects.find(plural, namespace, name)
        if obj is None:
            return
        living = [o for o in obj["metadata"].get("ownerReferences") or () if self._objects.owners.has_living([o])]
        if not living:
            self._objects.delete(plural, namespace, name)
            return
        meta = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
        self._objects.update(plural, {**obj, "metadata": {**meta, "ownerReferences": living}})

    def _orphan(self, uid: str) -> None:
        for plural, namespace, name in self._objects.owners.dependents(uid):
            obj = self._objects.get(plural, namespace, name)
            left = [o for o in obj["metadata"].get("ownerReferences") or () if o.get("uid") != uid]
            meta = {k: v for k, v in obj["metadata"].items() if k not in ("ownerReferences", "resourceVersion")}
            self._objects.update(plural, {**obj, "metadata": {**meta, **({"ownerReferences": left} if left else {})}})

    def _terminate(self, kind: Kind, old: Obj) -> Obj:
        name = old["metadata"]["name"]
        if not old["metadata"].get("deletionTimestamp"):
            terminating = {**old, "status": {**(old.get("status") or {}), "phase": "Terminating"}}
            meta = {**old["metadata"], "deletionTimestamp": self._objects.now()}
            old = self._objects.store(kind, "MODIFIED", {**terminating, "metadata": meta}, old)
            for plural, namespace, inside in list(self._objects.owners):
                if namespace == name and self._objects.find(plural, namespace, inside):
                    self._objects.delete(plural, namespace, inside)
        self._finish_namespace(name)
        return old

    def _finish_namespace(self, name: str) -> None:
        found = self._objects.find("namespaces", "", name)
        if found is None or not found["metadata"].get("deletionTimestamp") or found["metadata"].get("finalizers"):
            return
        if not any(namespace == name for _, namespace, _ in self._objects.owners):
            self._objects.remove(self._objects.kind("namespaces"), found)


def _grace(kind: Kind, obj: Obj, grace_s: float | None) -> float:
    if kind.plural != "pods":
        return 0
    phase = (obj.get("status") or {}).get("phase")
    if not obj["spec"].get("nodeName") or phase in ("Failed", "Succeeded"):
        return 0
    default = float(obj["spec"].get("terminationGracePeriodSeconds", 30))
    if grace_s is None:
        return default
    return grace_s if grace_s >= 0 else 1.0  # there is no less than at once, so a negative time is a mistake
