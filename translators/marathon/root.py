"""Rules that need all apps: no cycle of dependencies, no app that is also a group."""

from collections.abc import Iterable, Mapping
from typing import Any

from translators.marathon.errors import Detail, InvalidDefinition

__all__ = ["validate_root"]


def validate_root(apps: Mapping[str, Mapping[str, Any]], changed: Iterable[str] | None = None) -> None:
    """Raises InvalidDefinition. `changed` are the apps that a change touches (default: all)."""
    changed = set(apps if changed is None else changed)
    groups = {prefix for app_id in apps for prefix in _ancestors(app_id)}
    if any(app_id in groups for app_id in changed) or any(p in apps for i in changed for p in _ancestors(i)):
        raise InvalidDefinition([Detail("/", ("Groups and Applications may not have the same identifier.",))])
    if any(apps[app_id].get("dependencies") for app_id in changed if app_id in apps) and _cyclic(apps):
        raise InvalidDefinition([Detail("/", ("Dependency graph has cyclic dependencies.",))])


def _ancestors(app_id: str) -> list[str]:
    parts = app_id.split("/")
    return ["/".join(parts[:i]) for i in range(2, len(parts))]


def _cyclic(apps: Mapping[str, Mapping[str, Any]]) -> bool:
    """Depth-first, without recursion: an edge back into the path is a cycle."""
    edges = {app_id: _targets(app.get("dependencies", ()), apps) for app_id, app in apps.items()}
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
                pending.append(iter(edges[following]))
    return False


def _targets(names: Iterable[str], apps: Mapping[str, Any]) -> list[str]:
    found = []
    for name in names:
        if name in apps:
            found.append(name)
        else:
            prefix = name.rstrip("/") + "/"
            found += [other for other in apps if other.startswith(prefix)]  # itself, too: that is a cycle
    return found
