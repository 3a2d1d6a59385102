"""The protocol between the API and whatever runs the apps.

Reads are synchronous and answer from memory; writes are coroutines that return once the change is durable and visible to
the next read of this replica. The API parses and renders, an engine decides: it knows locks, versions and placement, and
raises `gateway.engines.errors` and `translators.marathon.errors` and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from translators.kubernetes.instances import Instance, TaskFailure
from translators.kubernetes.objects import GroupRecord, Step

__all__ = ["Accepted", "App", "DeploymentView", "Engine", "Origin", "QueueItem", "Tree"]


@dataclass(frozen=True, slots=True)
class App:
    """One version of an app. `definition` is Marathon's canonical GET form without `version` and `versionInfo`."""

    id: str
    definition: Mapping[str, Any]
    version: str
    last_scaling_at: str
    last_config_change_at: str

    @property
    def instances(self) -> int:
        return int(self.definition["instances"])


@dataclass(frozen=True, slots=True)
class Tree:
    """One version of the root group: all apps and all groups, sorted by id. Every group has the version of the root."""

    version: str
    apps: Sequence[App]
    groups: Mapping[str, GroupRecord]


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """One running deployment as `/v2/deployments` lists it; `current_step` is 1-based, 0 before the first."""

    id: str
    version: str
    steps: tuple[Step, ...]
    current_step: int
    affected_apps: tuple[str, ...]
    readiness: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueueItem:
    """Instances of one app that are wanted and not running.

    `held` tells whether the back-off holds them, `delay_s` for how long still, rounded down. `reasons` counts, per Mesos reject reason
    (`InsufficientCpus`, `UnfulfilledConstraint` …), the nodes that the scheduler refused; `messages` are its own words,
    one for each node or pod it spoke about.
    """

    app: App
    count: int
    delay_s: int
    since: str
    held: bool = False
    reasons: Mapping[str, int] = field(default_factory=dict)
    nodes: int = 0
    messages: tuple[str, ...] = ()
    last_at: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change came from, for `api_post_event`: the request's path as sent, and the peer's address."""

    uri: str = ""
    client_ip: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A change that is durable. `created` tells whether a PUT made the app; `app` is set by create_app."""

    deployment_id: str
    version: str
    created: bool = False
    app: App | None = None


class Engine(Protocol):
    """Reads answer from memory; they raise EngineUnavailable until the first synchronisation is complete."""

    @property
    def synced(self) -> bool: ...

    def apps(self) -> Sequence[App]:
        """All apps, sorted by id."""
        ...

    def app(self, app_id: str) -> App | None: ...

    def generation(self, app_id: str) -> int:
        """Grows whenever anything that a rendered app shows has changed: its record, instances, deployments, failure."""
        ...

    def instances(self, app_id: str) -> Sequence[Instance]:
        """Sorted by creation. Includes those that have no task yet (`Scheduled`) and those being stopped."""
        ...

    def instance_of_task(self, task_id: str) -> Instance | None: ...

    def last_task_failure(self, app_id: str) -> TaskFailure | None: ...

    def warnings(self, app_id: str) -> Sequence[str]:
        """What the cluster does differently from what the definition says."""
        ...

    def deployments(self) -> Sequence[DeploymentView]: ...

    def deployments_of(self, app_id: str) -> Sequence[str]: ...

    def queue(self) -> Sequence[QueueItem]: ...

    def versions(self, app_id: str) -> Sequence[str]:
        """Newest first. Raises UnknownApp."""
        ...

    async def app_at(self, app_id: str, version: str) -> App:
        """Raises UnknownApp, UnknownVersion."""
        ...

    def tree(self) -> Tree:
        """The root group as it is wanted now."""
        ...

    def has_group(self, group_id: str) -> bool: ...

    def group_versions(self, group_id: str) -> Sequence[str]:
        """The versions at which the group was there, newest first, as far back as they are kept."""
        ...

    def tree_at(self, version: str) -> Tree | None:
        """The root group as it was, None for a version that is not known."""
        ...

    def leader(self) -> str | None:
        """`host:port` of the replica that runs rollouts."""
        ...

    async def abdicate(self) -> None: ...

    async def create_app(self, source: object, *, force: bool, origin: Origin) -> Accepted:
        """POST /v2/apps. `source` is the decoded JSON body."""
        ...

    async def update_app(
        self, app_id: str, source: object, *, force: bool, partial: bool, origin: Origin, create: bool = True
    ) -> Accepted:
        """PUT and PATCH of one app: merges, replaces (`partial=False`), rolls back to a version, or creates (`create`)."""
        ...

    async def update_apps(self, sources: object, *, force: bool, partial: bool, create: bool) -> Accepted:
        """PUT (`create=True`) and PATCH (`create=False`) of a list: one deployment for all."""
        ...

    async def delete_app(self, app_id: str, *, force: bool) -> Accepted: ...

    async def restart_app(self, app_id: str, *, force: bool) -> Accepted: ...

    async def kill(
        self, instances: Sequence[Instance], *, app_id: str, scale: bool, wipe: bool, force: bool
    ) -> Accepted | None:
        """Ends these instances. With `scale` their apps become smaller by as many: the deployment is returned.

        `app_id` is the app that the request named, or `/`.
        """
        ...

    async def cancel(self, deployment_id: str, *, force: bool) -> Accepted | None:
        """With `force` the deployment stops where it is (None is returned); without, its changes are rolled back."""
        ...

    async def reset_delay(self, app_id: str) -> None:
        """DELETE /v2/queue/{id}/delay. Raises UnknownApp where the queue has no such app."""
        ...

    async def create_group(self, group_id: str, source: object, *, force: bool) -> tuple[Accepted, str]:
        """POST of a group; answers its absolute id as well. Raises BadRequest (409) where it is there already."""
        ...

    async def update_group(self, group_id: str, source: object, *, force: bool) -> Accepted:
        """PUT: replaces the lists that are given, scales (`scaleBy`) or rolls back (`version`) the apps below."""
        ...

    async def patch_group(self, group_id: str, source: object) -> None:
        """PATCH: `enforceRole` of a top-level group. Raises UnknownGroup."""
        ...

    def plan_group(self, group_id: str, source: object) -> Sequence[Step]:
        """PUT with dryRun: the steps that update_group would take."""
        ...

    async def delete_group(self, group_id: str, *, force: bool) -> Accepted: ...
