"""Rules that need all apps and groups: no cycle of dependencies, no app that is also a group."""

from collections.abc import Iterable, Mapping
from typing import Any

from translators.marathon.errors import Detail, InvalidDefinition

__all__ = ["validate_root"]

_NAMES = "Groups and Applications may not have the same identifier."


def validate_root(
    apps: Mapping[str, Mapping[str, Any]],
    changed: Iterable[str] | None = None,
    *,
    groups: Mapping[str, Iterable[str]] | None = None,
) -> None:
    """Raises InvalidDefinition. `changed` are the apps and groups that a change touches (default: all).

    `groups` are the dependencies of the groups there are, by id; those that only apps imply may be left out.
    """
    groups = groups or {}
    touched = {*apps, *groups} if changed is None else set(changed)
    all_groups = {*groups, *(prefix for item in (*apps, *groups) for prefix in _ancestors(item))}
    for item in sorted(touched):
        clash = next((i for i in (*_ancestors(item), item) if i in apps and i in all_groups), None)
        if clash is not None:
            raise InvalidDefinition([Detail(_position(clash, all_groups), (_NAMES,))])
    depends = any(apps[item].get("dependencies") for item in touched if item in apps) or any(groups.values())
    if depends and _cyclic(_graph(apps, groups)):
        raise InvalidDefinition([Detail("/", ("Dependency graph has cyclic dependencies.",))])


def _position(item: str, groups: Iterable[str]) -> str:
    """The group that holds the clash, by its place among its siblings; Marathon counts them in the order of a hash."""
    path, siblings = "", sorted(groups)
    for group in _ancestors(item):
        beside = [other for other in siblings if other.rpartition("/")[0] == group.rpartition("/")[0] and other != "/"]
        path += f"/groups({beside.index(group)})" if group in beside else ""
    return path or "/"


def _ancestors(app_id: str) -> list[str]:
    parts = app_id.split("/")
    return ["/".join(parts[:i]) for i in range(2, len(parts))]


def _graph(apps: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Edges between apps and two nodes for each group: `in /g` leads to all that is in it, `for /g` to what it needs."""
    edges: dict[str, list[str]] = {}
    for group, names in groups.items():
        edges[f"for {group}"] = [name if name in apps else f"in {name}" for name in names]
    for app_id, app in apps.items():
        up = ["/", *_ancestors(app_id)]
        own = [name if name in apps else f"in {name}" for name in app.get("dependencies", ())]
        edges[app_id] = [*own, *(f"for {group}" for group in up if group in groups)]
        inner = app_id
        for group in reversed(up):
            members = edges.setdefault(f"in {group}", [])
            known = bool(members)
            members.append(inner)
            inner = f"in {group}"
            if known:
                break
    return edges


def _cyclic(edges: Mapping[str, Iterable[str]]) -> bool:
    """Depth-first, without recursion: an edge back into the path is a cycle."""
    done: set[str] = set()
    for start in edges:
        if start in done:
            continue
        path = [start]
        on_path = {start}
        pending = [iter(edges[start])]
        while path:
            following = next(pending[-1], None)
            if following is None:
                done.add(path[-1])
                on_path.discard(path.pop())
                pending.pop()
            elif following in on_path:
                return True
            elif following not in done:
                path.append(following)
                on_path.add(following)
                pending.append(iter(edges.get(following, ())))
    return False
