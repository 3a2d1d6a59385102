"""Who owns whom: objects by uid, and dependents by the uid of their owners."""

from collections.abc import Iterator
from typing import Any

__all__ = ["Owners"]

Obj = dict[str, Any]
Place = tuple[str, str, str]
"""Plural, namespace, name."""


class Owners:
    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._dependents: dict[str, set[Place]] = {}

    def replace(self, plural: str, old: Obj | None, new: Obj | None) -> None:
        for obj, is_new in ((old, False), (new, True)):
            if obj is None:
                continue
            meta = obj["metadata"]
            place = (plural, meta.get("namespace", ""), meta["name"])
            if is_new:
                self._places[meta["uid"]] = place
            elif new is None:
                self._places.pop(meta["uid"], None)
            for owner in meta.get("ownerReferences") or ():
                found = self._dependents.setdefault(owner.get("uid", ""), set())
                found.add(place) if is_new else found.discard(place)

    def place(self, uid: str) -> Place | None:
        return self._places.get(uid)

    def dependents(self, uid: str) -> list[Place]:
        return sorted(self._dependents.get(uid, ()))

    def has_living(self, references: list[Obj]) -> bool:
        return any(reference.get("uid") in self._places for reference in references)

    def forget(self, uid: str) -> list[Place]:
        """The dependents of an owner that is gone."""
        return sorted(self._dependents.pop(uid, ()))

    def clear(self) -> None:
        self._places.clear()
        self._dependents.clear()

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())
