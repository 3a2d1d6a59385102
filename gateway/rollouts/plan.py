"""From what is and what shall be to steps, as Marathon plans them (deployments.md §2). Pure.

One step stops what vanishes, one starts what is new (a no-op that clients know), then one step for each level of
dependencies of the target: an app that only changes its number of instances is scaled, one with another configuration is
restarted. Empty steps are left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from translators.kubernetes.objects import AppRecord, Step, StepAction

__all__ = ["instances_of", "levels", "plan"]


def plan(
    before: Mapping[str, AppRecord],
    after: Mapping[str, AppRecord],
    *,
    others: Mapping[str, AppRecord] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Step, ...]:
    """The steps from `before` to `after`.

    `others` are the apps that stay as they are: they count for the levels, and so do the dependencies of `groups`.
    """
    stopped = [app_id for app_id in before if app_id not in after]
    target = {**{i: r for i, r in (others or {}).items() if i not in stopped}, **after}
    steps = [
        [StepAction(action="StopApplication", app=app_id) for app_id in stopped],
        [StepAction(action="StartApplication", app=app_id) for app_id in after if app_id not in before],
    ]
    depth = levels({app_id: _dependencies(app_id, record, groups or {}) for app_id, record in target.items()})
    for level in sorted({depth[app_id] for app_id in after}):
        apps = [app_id for app_id in after if depth[app_id] == level]
        steps.append([a for app_id in apps if (a := _action(app_id, before.get(app_id), after[app_id]))])
    return tuple(Step(actions=actions) for actions in steps if actions)


def levels(dependencies: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """1 for an app without dependencies, else one more than the deepest of them. A dependency may be a group's id.

    What does not exist is no dependency. Cycles (refused at validation) end where they began.
    """
    members: dict[str, list[str]] = {}
    for name in {name for names in dependencies.values() for name in names}:
        prefix = name.rstrip("/") + "/"
        inside = [] if name in dependencies else [other for other in dependencies if other.startswith(prefix)]
        members[name] = inside or [name]
    edges = {
        app_id: [other for name in names for other in members[name] if other in dependencies]
        for app_id, names in dependencies.items()
    }
    found: dict[str, int] = {}

    def depth(app_id: str, path: frozenset[str]) -> int:
        if app_id not in found:
            inner = path | {app_id}
            found[app_id] = 1 + max((depth(other, inner) for other in edges[app_id] if other not in inner), default=0)
        return found[app_id]

    for app_id in edges:
        depth(app_id, frozenset())
    return found


def instances_of(record: AppRecord) -> int:
    return int(_definition(record.definition)["instances"])


def _action(app_id: str, before: AppRecord | None, after: AppRecord) -> StepAction | None:
    if before is None:
        return StepAction(action="ScaleApplication", app=app_id)
    if before.lastConfigChangeAt != after.lastConfigChangeAt:
        kind = "RestartApplication" if instances_of(after) else "ScaleApplication"
        return StepAction(action=kind, app=app_id)
    if instances_of(before) != instances_of(after):
        return StepAction(action="ScaleApplication", app=app_id)
    return None


def _dependencies(app_id: str, record: AppRecord, groups: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Those of the app, and those of every group that it is in."""
    own = _definition(record.definition).get("dependencies", ())
    if not groups:
        return tuple(own)
    inherited = [
        name for group, names in groups.items() if app_id.startswith(group.rstrip("/") + "/") for name in names
    ]
    return (*own, *inherited)


@lru_cache(maxsize=20_000)
def _definition(text: str) -> Mapping[str, Any]:
    decoded: Mapping[str, Any] = msgspec.json.decode(text)
    return decoded
