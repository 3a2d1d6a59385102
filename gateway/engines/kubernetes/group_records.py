"""What groups have beyond the apps in them, as it is wanted now: kept current from the cluster's groups and changes."""

from collections.abc import Iterable, Mapping

from gateway.engines.kubernetes.fold import Touch, fold
from gateway.kubernetes.cluster import Changed, Cluster
from gateway.kubernetes.resources import CHANGES, GROUPS
from gateway.rollouts.changes import in_log, readable_groups
from translators.kubernetes.objects import GroupRecord, MarathonDeployment, MarathonGroup

__all__ = ["GroupRecords", "ancestors", "every_group"]


def ancestors(group_or_app: str) -> list[str]:
    """The groups that something is in, the outermost first, without the root."""
    parts = group_or_app.split("/")
    return ["/".join(parts[:i]) for i in range(2, len(parts))]


def every_group(apps: Iterable[str], records: Mapping[str, GroupRecord]) -> dict[str, GroupRecord]:
    """All groups: the root, those with a record, and those that something is in. In the order of their ids."""
    implied = {group for item in (*apps, *records) for group in ancestors(item)}
    return {group: records.get(group, GroupRecord()) for group in sorted({"/", *implied, *records})}


class GroupRecords:
    """All records, folded as Root folds apps. Subscribes to the cluster; owns no task."""

    def __init__(self, cluster: Cluster) -> None:
        self._records: dict[str, GroupRecord] = {}
        self._stored: dict[str, MarathonGroup] = {}
        self._touches: dict[str, dict[int, Touch[GroupRecord]]] = {}
        cluster.subscribe(self._changed)
        for change in cluster.changes.values():
            self._change_seen(None, change)
        for group in cluster.groups.values():
            self._group_seen(None, group)

    @property
    def all(self) -> Mapping[str, GroupRecord]:
        return self._records

    def _changed(self, event: Changed) -> None:
        if event.resource is CHANGES:
            self._change_seen(event.before, event.after)
        elif event.resource is GROUPS:
            self._group_seen(event.before, event.after)

    def _change_seen(self, before: MarathonDeployment | None, after: MarathonDeployment | None) -> None:
        change = after or before
        if change is None or not in_log(change):
            return
        for edit in readable_groups(change):
            touches = self._touches.setdefault(edit.id, {})
            if after is None:
                touches.pop(change.sequence, None)
            else:
                touches[change.sequence] = Touch(change.sequence, edit.after, after.open)
            self._refold(edit.id)

    def _group_seen(self, before: MarathonGroup | None, after: MarathonGroup | None) -> None:
        if after is not None:
            self._stored[after.spec.id] = after
            self._refold(after.spec.id)
        elif before is not None:
            self._stored.pop(before.spec.id, None)
            self._refold(before.spec.id)

    def _refold(self, group_id: str) -> None:
        stored = self._stored.get(group_id)
        record = fold(stored.spec if stored else None, self._touches.get(group_id, {}).values())
        if not self._touches.get(group_id):
            self._touches.pop(group_id, None)
        if record is None:
            self._records.pop(group_id, None)
        else:
            self._records[group_id] = record
