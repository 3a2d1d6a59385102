"""From definitions to edits: what a request wants, checked on what is there now and on what this platform can do.

Computed anew for every attempt of a write. Raises what the API answers (`translators.marathon.errors`) and nothing else.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gateway.engines.kubernetes.group_edits import Goal, restored, scaled, updated
from gateway.engines.kubernetes.groups import Node, read_group, top_group
from gateway.engines.kubernetes.root import Root, app_of
from gateway.engines.kubernetes.writer import Edit, Wanted
from gateway.rollouts.changes import readable_changes, readable_groups
from translators.kubernetes.objects import GroupRecord, MarathonDeployment
from translators.kubernetes.platform import Platform
from translators.kubernetes.support import refusals
from translators.marathon import (
    AppUpdate,
    Rules,
    assign_service_ports,
    replace_app,
    service_ports,
    update_app,
    validate_root,
)
from translators.marathon.errors import InvalidDefinition

__all__ = ["Edits", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """An app that a list update names, with what the update says of it."""

    app_id: str
    update: AppUpdate


class Edits:
    def __init__(self, root: Root, *, rules: Rules, platform: Platform) -> None:
        self._root = root
        self._rules = rules
        self._platform = platform

    def _checked(self, definition: dict[str, Any], *, taken: Collection[int] = ()) -> Mapping[str, Any]:
        """The definition with its service ports, if this platform can honour it."""
        details = refusals(definition, self._platform)
        if details:
            raise InvalidDefinition(details)
        app_id = definition["id"]
        before = self._root.apps.get(app_id)
        used = {p for app in self._root.apps.values() if app.id != app_id for p in service_ports(app.definition)}
        return assign_service_ports(
            definition, used | set(taken), rules=self._rules, before=before.definition if before else None
        )

    def update(self, targets: Sequence[Target], *, partial: bool) -> Edit:
        wanted: dict[str, dict[str, Any] | None] = {}
        for target in targets:
            app = self._root.apps.get(target.app_id)
            merge = update_app if partial or app is None else replace_app
            wanted[target.app_id] = merge(
                app.definition if app else None, target.update, rules=self._rules_of_update(target.app_id)
            )
        return self.wanted(wanted, created=any(target.app_id not in self._root.apps for target in targets))

    def wanted(
        self,
        definitions: Mapping[str, dict[str, Any] | None],
        groups: Mapping[str, GroupRecord | None] | None = None,
        *,
        created: bool = False,
    ) -> Edit:
        """Checks several apps together: none takes a service port that another has or gets."""
        wanted: dict[str, Wanted | None] = {}
        taken: set[int] = set()
        for app_id, definition in definitions.items():
            if definition is None:
                wanted[app_id] = None
                continue
            checked = self._checked(definition, taken=taken)
            taken.update(service_ports(checked))
            wanted[app_id] = Wanted(checked)
        touched = {app_id: found.definition for app_id, found in wanted.items() if found}
        others = {app.id: app.definition for app in self._root.apps.values() if app.id not in wanted}
        records = {**self._root.groups, **(groups or {})}
        needed = {group: record.dependencies for group, record in records.items() if record is not None}
        made = [group for group, record in (groups or {}).items() if record is not None]
        validate_root({**others, **touched}, [*touched, *made], groups=needed)
        return Edit(wanted, created=created)

    def rules_of(self, app_id: str, enforced: bool | None = None) -> Rules:
        """With `enforceRole`, of its top-level group as it is or as a body wants it, an app has the role of that group."""
        top = top_group(app_id)
        if top in (app_id, "/"):
            return self._rules
        if enforced is None:
            enforced = self._root.groups.get(top, GroupRecord()).enforceRole
        return self._rules.enforcing(top) if enforced else self._rules

    def _rules_of_update(self, app_id: str) -> Rules:
        """An app that has another role already may keep it."""
        rules, app = self.rules_of(app_id), self._root.apps.get(app_id)
        return self._rules if app and app.definition.get("role") != rules.mesos_role else rules

    def read_group(self, group_id: str, source: object) -> Node:
        return read_group(source, base=group_id, groups=self._root.tree().groups, rules_of=self.rules_of)

    def group(self, body: Node) -> Edit:
        tree = self._root.tree()
        if body.version is not None:
            return self.goal(restored(body, tree, self._root.tree_at(_moment(body.version))))
        if body.scale_by is not None:
            return self.goal(scaled(body, tree, limit=self._rules.max_instances))
        return self.goal(updated(body, tree))

    def goal(self, goal: Goal) -> Edit:
        return replace(self.wanted(goal.apps, goal.groups), groups=goal.groups)

    def rollback(self, change: MarathonDeployment) -> Edit:
        """The reverse of what `change` did, on what is there now. Earlier configurations come back as they were."""
        wanted: dict[str, Wanted | None] = {}
        for edit in readable_changes(change):
            if edit.before is None:
                wanted[edit.id] = None
                continue
            app = app_of(edit.id, edit.before)
            wanted[edit.id] = Wanted(app.definition, config_version=app.last_config_change_at)
        groups = {group.id: group.before for group in readable_groups(change)}
        return Edit(wanted, groups=groups, cancels=[change.spec.id])


def _moment(version: str) -> str:
    """A version of a body as the log spells it."""
    moment = datetime.fromisoformat(version).astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
