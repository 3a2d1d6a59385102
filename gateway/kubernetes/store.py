"""Objects of one resource as last seen, with the indexes that readers need. One task writes, everybody reads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

__all__ = ["Index", "Store"]

T = TypeVar("T")
Index = Callable[[Any], str]


class Store(Generic[T]):
    """Keyed by name (the gateway watches one namespace). `synced` is True after the first complete list.

    `put` and `remove` answer the object that was there before.
    """

    def __init__(self, indexes: Mapping[str, Index] | None = None) -> None:
        self._objects: dict[str, T] = {}
        self._indexes = dict(indexes or {})
        self._by: dict[str, dict[str, dict[str, T]]] = {name: {} for name in self._indexes}
        self.resource_version = ""
        self.synced = False

    def get(self, name: str) -> T | None:
        return self._objects.get(name)

    def values(self) -> Sequence[T]:
        return tuple(self._objects.values())

    def names(self) -> Iterable[str]:
        return tuple(self._objects)

    def by(self, index: str, value: str) -> Sequence[T]:
        return tuple(self._by[index].get(value, {}).values())

    def __len__(self) -> int:
        return len(self._objects)

    def put(self, name: str, item: T) -> T | None:
        before = self._objects.get(name)
        if before is not None:
            self._unindex(name, before)
        self._objects[name] = item
        for index, key in self._indexes.items():
            self._by[index].setdefault(key(item), {})[name] = item
        return before

    def remove(self, name: str) -> T | None:
        before = self._objects.pop(name, None)
        if before is not None:
            self._unindex(name, before)
        return before

    def _unindex(self, name: str, item: T) -> None:
        for index, key in self._indexes.items():
            bucket = self._by[index].get(key(item))
            if bucket is not None:
                bucket.pop(name, None)
                if not bucket:
                    del self._by[index][key(item)]
