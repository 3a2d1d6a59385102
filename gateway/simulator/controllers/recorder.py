"""Events (core `v1`): what controllers, scheduler and kubelet say about an object, aggregated.

The same message about the same object raises the count of the event that is there, as client-go does, so a crash loop does not
fill the store. Events go an hour after they were last seen (`Expiry`), as on a real API server.
"""

import itertools
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

from gateway.clock import Clock
from gateway.simulator.objects import ApiError, Objects

__all__ = ["Recorder", "stamp"]

REMEMBERED = 4096

_serial = itertools.count(1)


def stamp(seconds: float) -> str:
    """A Kubernetes time: `2024-05-01T10:00:00Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


class Recorder:
    """Writes events in the name of one component."""

    def __init__(self, objects: Objects, clock: Clock, component: str, *, host: str = "") -> None:
        self._objects = objects
        self._clock = clock
        self._source = {"component": component, **({"host": host} if host else {})}
        self._names: OrderedDict[tuple[str, ...], tuple[str, str]] = OrderedDict()

    def normal(self, about: dict[str, Any], reason: str, message: str, *, container: str = "") -> None:
        self._record(about, "Normal", reason, message, container)

    def warning(self, about: dict[str, Any], reason: str, message: str, *, container: str = "") -> None:
        self._record(about, "Warning", reason, message, container)

    def _record(self, about: dict[str, Any], severity: str, reason: str, message: str, container: str) -> None:
        target = _target(about, container)
        key = (target["uid"], container, severity, reason, message)
        try:
            if not self._repeat(key):
                self._names[key] = self._create(target, severity, reason, message)
        except ApiError:
            return  # an event is a courtesy: its namespace may be going away
        self._names.move_to_end(key)
        if len(self._names) > REMEMBERED:
            self._names.popitem(last=False)

    def _repeat(self, key: tuple[str, ...]) -> bool:
        if key not in self._names:
            return False
        try:
            event = self._objects.get("events", *self._names[key])
        except ApiError:
            return False
        self._objects.update("events", {**event, "count": event["count"] + 1, "lastTimestamp": self._now()})
        return True

    def _create(self, target: dict[str, Any], severity: str, reason: str, message: str) -> tuple[str, str]:
        namespace = target.get("namespace") or "default"
        name = f"{target['name']}.{int(self._clock.time() * 1000):x}{next(_serial):06x}"
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": target,
            "type": severity,
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": self._now(),
            "lastTimestamp": self._now(),
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
        }
        self._objects.create("events", event)
        return namespace, name

    def _now(self) -> str:
        return stamp(self._clock.time())


def _target(about: dict[str, Any], container: str) -> dict[str, Any]:
    meta = about["metadata"]
    target = {
        "apiVersion": about.get("apiVersion", "v1"),
        "kind": about.get("kind", "Pod"),
        "name": meta["name"],
        "uid": meta.get("uid", ""),
        "resourceVersion": meta.get("resourceVersion", ""),
    }
    if meta.get("namespace"):
        target["namespace"] = meta["namespace"]
    if container:
        target["fieldPath"] = f"spec.containers{{{container}}}"
    return target
