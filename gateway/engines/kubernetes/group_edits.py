"""From a group request and the present tree to what each app and each group shall be. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.engines.engine import App, Tree
from gateway.engines.kubernetes.groups import Node
from translators.kubernetes.objects import GroupRecord
from translators.marathon.errors import BadRequest, Detail, InvalidDefinition
from translators.marathon.paths import parent

__all__ = ["Goal", "below", "deleted", "restored", "scaled", "updated"]


@dataclass(frozen=True, slots=True)
class Goal:
    """None removes."""

    apps: Mapping[str, dict[str, Any] | None] = field(default_factory=dict)
    groups: Mapping[str, GroupRecord | None] = field(default_factory=dict)


def below(apps: Iterable[App], group_id: str) -> list[App]:
    """All apps of a group and of its subgroups."""
    return [app for app in apps if _in(app.id, group_id)]


def updated(body: Node, tree: Tree) -> Goal:
    """What the body lists as listed; what a list leaves out is removed, what the body does not speak of stays."""
    nodes = {node.id: node for node in body.walk()}
    apps: dict[str, dict[str, Any] | None] = dict(body.all_apps())
    groups = {
        node.id: record
        for node in nodes.values()
        if not (node.id in apps and _empty(node)) and (record := _record(node, tree)) is not None
    }
    gone = [group for group in tree.groups if _in(group, body.id) and group not in nodes and _left_out(group, nodes)]
    for app in below(tree.apps, body.id):
        if app.id not in apps and (_unlisted(app.id, nodes) or parent(app.id) in gone):
            apps[app.id] = None
    return Goal(apps, {**groups, **dict.fromkeys(gone)})


def scaled(body: Node, tree: Tree, *, limit: int) -> Goal:
    """`scaleBy`: every app below, instances rounded up; a group that is not there is made.

    Raises InvalidDefinition where that is more than `limit`.
    """
    factor = body.scale_by or 0.0
    apps = {app.id: {**app.definition, "instances": _scaled(app, factor, limit)} for app in below(tree.apps, body.id)}
    return Goal(apps, {} if body.id in tree.groups else {body.id: GroupRecord()})


def deleted(group_id: str, tree: Tree) -> Goal:
    """All that is in it, and the group itself; the root stays."""
    gone = [group for group in tree.groups if _in(group, group_id) or group == group_id != "/"]
    return Goal({app.id: None for app in below(tree.apps, group_id)}, dict.fromkeys(gone))


def restored(body: Node, tree: Tree, then: Tree | None) -> Goal:
    """The group as it was. Raises BadRequest (422) if it was not there then."""
    if then is None or body.id not in then.groups:
        raise BadRequest(f"Group {body.id} not available in version {body.version}", 422)
    now = deleted(body.id, tree)
    apps = {**now.apps, **{app.id: dict(app.definition) for app in below(then.apps, body.id)}}
    groups = {
        group: record
        for group, record in then.groups.items()
        if (group == body.id or _in(group, body.id)) and (group != "/" or record != tree.groups["/"])
    }
    return Goal(apps, {**now.groups, **groups})


def _record(node: Node, tree: Tree) -> GroupRecord | None:
    """None for a root that has nothing of its own."""
    record = tree.groups.get(node.id, GroupRecord())
    if node.dependencies is not None:
        record = msgspec.structs.replace(record, dependencies=list(node.dependencies))
    if node.enforce_role is not None:
        record = msgspec.structs.replace(record, enforceRole=node.enforce_role)
    return None if node.id == "/" and record == tree.groups.get("/", GroupRecord()) else record


def _empty(node: Node) -> bool:
    """Recorded: an app and an empty group of one id in one body are accepted, and the app is what remains."""
    return not node.apps and not node.groups


def _unlisted(app_id: str, nodes: Mapping[str, Node]) -> bool:
    node = nodes.get(parent(app_id))
    return node is not None and node.apps is not None


def _left_out(group_id: str, nodes: Mapping[str, Node]) -> bool:
    """Whether the nearest group that the body speaks of lists groups without this one (or one that it is in)."""
    group = parent(group_id)
    while group not in nodes:
        group = parent(group)
    return nodes[group].groups is not None


def _in(item: str, group_id: str) -> bool:
    return item != "/" and item.startswith(group_id.rstrip("/") + "/")


def _scaled(app: App, factor: float, limit: int) -> int:
    wanted = app.instances * factor if app.instances else 0
    if wanted > max(limit, app.instances):
        text = f"{app.id} would have more than {limit} instances, the most on this platform (setting max_instances)"
        raise InvalidDefinition([Detail("/scaleBy", (text,))])
    return math.ceil(wanted)
