"""What happened, in the order of versions: watches resume from it, lists show the past with it.

Each kind remembers a bounded number of changes. Lists forget sooner than watches: a compaction ends them after some minutes,
as etcd's does, while a watch may resume as long as its change is remembered.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Entry", "History"]

Obj = dict[str, Any]
Key = tuple[str, str]

_REMEMBERED = 4096
_COMPACTED_AFTER_S = 300.0
_MARK_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: what a watch tells. `after` of a DELETED is the last state, under the version of the deletion."""

    version: int
    type: str
    after: Obj
    before: Obj | None


class History:
    def __init__(self) -> None:
        self._entries: dict[str, deque[Entry]] = {}
        self._forgotten: dict[str, int] = {}
        self._floor = 0
        self._resumable = 0
        self._compacted = 0
        self._marks: deque[tuple[float, int]] = deque()

    def add(self, plural: str, entry: Entry, now: float) -> None:
        entries = self._entries.setdefault(plural, deque())
        entries.append(entry)
        if len(entries) > _REMEMBERED:
            self._forgotten[plural] = entries.popleft().version
        if not self._marks or now - self._marks[-1][0] >= _MARK_EVERY_S:
            self._marks.append((now, entry.version))

    def begin(self, plural: str, version: int) -> None:
        """A kind that is served from now on has no past."""
        self._entries.pop(plural, None)
        self._forgotten[plural] = version

    def since(self, plural: str, version: int) -> Sequence[Entry] | None:
        """What happened after that version, or None if a watch can not resume from it."""
        return self._after(plural, version) if version >= self._resumable else None

    def _after(self, plural: str, version: int) -> Sequence[Entry] | None:
        if version < max(self._floor, self._forgotten.get(plural, 0)):
            return None
        return [entry for entry in self._entries.get(plural, ()) if entry.version > version]

    def past(self, plural: str, version: int, items: Mapping[Key, Obj], now: float) -> dict[Key, Obj] | None:
        """The objects as they were at that version, or None if it is too old."""
        self._expire(now)
        entries = self._after(plural, version) if version >= self._compacted else None
        if entries is None:
            return None
        found = dict(items)
        for entry in reversed(entries):
            meta = entry.after["metadata"]
            key = (meta.get("namespace", ""), meta["name"])
            if entry.before is None:
                found.pop(key, None)
            else:
                found[key] = entry.before
        return found

    def compact(self, version: int) -> None:
        """Ends lists and pages of older versions."""
        self._compacted = max(self._compacted, version)

    def restart(self, version: int) -> None:
        """Ends watches of older versions, as a restart of an API server does; etcd still has the lists."""
        self._resumable = version

    def forget(self, version: int) -> None:
        """Ends watches and lists of older versions."""
        self._entries.clear()
        self._forgotten.clear()
        self._marks.clear()
        self._floor = self._compacted = self._resumable = version

    def _expire(self, now: float) -> None:
        while self._marks and now - self._marks[0][0] > _COMPACTED_AFTER_S:
            self.compact(self._marks.popleft()[1])
