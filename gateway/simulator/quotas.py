"""ResourceQuota: counts the objects of its namespace and what pods ask for, and refuses what would exceed it.

A status follows every write at once, so the next request is measured against it. What it counts: pods and their compute
resources, `count/…` of every built-in kind, and the kinds that have names of their own. Not: classes, priorities, storage.
"""

from collections.abc import Callable, Iterator
from typing import Any

from gateway.simulator.errors import forbidden
from gateway.simulator.kinds import Kind
from gateway.simulator.objects import ApiError, Objects
from gateway.simulator.scheduling.quantities import canonical, exact, total
from gateway.simulator.scheduling.snapshot import finished

__all__ = ["Quotas"]

Obj = dict[str, Any]

_NAMED = ("configmaps", "secrets", "persistentvolumeclaims", "resourcequotas")
_COMPUTE = ("cpu", "memory", "ephemeral-storage")


class Quotas:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        for kind in objects.kinds:
            if kind.namespaced and kind.plural != "events":
                objects.subscribe(kind.plural, self._listener(kind))

    def check(self, plural: str, obj: Obj) -> None:
        """Raises ApiError (403) for an object that is one too many."""
        kind = self._objects.kind(plural)
        for quota in self._quotas(obj) if kind.namespaced else ():
            name, hard = quota["metadata"]["name"], (quota.get("status") or {}).get("hard") or {}
            if not _in_scope(kind, obj, quota):
                continue
            if kind.plural == "pods" and (missing := _unspecified(obj, hard)):
                raise self._refusal(kind, obj, f"failed quota: {name}: must specify {missing}")
            used = (quota.get("status") or {}).get("used") or {}
            asked = {k: v for k, v in _usage(kind, obj).items() if k in hard}
            over = sorted(k for k, v in asked.items() if exact(v) and exact(used.get(k, 0)) + exact(v) > exact(hard[k]))
            if over:
                parts = (("requested", asked), ("used", used), ("limited", hard))
                shown = ", ".join(f"{word}: {','.join(f'{k}={canonical(d[k])}' for k in over)}" for word, d in parts)
                raise self._refusal(kind, obj, f"exceeded quota: {name}, {shown}")

    def _quotas(self, obj: Obj) -> list[Obj]:
        return self._objects.list("resourcequotas", obj["metadata"].get("namespace") or "default")

    @staticmethod
    def _refusal(kind: Kind, obj: Obj, why: str) -> ApiError:
        return forbidden(kind.plural, kind.group, obj["metadata"]["name"], why)

    def _listener(self, kind: Kind) -> Callable[[str, Obj | None, Obj | None], None]:
        def changed(event: str, after: Obj | None, before: Obj | None) -> None:
            obj = after or before or {"metadata": {}}
            counts = event != "MODIFIED" or kind.plural == "resourcequotas"
            counts = counts or (kind.plural == "pods" and finished(obj) != finished(before or obj))
            for quota in self._quotas(obj) if counts else ():
                self._count(quota)

        return changed

    def _count(self, quota: Obj) -> None:
        hard = (quota.get("spec") or {}).get("hard") or {}
        usages = list(self._usages(quota))
        used = {name: total(usage.get(name, "0") for usage in usages) for name in hard}
        status = {"hard": hard, "used": used}
        if status != (quota.get("status") or {}):
            self._objects.update("resourcequotas", {**quota, "status": status}, subresource="status")

    def _usages(self, quota: Obj) -> Iterator[dict[str, str]]:
        for kind in self._objects.kinds:
            if kind.namespaced and not kind.custom and kind.plural != "events":
                for obj in self._objects.list(kind.plural, quota["metadata"]["namespace"]):
                    if _in_scope(kind, obj, quota):
                        yield _usage(kind, obj)


def _usage(kind: Kind, obj: Obj) -> dict[str, str]:
    usage = {f"count/{kind.qualified}": "1"}
    if kind.plural in _NAMED:
        usage[kind.plural] = "1"
    if kind.plural != "pods" or finished(obj):
        return usage
    usage["pods"] = "1"
    for part in ("requests", "limits"):
        for name, value in _asked(obj, part).items():
            usage[f"{part}.{name}"] = value
            if part == "requests" and name in _COMPUTE:
                usage[name] = value
    return usage


def _asked(pod: Obj, part: str) -> dict[str, str]:
    """The sum of the containers, or the largest init container if that is more."""
    given = [(c.get("resources") or {}).get(part) or {} for c in pod["spec"].get("containers") or ()]
    first = [(c.get("resources") or {}).get(part) or {} for c in pod["spec"].get("initContainers") or ()]
    names = {name for found in (*given, *first) for name in found}
    sums = {name: total(g.get(name, "0") for g in given) for name in names}
    return {name: max(sums[name], *(f.get(name, "0") for f in first), key=exact) for name in names} if first else sums


def _unspecified(pod: Obj, hard: Obj) -> str:
    """Every container must say how much it takes of what is limited."""
    missing: dict[str, list[str]] = {}
    for name in hard:
        part, _, resource = name.partition(".") if "." in name else ("requests", "", name)
        if resource not in _COMPUTE:
            continue
        for container in pod["spec"].get("containers") or ():
            if resource not in ((container.get("resources") or {}).get(part) or {}):
                missing.setdefault(name, []).append(container["name"])
    return "; ".join(f"{name} for: {','.join(sorted(names))}" for name, names in sorted(missing.items()))


def _in_scope(kind: Kind, obj: Obj, quota: Obj) -> bool:
    scopes = (quota.get("spec") or {}).get("scopes") or ()
    if not scopes:
        return True
    if kind.plural != "pods":
        return False
    best_effort = not any(_asked(obj, part) for part in ("requests", "limits"))
    ends = obj["spec"].get("activeDeadlineSeconds") is not None
    holds = {
        "BestEffort": best_effort,
        "NotBestEffort": not best_effort,
        "Terminating": ends,
        "NotTerminating": not ends,
    }
    return all(holds.get(scope, False) for scope in scopes)
