"""The change log: reading what a MarathonDeployment holds, and which apps its open entries lock.

Somebody may have put anything there with kubectl: an entry that cannot be read is nobody's trouble but its own.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

import msgspec

from gateway.kubernetes.store import Store
from translators.kubernetes.objects import AppChange, ChangeSpec, GroupChange, MarathonDeployment

__all__ = [
    "affected_apps",
    "cancelled_by",
    "decode_changes",
    "decode_groups",
    "encode_changes",
    "in_log",
    "listed",
    "locked_by",
    "log_of",
    "open_changes",
    "readable_changes",
    "readable_groups",
    "touched_apps",
]

_NAME = re.compile(r"change-[0-9]+")


def encode_changes(changes: Sequence[AppChange] | Sequence[GroupChange]) -> str:
    return msgspec.json.encode(changes).decode()


def decode_changes(spec: ChangeSpec) -> Sequence[AppChange]:
    """Raises msgspec.DecodeError if the text is not what a gateway wrote."""
    return _decoded(spec.apps)


def touched_apps(change: MarathonDeployment) -> frozenset[str]:
    """The apps that the change alters or acts on, as far as it can be read."""
    return affected_apps(change) | {edit.id for edit in readable_changes(change)}


def readable_changes(change: MarathonDeployment) -> Sequence[AppChange]:
    """For those that only look: nothing if it can not be read."""
    try:
        return decode_changes(change.spec)
    except msgspec.DecodeError:
        return ()


def decode_groups(spec: ChangeSpec) -> Sequence[GroupChange]:
    """Raises msgspec.DecodeError if the text is not what a gateway wrote."""
    return _decoded_groups(spec.groups)


def readable_groups(change: MarathonDeployment) -> Sequence[GroupChange]:
    """For those that only look: nothing if it can not be read."""
    try:
        return decode_groups(change.spec)
    except msgspec.DecodeError:
        return ()


@lru_cache(maxsize=4096)
def _decoded_groups(text: str) -> tuple[GroupChange, ...]:
    return msgspec.json.decode(text, type=tuple[GroupChange, ...])


@lru_cache(maxsize=4096)
def _decoded(text: str) -> tuple[AppChange, ...]:
    return msgspec.json.decode(text, type=tuple[AppChange, ...])


def affected_apps(change: MarathonDeployment) -> frozenset[str]:
    """The apps that any action of the change names."""
    return frozenset(action.app for step in change.spec.steps for action in step.actions)


def open_changes(store: Store[MarathonDeployment]) -> list[MarathonDeployment]:
    """What has been accepted and has not ended, in the order of acceptance."""
    return [change for change in log_of(store) if change.open]


def in_log(change: MarathonDeployment) -> bool:
    """Whether its name is a number of the log: what somebody made by hand may be called anything."""
    return _NAME.fullmatch(change.metadata.name) is not None


def log_of(store: Store[MarathonDeployment]) -> list[MarathonDeployment]:
    """All that is kept of the log, oldest first. An object whose name is no number of it is not part of it."""
    numbered = (change for change in store.values() if in_log(change))
    return sorted(numbered, key=lambda change: change.sequence)


def listed(changes: Iterable[MarathonDeployment]) -> list[MarathonDeployment]:
    """The open changes that are deployments: with steps, and not cancelled by a later one."""
    changes = list(changes)
    cancelled = {deployment_id for change in changes for deployment_id in change.spec.cancels}
    return [change for change in changes if change.spec.steps and change.spec.id not in cancelled]


def locked_by(changes: Iterable[MarathonDeployment], app_ids: Collection[str]) -> list[str]:
    """The ids of the deployments among these open changes that hold any of the apps."""
    wanted = frozenset(app_ids)
    return [change.spec.id for change in listed(changes) if wanted & affected_apps(change)]


def cancelled_by(change: MarathonDeployment, changes: Iterable[MarathonDeployment]) -> list[MarathonDeployment]:
    """The open changes that end because of this one: those it cancels, and those that a cancelled one was to cancel."""
    earlier = [other for other in changes if other.sequence < change.sequence]
    ids = set(change.spec.cancels)
    for other in sorted(earlier, key=lambda c: c.sequence, reverse=True):
        if other.spec.id in ids:
            ids.update(other.spec.cancels)
    return [other for other in earlier if other.spec.id in ids]
