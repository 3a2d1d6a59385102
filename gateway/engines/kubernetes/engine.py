"""The Engine that keeps apps on Kubernetes: reads from the folded root and the pods, writes through the change log."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from gateway.clock import Clock
from gateway.engines.engine import Accepted, App, DeploymentView, Origin, QueueItem, Tree
from gateway.engines.errors import (
    AppExists,
    EngineUnavailable,
    UnknownApp,
    UnknownDeployment,
    UnknownGroup,
    UnknownVersion,
)
from gateway.engines.kubernetes.edits import Edits, Target
from gateway.engines.kubernetes.group_edits import deleted
from gateway.engines.kubernetes.groups import is_top, read_patch
from gateway.engines.kubernetes.queue import held, queue_item
from gateway.engines.kubernetes.root import Root, app_of
from gateway.engines.kubernetes.writer import Edit, Refusals, Wanted, Writer
from gateway.kubernetes.cluster import Changed, Cluster
from gateway.kubernetes.errors import KubernetesError, NotFound
from gateway.kubernetes.resources import APPS, CHANGES, PODS, REVISIONS
from gateway.rollouts.changes import listed, locked_by, open_changes, readable_changes
from gateway.rollouts.instances import Instances
from translators.kubernetes.instances import Instance, TaskFailure
from translators.kubernetes.names import app_object_name, revision_name
from translators.kubernetes.objects import GROUP, AppRecord, GroupRecord, MarathonDeployment, Pod, Step
from translators.kubernetes.platform import Platform
from translators.kubernetes.support import warnings
from translators.marathon import (
    AppUpdate,
    Rules,
    config_differs,
    read_app,
    read_app_list_update,
    read_app_update,
)
from translators.marathon.errors import BadRequest, Detail, InvalidDefinition
from translators.marathon.paths import absolute_id

__all__ = ["KubernetesEngine", "Leadership"]

log = logging.getLogger(__name__)

_NOTE = f"simulator.{GROUP}/note"


class Leadership(Protocol):
    """Who runs rollouts, as this replica sees it: the Lease's election in a running gateway."""

    def leader(self) -> str | None: ...

    async def abdicate(self) -> None: ...


class KubernetesEngine:
    """See gateway.engines.engine.Engine for what each method guarantees."""

    def __init__(
        self,
        cluster: Cluster,
        instances: Instances,
        *,
        rules: Rules,
        platform: Platform,
        clock: Clock,
        leadership: Leadership,
        max_running_deployments: int = 100,
        refused: Refusals | None = None,
    ) -> None:
        self._cluster = cluster
        self._instances = instances
        self._rules = rules
        self._platform = platform
        self._clock = clock
        self._leadership = leadership
        self._root = Root(cluster)
        self._edits = Edits(self._root, rules=rules, platform=platform)
        self._writer = Writer(
            cluster,
            self._root,
            clock=clock,
            max_running_deployments=max_running_deployments,
            same_config=lambda before, after: not config_differs(before, after),
            refusals=refused,
        )
        self._warnings: dict[str, tuple[str, tuple[str, ...]]] = {}
        instances.subscribe(self._instance_changed)
        cluster.subscribe(self._cluster_changed)

    # Reads

    @property
    def synced(self) -> bool:
        return self._cluster.synced

    def apps(self) -> Sequence[App]:
        self._require_sync()
        return self._root.sorted()

    def app(self, app_id: str) -> App | None:
        self._require_sync()
        return self._root.apps.get(app_id)

    def generation(self, app_id: str) -> int:
        return self._root.generations[app_id]

    def instances(self, app_id: str) -> Sequence[Instance]:
        return self._instances.of(app_id)

    def instance_of_task(self, task_id: str) -> Instance | None:
        instance = self._instances.of_task(task_id)
        return instance if instance and instance.app_id in self._root.apps else None

    def last_task_failure(self, app_id: str) -> TaskFailure | None:
        """The newer of what the runner has stored and what a pod tells right now."""
        found = [i.failure for i in self._instances.of(app_id) if i.failure]
        stored = self._root.stored(app_id)
        if stored and stored.status.lastTaskFailure:
            found.append(TaskFailure(**stored.status.lastTaskFailure))
        return max(found, key=lambda failure: failure.timestamp, default=None)

    def warnings(self, app_id: str) -> Sequence[str]:
        app = self._root.apps.get(app_id)
        if app is None:
            return ()
        version, known = self._warnings.get(app_id, ("", ()))
        if version != app.version:
            known = tuple(warnings(app.definition, self._platform))
            self._warnings[app_id] = (app.version, known)
        notes = {self._instances.annotation(i.uid, _NOTE) for i in self._instances.of(app_id)}
        return [*known, *sorted(note for note in notes if note)]

    def deployments(self) -> Sequence[DeploymentView]:
        self._require_sync()
        return [_view(change) for change in self._listed()]

    def deployments_of(self, app_id: str) -> Sequence[str]:
        return locked_by(self._listed(), {app_id})

    def queue(self) -> Sequence[QueueItem]:
        now = self._clock.time()
        items = (queue_item(app, self._instances.of(app.id), now) for app in self.apps())
        return [item for item in items if item]

    def versions(self, app_id: str) -> Sequence[str]:
        self._require_sync()
        app = self._root.apps.get(app_id)
        if app is None:
            raise UnknownApp(app_id)
        stored = self._root.stored(app_id)
        known = {*(stored.spec.versions if stored else ()), *self._logged(app_id), app.version}
        return sorted(known, reverse=True)

    async def app_at(self, app_id: str, version: str) -> App:
        self._require_sync()
        app = self._root.apps.get(app_id)
        if app is None:
            raise UnknownApp(app_id)
        record = self._logged(app_id).get(version)
        if app.version == version:
            return app
        if record is None:
            record = await self._revision(app_id, version)
        return app_of(app_id, record)

    def tree(self) -> Tree:
        self._require_sync()
        return self._root.tree()

    def has_group(self, group_id: str) -> bool:
        self._require_sync()
        return self._root.has_group(group_id)

    def group_versions(self, group_id: str) -> Sequence[str]:
        self._require_sync()
        return self._root.group_versions(group_id)

    def tree_at(self, version: str) -> Tree | None:
        self._require_sync()
        return self._root.tree_at(version)

    def leader(self) -> str | None:
        return self._leadership.leader()

    async def abdicate(self) -> None:
        await self._leadership.abdicate()

    # Writes

    async def create_app(self, source: object, *, force: bool, origin: Origin) -> Accepted:
        self._require_sync()
        definition = read_app(source, rules=self._edits.rules_of(_written_id(source)))
        app_id = str(definition["id"])

        def edit() -> Edit:
            if app_id in self._root.apps:
                raise AppExists(app_id)
            return self._edits.wanted({app_id: definition}, created=True)

        accepted = await self._writer.change(edit, force=force, origin=_origin(origin, app_id))
        app = App(app_id, definition, accepted.version, accepted.version, accepted.version)
        return replace(accepted, app=app)

    async def update_app(
        self, app_id: str, source: object, *, force: bool, partial: bool, origin: Origin, create: bool = True
    ) -> Accepted:
        self._require_sync()
        if app_id not in self._root.apps:
            read_app(
                source, rules=self._edits.rules_of(app_id), app_id=app_id
            )  # a missing app is first read as a new one
            if not create:
                raise UnknownApp(app_id)
        update = read_app_update(source, rules=self._rules, app_id=app_id)
        target = await self._with_version(Target(app_id, update))
        return await self._writer.change(
            lambda: self._edits.update([target], partial=partial), force=force, origin=_origin(origin, app_id)
        )

    async def update_apps(self, sources: object, *, force: bool, partial: bool, create: bool) -> Accepted:
        self._require_sync()
        updates = read_app_list_update(sources, rules=self._rules)
        targets = [await self._with_version(Target(update.id, update)) for update in updates]

        def edit() -> Edit:
            for target in targets:
                if not create and target.app_id not in self._root.apps:
                    raise UnknownApp(target.app_id)
            return self._edits.update(targets, partial=partial)

        return await self._writer.change(edit, force=force, origin={"groupId": "/"})

    async def delete_app(self, app_id: str, *, force: bool) -> Accepted:
        self._require_sync()

        def edit() -> Edit:
            self._existing(app_id)
            return Edit({app_id: None})

        return await self._writer.change(edit, force=force, origin={"groupId": _parent(app_id)})

    async def create_group(self, group_id: str, source: object, *, force: bool) -> tuple[Accepted, str]:
        self._require_sync()
        body = self._edits.read_group(group_id, source)

        def edit() -> Edit:
            if body.id in self._root.apps:
                raise BadRequest(f"An app with the path {body.id} already exists.", 409)
            if self.has_group(body.id):
                raise BadRequest(f"Group {body.id} is already created. Use PUT to change this group.", 409)
            return self._edits.group(body)

        accepted = await self._writer.change(edit, force=force, origin={"groupId": _parent(body.id)})
        return accepted, body.id

    async def update_group(self, group_id: str, source: object, *, force: bool) -> Accepted:
        self._require_sync()
        body = self._edits.read_group(group_id, source)
        return await self._writer.change(
            lambda: self._edits.group(body), force=force, origin={"groupId": _parent(body.id)}
        )

    def plan_group(self, group_id: str, source: object) -> Sequence[Step]:
        self._require_sync()
        return self._writer.steps(self._edits.group(self._edits.read_group(group_id, source)))

    async def patch_group(self, group_id: str, source: object) -> None:
        self._require_sync()
        enforce = read_patch(source)
        if not self.has_group(group_id):
            raise UnknownGroup(group_id)
        if not is_top(group_id):
            raise InvalidDefinition([Detail("/", ("Path needs to be top-level",))])
        if enforce is None or enforce == self._root.groups.get(group_id, GroupRecord()).enforceRole:
            return

        def edit() -> Edit:
            before = self._root.groups.get(group_id, GroupRecord())
            return Edit(groups={group_id: GroupRecord(dependencies=before.dependencies, enforceRole=enforce)})

        await self._writer.change(edit, force=False, origin={"quiet": "true"})

    async def delete_group(self, group_id: str, *, force: bool) -> Accepted:
        self._require_sync()
        return await self._writer.change(
            lambda: self._edits.goal(deleted(group_id, self._root.tree())),
            force=force,
            origin={"groupId": _parent(group_id)},
        )

    async def restart_app(self, app_id: str, *, force: bool) -> Accepted:
        self._require_sync()
        return await self._writer.change(
            lambda: Edit({app_id: Wanted(self._existing(app_id).definition, restart=True)}),
            force=force,
            origin={"groupId": _parent(app_id)},
        )

    async def kill(
        self, instances: Sequence[Instance], *, app_id: str, scale: bool, wipe: bool, force: bool
    ) -> Accepted | None:
        self._require_sync()
        if scale:
            return await self._kill_and_scale(instances, app_id, force=force)
        for instance in instances:
            await self._delete_pod(instance)
        return None

    async def cancel(self, deployment_id: str, *, force: bool) -> Accepted | None:
        self._require_sync()

        def edit() -> Edit:
            change = next((c for c in self._listed() if c.spec.id == deployment_id), None)
            if change is None:
                raise UnknownDeployment(deployment_id)
            return Edit(cancels=[deployment_id]) if force else self._edits.rollback(change)

        accepted = await self._writer.change(edit, force=True, origin={"groupId": "/"})
        return None if force else accepted

    async def reset_delay(self, app_id: str) -> None:
        app = self.app(app_id)
        now = self._clock.time()
        if app is None or queue_item(app, self._instances.of(app_id), now) is None:
            raise UnknownApp(app_id)
        for instance in self._instances.of(app_id):
            if (instance.delay_s or held(instance, now)) and not instance.deleting:
                await self._delete_pod(instance)

    # How

    def _require_sync(self) -> None:
        if not self._cluster.synced:
            raise EngineUnavailable("The Kubernetes API has not been read yet. Try again.")

    def _existing(self, app_id: str) -> App:
        app = self._root.apps.get(app_id)
        if app is None:
            raise UnknownApp(app_id)
        return app

    def _listed(self) -> list[MarathonDeployment]:
        return listed(open_changes(self._cluster.changes))

    async def _with_version(self, target: Target) -> Target:
        """`{"version": …}` means: the definition the app had then."""
        if target.update.version is None:
            return target
        app = await self.app_at(target.app_id, target.update.version)
        return replace(target, update=AppUpdate(target.app_id, dict(app.definition), dict(app.definition)))

    async def _kill_and_scale(self, instances: Sequence[Instance], group_of: str, *, force: bool) -> Accepted:
        def edit() -> Edit:
            wanted: dict[str, Wanted | None] = {}
            for app_id in {instance.app_id for instance in instances}:
                app = self._existing(app_id)
                fewer = sum(1 for i in instances if i.app_id == app_id and i.active and not i.deleting)
                left = max(0, app.instances - fewer)
                wanted[app_id] = Wanted({**app.definition, "instances": left})
            return Edit(wanted, kill=[instance.uid for instance in instances])

        return await self._writer.change(edit, force=force, origin={"groupId": _parent(group_of)})

    async def _delete_pod(self, instance: Instance) -> None:
        """Ends one instance; its ReplicaSet makes the next. The mark tells every replica that the end was wanted."""
        try:
            await self._cluster.patch(
                PODS,
                instance.pod,
                {"metadata": {"uid": instance.uid, "annotations": {f"{GROUP}/kill": "killed by API"}}},
            )
            await self._cluster.delete(PODS, instance.pod, uid=instance.uid)
        except NotFound:
            return
        except KubernetesError as error:
            raise EngineUnavailable(f"Task {instance.task_id} could not be killed: {error.message}") from error

    def _logged(self, app_id: str) -> dict[str, AppRecord]:
        """The versions of an app that are in the change log: those before a deletion, and those not stored yet."""
        found = {}
        for change in self._cluster.changes.values():
            for edit in readable_changes(change):
                if edit.id == app_id and edit.after:
                    found[edit.after.version] = edit.after
        return found

    async def _revision(self, app_id: str, version: str) -> AppRecord:
        try:
            revision = await self._cluster.get(REVISIONS, revision_name(app_object_name(app_id), version))
        except NotFound as error:
            raise UnknownVersion(app_id, version) from error
        except KubernetesError as error:
            raise EngineUnavailable(f"Version {version} of {app_id} could not be read: {error.message}") from error
        return revision.record

    def _instance_changed(self, before: Instance | None, after: Instance | None, _pod: Pod | None) -> None:
        instance = after or before
        if instance:
            self._root.touch(instance.app_id)

    def _cluster_changed(self, event: Changed) -> None:
        if event.resource is APPS and event.after is None and event.before is not None:
            self._warnings.pop(event.before.spec.id, None)
        elif event.resource is CHANGES:
            change: MarathonDeployment = event.after or event.before  # type: ignore[assignment]
            for deployment_id in change.spec.cancels:
                self._touch_deployment(deployment_id)

    def _touch_deployment(self, deployment_id: str) -> None:
        for change in self._cluster.changes.values():
            if change.spec.id == deployment_id:
                for edit in readable_changes(change):
                    self._root.touch(edit.id)


def _view(change: MarathonDeployment) -> DeploymentView:
    affected = dict.fromkeys(action.app for step in change.spec.steps for action in step.actions)
    return DeploymentView(
        id=change.spec.id,
        version=change.spec.version,
        steps=tuple(change.spec.steps),
        current_step=change.status.currentStep,
        affected_apps=tuple(affected),
    )


def _origin(origin: Origin, app_id: str) -> dict[str, str]:
    return {"uri": origin.uri, "clientIp": origin.client_ip, "apiPost": app_id, "groupId": _parent(app_id)}


def _parent(app_id: str) -> str:
    return app_id.rpartition("/")[0] or "/"


def _written_id(source: object) -> str:
    written = source.get("id") if isinstance(source, dict) else None
    return absolute_id(written) if isinstance(written, str) else "/"
