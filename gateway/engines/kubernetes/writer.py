"""Turns an edit of the apps into one accepted change: validated, ordered, durable (design D2).

A change is one MarathonDeployment whose name is the next number of the log. Creating it is also the compare-and-swap: if
another replica took the number, this one catches up, computes the edit again on what is there now and tries the next.
The changes of one replica take turns, first come first served, so that they never race each other for a number.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import msgspec

from gateway.clock import Clock, timestamp
from gateway.engines.engine import Accepted, App
from gateway.engines.errors import AppLocked, EngineUnavailable, TooManyDeployments
from gateway.engines.kubernetes.group_records import ancestors
from gateway.engines.kubernetes.root import Root
from gateway.kubernetes.cluster import Cluster
from gateway.kubernetes.errors import AlreadyExists, Invalid, KubernetesError
from gateway.kubernetes.resources import CHANGES
from gateway.rollouts.changes import encode_changes, locked_by, open_changes
from gateway.rollouts.plan import plan
from translators.kubernetes.objects import (
    GROUP,
    VERSION,
    AppChange,
    AppRecord,
    ChangeSpec,
    GroupChange,
    GroupRecord,
    MarathonDeployment,
    Step,
)
from translators.marathon.errors import BadRequest

__all__ = ["Edit", "Refusals", "Wanted", "Writer"]

_ATTEMPTS = 20
_CATCH_UP_S = 10.0  # a client waits for an answer that long
_TURN_S = 30.0  # longer than a write may take: behind a server that hangs nobody waits for more than one other
_LOCKED = (
    "App is locked by one or more deployments. Override with the option '?force=true'. "
    "View details at '/v2/deployments/<DEPLOYMENT_ID>'."
)
_MAX_CHANGE_BYTES = 1_400_000  # etcd takes 1.5 MiB in one request, beyond which the API server answers a bare 500
_OLD_CRDS = "the custom resource definitions are of an older version, apply the output of `mgw manifests`"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an app shall be. `config_version` names the configuration where it is not simply kept or new:

    an earlier one that is restored (its Deployment may still be there), or None to let the writer decide.
    `restart` gives an unchanged definition a new configuration.
    """

    definition: Mapping[str, Any]
    restart: bool = False
    config_version: str | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """What a request wants of the apps and groups: None removes one. `kill` are pod uids that a scale-down shall take."""

    apps: Mapping[str, Wanted | None] = field(default_factory=dict)
    groups: Mapping[str, GroupRecord | None] = field(default_factory=dict)
    cancels: Sequence[str] = ()
    kill: Sequence[str] = ()
    created: bool = False


class Refusals(Protocol):
    """Is told of changes that were not accepted, for the event stream."""

    def refused(self, group_id: str, version: str, reason: str, steps: Sequence[Step] = ()) -> None: ...


class Writer:
    """Accepts changes. Any replica may."""

    def __init__(
        self,
        cluster: Cluster,
        root: Root,
        *,
        clock: Clock,
        max_running_deployments: int,
        same_config: Callable[[Mapping[str, Any], Mapping[str, Any]], bool],
        refusals: Refusals | None = None,
    ) -> None:
        self._cluster = cluster
        self._root = root
        self._clock = clock
        self._limit = max_running_deployments
        self._same_config = same_config
        self._refusals = refusals
        self._turns = asyncio.Lock()

    async def change(self, edit: Callable[[], Edit], *, force: bool, origin: Mapping[str, str]) -> Accepted:
        """Makes `edit` durable and visible to the next read of this replica.

        `edit` is computed on the present root, again for every attempt, and may raise what it likes.
        Raises AppLocked, TooManyDeployments, EngineUnavailable, BadRequest (a change too large for one object).
        """
        async with self._turn():
            for _ in range(_ATTEMPTS):
                wanted = edit()
                sequence = self._root.highest_sequence + 1
                spec = self._spec(wanted, force=force, origin=origin)
                try:
                    made = await self._cluster.create(CHANGES, _object(sequence, spec))
                except AlreadyExists:
                    await self._catch_up(sequence)
                    continue
                except Invalid as error:
                    raise BadRequest(f"The change was refused by the cluster: {error.message}", 422) from error
                except KubernetesError as error:
                    raise EngineUnavailable(f"The change could not be stored: {error.message}") from error
                if made.spec.groups != spec.groups:
                    log.error("%s: what it does to groups was not kept: %s", made.metadata.name, _OLD_CRDS)
                return Accepted(spec.id, spec.version, created=wanted.created)
        raise EngineUnavailable(f"{_ATTEMPTS} other changes were faster. Try again.")

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_TURN_S):
                await self._turns.acquire()
        except TimeoutError:
            raise EngineUnavailable("The changes before this one are not stored yet. Try again.") from None
        try:
            yield
        finally:
            self._turns.release()

    def steps(self, edit: Edit) -> tuple[Step, ...]:
        """What the edit would do, without doing it."""
        return self._steps(self._app_changes(edit, self._next_version()), self._group_changes(edit))

    def _app_changes(self, edit: Edit, version: str) -> list[AppChange]:
        changes = [self._app_change(app_id, wanted, version) for app_id, wanted in edit.apps.items()]
        return [change for change in changes if change.before != change.after]

    def _group_changes(self, edit: Edit) -> list[GroupChange]:
        """Groups that anything is put into or taken out of get a record: they stay when they are empty."""
        known = self._root.groups
        wanted: dict[str, GroupRecord | None] = dict(edit.groups)
        made = (group for group, record in edit.groups.items() if record is not None)
        for group in dict.fromkeys(group for item in (*edit.apps, *made) for group in ancestors(item)):
            if group not in known:
                wanted.setdefault(group, GroupRecord())
        changes = [GroupChange(id=group, before=known.get(group), after=record) for group, record in wanted.items()]
        return [change for change in changes if change.before != change.after]

    def _steps(self, changes: Sequence[AppChange], groups: Sequence[GroupChange]) -> tuple[Step, ...]:
        records = {**self._root.groups, **{change.id: change.after for change in groups}}
        return plan(
            {c.id: c.before for c in changes if c.before},
            {c.id: c.after for c in changes if c.after},
            others=self._root.records,
            groups={group: record.dependencies for group, record in records.items() if record and record.dependencies},
        )

    def _spec(self, edit: Edit, *, force: bool, origin: Mapping[str, str]) -> ChangeSpec:
        version = self._next_version()
        changes = self._app_changes(edit, version)
        groups = self._group_changes(edit)
        steps = self._steps(changes, groups)
        open_ = open_changes(self._cluster.changes)
        conflicts = [i for i in locked_by(open_, {c.id for c in changes}) if i not in edit.cancels]
        origin = {**origin, "groupId": origin.get("groupId", "/")}
        if steps and sum(1 for change in open_ if change.spec.steps) >= self._limit:
            raise TooManyDeployments(self._limit)
        if conflicts and not force:
            if self._refusals:
                self._refusals.refused(origin["groupId"], version, _LOCKED, steps)
            raise AppLocked(conflicts)
        return ChangeSpec(
            id=str(uuid.uuid4()),
            version=version,
            force=force,
            apps=encode_changes(changes),
            groups=encode_changes(groups),
            steps=list(steps),
            cancels=[*edit.cancels, *conflicts],
            kill=list(edit.kill),
            origin=dict(origin),
        )

    def _app_change(self, app_id: str, wanted: Wanted | None, version: str) -> AppChange:
        before = self._root.records.get(app_id)
        if wanted is None:
            return AppChange(id=app_id, before=before, after=None)
        return AppChange(
            id=app_id, before=before, after=self._record(before, self._root.apps.get(app_id), wanted, version)
        )

    def _record(self, before: AppRecord | None, app: App | None, wanted: Wanted, version: str) -> AppRecord:
        definition = msgspec.json.encode(dict(wanted.definition)).decode()
        new = AppRecord(definition=definition, version=version, lastScalingAt=version, lastConfigChangeAt=version)
        if before is None or app is None:
            return new
        if wanted.config_version:
            return msgspec.structs.replace(new, lastConfigChangeAt=wanted.config_version)
        if wanted.restart:
            return msgspec.structs.replace(new, lastScalingAt=before.lastScalingAt)
        if not self._same_config(app.definition, wanted.definition):
            return new
        if app.definition.get("instances") == wanted.definition.get("instances"):
            return before
        return msgspec.structs.replace(new, lastConfigChangeAt=before.lastConfigChangeAt)

    def _next_version(self) -> str:
        """Now, and later than every version there was: versions are never equal and only grow."""
        newest = self._root.version
        now = timestamp(self._clock.time())
        if now > newest:
            return now
        return timestamp(datetime.fromisoformat(newest).timestamp() + 0.0015)

    async def _catch_up(self, sequence: int) -> None:
        """Waits, bounded, until this replica knows the change that was faster. After an outage its watch may be late."""
        deadline = self._clock.monotonic() + _CATCH_UP_S
        while self._root.highest_sequence < sequence:
            if self._clock.monotonic() >= deadline:
                log.warning("change %s exists on the cluster but has not been seen for %s s", sequence, _CATCH_UP_S)
                return
            await self._clock.sleep(0.02)


def _object(sequence: int, spec: ChangeSpec) -> Mapping[str, Any]:
    size = len(spec.apps) + len(spec.groups)
    if size > _MAX_CHANGE_BYTES:
        raise BadRequest(
            f"The change is too large for one object ({size} of {_MAX_CHANGE_BYTES} bytes). Split it.", 413
        )
    change = MarathonDeployment(spec=spec)
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "MarathonDeployment",
        "metadata": {
            "name": f"change-{sequence:010d}",
            "labels": {"app.kubernetes.io/managed-by": "marathon-gateway", f"{GROUP}/deployment-id": spec.id},
        },
        "spec": msgspec.to_builtins(change.spec),
    }
