"""The embedded cluster on disk: a snapshot and a log of what came after it. Survives kill -9 at any moment.

Each write is one line of the log, flushed to the disk before the API answers; a line that a crash cut short is dropped. When
the log has grown, it is folded into a new snapshot, which replaces the old one in one step; a log that a crash left beside its
snapshot tells nothing new. Versions never go back, not even if the last thing that happened was a deletion.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.simulator.objects import Objects

__all__ = ["State"]

_FOLD_AFTER = 5000

Obj = dict[str, Any]


class State:
    """Loads `objects` from the directory, if there is something, and records every change from then on."""

    def __init__(self, directory: Path, objects: Objects) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._snapshot = directory / "objects.jsonl"
        self._path = directory / "changes.jsonl"
        self._objects = objects
        version, found = self._load()
        if found:
            objects.load(version + 1, iter(found.values()))
        self._fold()
        objects.journal = self._record

    def close(self) -> None:
        self._log.close()

    def _load(self) -> tuple[int, dict[tuple[str, str, str], tuple[str, Obj]]]:
        found: dict[tuple[str, str, str], tuple[str, Obj]] = {}
        version = 0
        for path in (self._snapshot, self._path):
            for plural, obj, removed in _lines(path):
                meta = obj["metadata"]
                version = max(version, int(meta["resourceVersion"]))
                key = (plural, meta.get("namespace", ""), meta.get("name", ""))
                if removed:
                    found.pop(key, None)
                else:
                    found[key] = (plural, obj)
        return version, found

    def _record(self, plural: str, obj: Obj, removed: bool) -> None:
        self._log.write(_line(plural, obj, removed=removed))
        self._log.flush()
        os.fdatasync(self._log.fileno())
        self._written += 1
        if self._written >= _FOLD_AFTER:
            self._log.close()
            self._fold()

    def _fold(self) -> None:
        temporary = self._snapshot.with_suffix(".new")
        with temporary.open("wb") as file:
            # What was removed last may have had the highest version.
            file.write(_line("", {"metadata": {"resourceVersion": str(self._objects.version)}}, removed=True))
            for plural, obj in self._objects.everything():
                file.write(_line(plural, obj, removed=False))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._snapshot)
        self._sync_directory()
        self._log = self._path.open("wb")
        self._written = 0

    def _sync_directory(self) -> None:
        handle = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _line(plural: str, obj: Obj, *, removed: bool) -> bytes:
    return msgspec.json.encode((plural, obj, removed)) + b"\n"


def _lines(path: Path) -> Iterator[tuple[str, Obj, bool]]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                yield msgspec.json.decode(line, type=tuple[str, dict[str, Any], bool])
            except msgspec.DecodeError:
                return
