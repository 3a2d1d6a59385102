"""Past versions of the root, from the change log: what is there now with the later changes undone. Pure.

Every accepted change makes a version of the root group, and all groups carry the version of the root. So the versions of
a group are those at which it was there, as far back as the log is kept.
"""

from collections.abc import Iterable, Mapping, Sequence

from gateway.rollouts.changes import readable_changes, readable_groups
from translators.kubernetes.objects import AppRecord, GroupRecord, MarathonDeployment

__all__ = ["FIRST", "makes_version", "past", "versions_of"]

FIRST = "1970-01-01T00:00:00.000Z"  # of a root that nothing has changed yet


def makes_version(change: MarathonDeployment) -> bool:
    """All changes do but those that only cancel."""
    spec = change.spec
    return bool(spec.steps or not spec.cancels or readable_changes(change) or readable_groups(change))


def past(
    apps: Mapping[str, AppRecord],
    groups: Mapping[str, GroupRecord],
    log: Sequence[MarathonDeployment],
    version: str,
) -> tuple[dict[str, AppRecord], dict[str, GroupRecord]] | None:
    """The apps and groups at that version of the root, None if the log (oldest first) does not know it."""
    if version not in _known(log):
        return None
    then_apps, then_groups = dict(apps), dict(groups)
    for change in reversed(log):
        if change.spec.version <= version:
            break
        _undo(change, then_apps, then_groups)
    return then_apps, then_groups


def versions_of(
    group_id: str,
    apps: Mapping[str, AppRecord],
    groups: Mapping[str, GroupRecord],
    log: Sequence[MarathonDeployment],
) -> list[str]:
    """The versions of the root at which the group was there, the newest first."""
    then_apps, then_groups = dict(apps), dict(groups)
    known, found = _known(log), []
    for change in reversed(log):
        if change.spec.version in known and _exists(group_id, then_apps, then_groups):
            found.append(change.spec.version)
        _undo(change, then_apps, then_groups)
    if FIRST in known and _exists(group_id, then_apps, then_groups):
        found.append(FIRST)
    return found


def _known(log: Sequence[MarathonDeployment]) -> set[str]:
    whole = not log or log[0].sequence == 1
    return {change.spec.version for change in log if makes_version(change)} | ({FIRST} if whole else set())


def _exists(group_id: str, apps: Iterable[str], groups: Mapping[str, GroupRecord]) -> bool:
    return group_id == "/" or group_id in groups or any(item.startswith(group_id + "/") for item in (*apps, *groups))


def _undo(change: MarathonDeployment, apps: dict[str, AppRecord], groups: dict[str, GroupRecord]) -> None:
    for edit in readable_changes(change):
        if edit.before is None:
            apps.pop(edit.id, None)
        else:
            apps[edit.id] = edit.before
    for group in readable_groups(change):
        if group.before is None:
            groups.pop(group.id, None)
        else:
            groups[group.id] = group.before
