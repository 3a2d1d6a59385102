"""Who controls whom: controller references, and the claim of what a selector matches.

`claim` is Kubernetes' rule for ReplicaSets and pods alike: keep what is owned and matches, adopt matching orphans,
release what no longer matches, and never touch what somebody else controls.
"""

from typing import Any

from gateway.simulator.objects import ApiError, Objects
from gateway.simulator.scheduling.labels import selects

__all__ = ["claim", "controller_of", "reference"]


def controller_of(obj: dict[str, Any]) -> dict[str, Any] | None:
    """The owner reference marked as controller, if any."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return dict(owner)
    return None


def reference(owner: dict[str, Any]) -> dict[str, Any]:
    """A controller reference to `owner`."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def claim(objects: Objects, kind: str, owner: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of `kind` that belong to `owner`, adopting and releasing on the way."""
    meta = owner["metadata"]
    deleting = bool(meta.get("deletionTimestamp"))
    claimed = []
    for obj in objects.list(kind, meta["namespace"]):
        held = controller_of(obj)
        if held and held["uid"] != meta["uid"]:
            continue
        matches = selects(owner["spec"]["selector"], obj["metadata"].get("labels"))
        if held and matches:
            claimed.append(obj)
        elif held and not deleting:
            _release(objects, kind, obj, meta["uid"])
        elif not held and matches and not deleting and not obj["metadata"].get("deletionTimestamp"):
            adopted = _adopt(objects, kind, obj, owner)
            claimed += [adopted] if adopted else []
    return claimed


def _adopt(objects: Objects, kind: str, obj: dict[str, Any], owner: dict[str, Any]) -> dict[str, Any] | None:
    owners = [*(obj["metadata"].get("ownerReferences") or ()), reference(owner)]
    try:
        return objects.update(kind, {**obj, "metadata": {**obj["metadata"], "ownerReferences": owners}})
    except ApiError:
        return None


def _release(objects: Objects, kind: str, obj: dict[str, Any], uid: str) -> None:
    owners = [o for o in obj["metadata"].get("ownerReferences") or () if o["uid"] != uid]
    objects.update(kind, {**obj, "metadata": {**obj["metadata"], "ownerReferences": owners}})
