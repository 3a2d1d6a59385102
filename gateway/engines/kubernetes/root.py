"""The apps as they are wanted now, kept current from the cluster's apps and changes.

One app is folded again when something that concerns it was seen, so a change costs what it touches and no more.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from gateway.engines.engine import App, Tree
from gateway.engines.kubernetes.fold import Touch, fold
from gateway.engines.kubernetes.group_records import GroupRecords, every_group
from gateway.engines.kubernetes.history import FIRST, makes_version, past, versions_of
from gateway.kubernetes.cluster import Changed, Cluster
from gateway.kubernetes.resources import APPS, CHANGES
from gateway.rollouts.changes import in_log, log_of, readable_changes
from translators.kubernetes.objects import AppRecord, GroupRecord, MarathonApp, MarathonDeployment

__all__ = ["Root", "app_of"]


def app_of(app_id: str, record: AppRecord) -> App:
    return App(
        id=app_id,
        definition=msgspec.json.decode(record.definition),
        version=record.version,
        last_scaling_at=record.lastScalingAt,
        last_config_change_at=record.lastConfigChangeAt,
    )


class Root:
    """All apps, folded. Subscribes to the cluster; owns no task."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._apps: dict[str, App] = {}
        self._records: dict[str, AppRecord] = {}
        self._sorted: tuple[App, ...] | None = None
        self._touches: dict[str, dict[int, Touch[AppRecord]]] = {}
        self._names: dict[str, str] = {}  # app id -> name of its MarathonApp
        self._highest = 0
        self._version = FIRST
        self._groups = GroupRecords(cluster)
        self.generations: Counter[str] = Counter()
        cluster.subscribe(self._changed)
        for change in cluster.changes.values():
            self._change_seen(None, change)
        for app in cluster.apps.values():
            self._app_seen(None, app)

    @property
    def apps(self) -> Mapping[str, App]:
        return self._apps

    @property
    def records(self) -> Mapping[str, AppRecord]:
        return self._records

    @property
    def groups(self) -> Mapping[str, GroupRecord]:
        """Of the groups that have a record: others are only what something is in."""
        return self._groups.all

    @property
    def version(self) -> str:
        """Of the root group, and so of every group: that of the last change."""
        return self._version

    def sorted(self) -> Sequence[App]:
        if self._sorted is None:
            self._sorted = tuple(self._apps[app_id] for app_id in sorted(self._apps))
        return self._sorted

    def tree(self) -> Tree:
        """The root group as it is wanted now."""
        return Tree(self._version, self.sorted(), every_group(self._apps, self.groups))

    def has_group(self, group_id: str) -> bool:
        if group_id == "/" or group_id in self.groups:
            return True
        return any(item.startswith(group_id + "/") for items in (self._apps, self.groups) for item in items)

    def group_versions(self, group_id: str) -> Sequence[str]:
        log_ = log_of(self._cluster.changes)
        return versions_of(group_id, self._records, self.groups, log_)

    def tree_at(self, version: str) -> Tree | None:
        then = past(self._records, self.groups, log_of(self._cluster.changes), version)
        if then is None:
            return None
        records, groups = then
        apps = tuple(app_of(app_id, records[app_id]) for app_id in sorted(records))
        return Tree(version, apps, every_group(records, groups))

    def touch(self, app_id: str) -> None:
        """Something that the app shows has changed: rendered forms of it are stale."""
        self.generations[app_id] += 1

    def stored(self, app_id: str) -> MarathonApp | None:
        name = self._names.get(app_id)
        return self._cluster.apps.get(name) if name else None

    @property
    def highest_sequence(self) -> int:
        """The number of the newest change this replica has heard of, ended and forgotten ones included."""
        return self._highest

    def _changed(self, event: Changed) -> None:
        if event.resource is CHANGES:
            self._change_seen(event.before, event.after)
        elif event.resource is APPS:
            self._app_seen(event.before, event.after)

    def _change_seen(self, before: MarathonDeployment | None, after: MarathonDeployment | None) -> None:
        change = after or before
        if change is None or not in_log(change):
            return
        self._highest = max(self._highest, change.sequence)
        if makes_version(change):
            self._version = max(self._version, change.spec.version)
        for edit in readable_changes(change):
            touches = self._touches.setdefault(edit.id, {})
            if after is None:
                touches.pop(change.sequence, None)
            else:
                touches[change.sequence] = Touch(change.sequence, edit.after, after.open)
            self._refold(edit.id)

    def _app_seen(self, before: MarathonApp | None, after: MarathonApp | None) -> None:
        app = after or before
        if app is None:
            return
        self._highest = max(self._highest, app.spec.sequence)
        self._version = max(self._version, app.spec.record.version)
        if after is None:
            self._names.pop(app.spec.id, None)
        else:
            self._names[app.spec.id] = app.metadata.name
        self._refold(app.spec.id, after)

    def _refold(self, app_id: str, stored: MarathonApp | None = None) -> None:
        app = stored or self.stored(app_id)
        record = fold(app.spec if app else None, self._touches.get(app_id, {}).values())
        if not self._touches.get(app_id):
            self._touches.pop(app_id, None)
        if record != self._records.get(app_id):
            self._sorted = None
            if record is None:
                self._records.pop(app_id, None)
                self._apps.pop(app_id, None)
            else:
                self._records[app_id] = record
                self._apps[app_id] = app_of(app_id, record)
        self.touch(app_id)
