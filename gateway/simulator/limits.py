"""LimitRange: the resources that it fills into new pods of its namespace, and the pods that it refuses.

It acts on pods only, never on templates, so what it refuses shows as the `ReplicaFailure` of a ReplicaSet.
"""

from collections.abc import Iterator
from typing import Any

from gateway.simulator.errors import forbidden
from gateway.simulator.objects import Objects
from gateway.simulator.scheduling.quantities import canonical, exact, total

__all__ = ["LimitRanger"]

Obj = dict[str, Any]

_ANNOTATION = "kubernetes.io/limit-ranger"


class LimitRanger:
    """`fill` is a step of the admission; `check` comes after the validation."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def fill(self, plural: str, obj: Obj) -> Obj:
        items = self._items(obj) if plural == "pods" else []
        for item in items:
            if item.get("type") == "Container":
                obj = _filled(obj, *_defaults(item))
        return obj

    def check(self, plural: str, obj: Obj) -> None:
        """Raises ApiError (403)."""
        if plural != "pods":
            return
        found = [text for item in self._items(obj) for text in _refusals(obj, item)]
        if found:
            why = found[0] if len(found) == 1 else f"[{', '.join(found)}]"
            raise forbidden("pods", "", obj["metadata"]["name"], why)

    def _items(self, pod: Obj) -> list[Obj]:
        ranges = self._objects.list("limitranges", pod["metadata"].get("namespace"))
        return [item for found in ranges for item in (found.get("spec") or {}).get("limits") or ()]


def _defaults(item: Obj) -> tuple[Obj, Obj]:
    """Requests and limits for who names none; what is not said follows from the rest."""
    limits = {**(item.get("max") or {}), **(item.get("default") or {})}
    requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
    return requests, limits


def _filled(pod: Obj, requests: Obj, limits: Obj) -> Obj:
    spec, notes = dict(pod["spec"]), []
    for group, word in (("containers", "container"), ("initContainers", "init container")):
        for index, container in enumerate(spec.get(group) or ()):
            resources = dict(container.get("resources") or {})
            for part, defaults in (("requests", requests), ("limits", limits)):
                missing = {k: v for k, v in sorted(defaults.items()) if k not in (resources.get(part) or {})}
                if missing:
                    resources[part] = {**(resources.get(part) or {}), **missing}
                    notes.append(f"{', '.join(missing)} {part[:-1]} for {word} {container['name']}")
            spec[group] = [{**c, "resources": resources} if i == index else c for i, c in enumerate(spec[group])]
    if not notes:
        return pod
    meta = pod["metadata"]
    annotations = {**(meta.get("annotations") or {}), _ANNOTATION: f"LimitRanger plugin set: {'; '.join(notes)}"}
    return {**pod, "metadata": {**meta, "annotations": annotations}, "spec": spec}


def _refusals(pod: Obj, item: Obj) -> Iterator[str]:
    """In the words of the plugin, for each container or for the pod as a whole."""
    containers = [c.get("resources") or {} for c in pod["spec"].get("containers") or ()]
    if item.get("type") == "Container":
        for resources in containers:
            yield from _outside(item, resources)
    elif item.get("type") == "Pod":
        yield from _outside(item, {part: _summed(containers, part) for part in ("requests", "limits")})


def _summed(containers: list[Obj], part: str) -> Obj:
    """What all containers name."""
    given = [c.get(part) or {} for c in containers]
    names = set.intersection(*map(set, given)) if given else set()
    return {name: total(g[name] for g in given) for name in names}


def _outside(item: Obj, resources: Obj) -> Iterator[str]:
    kind, requests, limits = item["type"], resources.get("requests") or {}, resources.get("limits") or {}
    for name, bound in sorted((item.get("min") or {}).items()):
        text = f"minimum {name} usage per {kind} is {canonical(bound)}"
        if name not in requests:
            yield f"{text}.  No request is specified"
        elif exact(requests[name]) < exact(bound):
            yield f"{text}, but request is {canonical(requests[name])}"
        elif name in limits and exact(limits[name]) < exact(bound):
            yield f"{text}, but limit is {canonical(limits[name])}"
    for name, bound in sorted((item.get("max") or {}).items()):
        text = f"maximum {name} usage per {kind} is {canonical(bound)}"
        if name not in limits:
            yield f"{text}.  No limit is specified"
        elif exact(limits[name]) > exact(bound):
            yield f"{text}, but limit is {canonical(limits[name])}"
        elif name in requests and exact(requests[name]) > exact(bound):
            yield f"{text}, but request is {canonical(requests[name])}"
    for name, bound in sorted((item.get("maxLimitRequestRatio") or {}).items()):
        text = f"{name} max limit to request ratio per {kind} is {canonical(bound)}, but"
        limit, request = exact(limits.get(name, 0)), exact(requests.get(name, 0))
        if not request or not limit:
            yield f"{text} no request is specified or request is 0" if not request else f"{text} no limit is specified"
        elif limit / request > exact(bound):
            yield f"{text} provided ratio is {float(limit / request):f}"
