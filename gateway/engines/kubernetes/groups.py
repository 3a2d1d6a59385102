"""Group requests as edits of apps. Pure: from a decoded body and the present apps to what each app shall be.

A group is what its apps' ids imply. What a group could have beyond that (its own dependencies, enforceRole, pods, being
there without any app) is refused for now, with the reason, so that nothing is accepted and dropped.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.engines.engine import App
from translators.marathon import Rules, read_app
from translators.marathon.errors import Detail, InvalidDefinition, InvalidJson
from translators.marathon.paths import absolute_id, parent, segment_details

__all__ = ["GroupUpdate", "below", "exists", "read_group", "scaled", "wanted"]

_REFUSED = ("dependencies", "pods")


@dataclass(frozen=True, slots=True)
class GroupUpdate:
    """A group's definition: complete apps by id, and for each group named whether it lists apps or groups at all."""

    id: str
    apps: Mapping[str, dict[str, Any]]
    lists_apps: frozenset[str]
    lists_groups: frozenset[str]
    groups: frozenset[str]
    scale_by: float | None = None
    version: str | None = None


def below(apps: Iterable[App], group_id: str) -> list[App]:
    """All apps of a group and of its subgroups."""
    prefix = group_id.rstrip("/") + "/"
    return [app for app in apps if app.id.startswith(prefix)]


def exists(apps: Iterable[App], group_id: str) -> bool:
    return group_id == "/" or bool(below(apps, group_id))


def read_group(source: object, *, base: str, rules: Rules) -> GroupUpdate:
    """Reads `{"id", "apps", "groups", "scaleBy", "version"}`, nested. Raises InvalidJson, InvalidDefinition."""
    body = source if isinstance(source, dict) else {}
    scale_by = body.get("scaleBy")
    if scale_by is not None and (isinstance(scale_by, bool) or not isinstance(scale_by, int | float)):
        raise InvalidJson([Detail("/scaleBy", ("error.expected.jsnumber",))])
    if scale_by is not None and scale_by < 0:
        raise InvalidJson([Detail("/scaleBy", ("error.min",))])
    version = body.get("version")
    alone = [key for key in ("version", "scaleBy") if body.get(key) is not None]
    if alone and len([key for key, value in body.items() if value is not None]) > 1:
        raise InvalidDefinition(
            [Detail(f"/{key}", ("not allowed in conjunction with other properties.",)) for key in alone]
        )
    group_id = absolute_id(str(body["id"]), base) if body.get("id") else base
    reading = _Reading(rules)
    reading.group(body, group_id, "")
    return GroupUpdate(
        id=group_id,
        apps=reading.apps,
        lists_apps=frozenset(reading.lists_apps),
        lists_groups=frozenset(reading.lists_groups),
        groups=frozenset(reading.groups),
        scale_by=scale_by,
        version=str(version) if version is not None else None,
    )


def wanted(update: GroupUpdate, apps: Iterable[App]) -> dict[str, dict[str, Any] | None]:
    """What each app below the group shall be: the listed ones as listed, those a given list leaves out removed."""
    out: dict[str, dict[str, Any] | None] = dict(update.apps)
    for app in below(apps, update.id):
        if app.id not in out and _left_out(app.id, update):
            out[app.id] = None
    return out


def scaled(apps: Iterable[App], group_id: str, factor: float, *, limit: int) -> dict[str, dict[str, Any]]:
    """`scaleBy`: every app below, instances rounded up. Raises InvalidDefinition where that is more than `limit`."""
    return {app.id: {**app.definition, "instances": _scaled(app, factor, limit)} for app in below(apps, group_id)}


def _scaled(app: App, factor: float, limit: int) -> int:
    wanted = app.instances * factor if app.instances else 0
    if wanted > max(limit, app.instances):
        text = f"{app.id} would have more than {limit} instances, the most on this platform (setting max_instances)"
        raise InvalidDefinition([Detail("/scaleBy", (text,))])
    return math.ceil(wanted)


def _left_out(app_id: str, update: GroupUpdate) -> bool:
    """Whether the nearest group that the update speaks of lists apps (or groups) without this one."""
    group = parent(app_id)
    if group in update.groups:
        return group in update.lists_apps
    while group not in update.groups:
        group = parent(group)
    return group in update.lists_groups


class _Reading:
    """Collects the apps of a nested group."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.apps: dict[str, dict[str, Any]] = {}
        self.groups: set[str] = set()
        self.lists_apps: set[str] = set()
        self.lists_groups: set[str] = set()

    def group(self, body: Mapping[str, Any], group_id: str, path: str, depth: int = 0) -> None:
        if depth > 50:
            raise InvalidDefinition([Detail(path, ("groups are nested too deeply for this platform",))])
        self.groups.add(group_id)
        if details := segment_details(group_id, f"{path}/id"):
            raise InvalidDefinition(details)
        self._refuse(body, path)
        for i, source in enumerate(_objects(body, "apps", path)):
            definition = read_app(source, rules=self._rules, base=group_id, path=f"{path}/apps({i})")
            if not _is_child(str(source.get("id", "")), definition["id"], group_id):
                text = f"Identifier is not child of '{group_id}'"
                raise InvalidDefinition([Detail(f"{path}/apps({i})/id", (text,))])
            self.apps[definition["id"]] = definition
            self.lists_apps.add(group_id)
        for i, source in enumerate(_objects(body, "groups", path)):
            where = f"{path}/groups({i})"
            if not isinstance(source.get("id"), str):
                raise InvalidJson([Detail(f"{where}/id", ("error.path.missing",))])
            inner = absolute_id(source["id"], group_id)
            if not inner.startswith(group_id.rstrip("/") + "/"):
                raise InvalidDefinition([Detail(where, ("Group has to be child of groups with parent id",))])
            self.group(source, inner, where, depth + 1)
        if isinstance(body.get("apps"), list):
            self.lists_apps.add(group_id)
        if isinstance(body.get("groups"), list):
            self.lists_groups.add(group_id)

    def _refuse(self, body: Mapping[str, Any], path: str) -> None:
        details = [
            Detail(f"{path}/{key}", (f"{key} of groups are not supported by this platform yet",))
            for key in _REFUSED
            if body.get(key)
        ]
        if body.get("enforceRole"):
            details.append(Detail(f"{path}/enforceRole", ("enforceRole is not supported by this platform yet",)))
        if details:
            raise InvalidDefinition(details)


def _is_child(written: str, app_id: str, group_id: str) -> bool:
    """The root takes any app; another group what is below it, and by an absolute id only its direct children."""
    below_it = app_id.startswith(group_id.rstrip("/") + "/")
    return group_id == "/" or (below_it and (not written.startswith("/") or parent(app_id) == group_id))


def _objects(body: Mapping[str, Any], key: str, path: str) -> list[dict[str, Any]]:
    value = body.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidJson([Detail(f"{path}/{key}", ("error.expected.jsarray",))])
    for i, item in enumerate(value):
        if not isinstance(item, dict):
            raise InvalidJson([Detail(f"{path}/{key}({i})", ("error.expected.jsobject",))])
    return value
