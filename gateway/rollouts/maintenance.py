"""What keeps the cluster as wanted outside of deployments: scale put right, ended pods removed, failures noted, history pruned."""

import asyncio
import logging
from datetime import datetime
from typing import Any

import msgspec

from gateway.clock import Clock
from gateway.kubernetes.cluster import Changed, Cluster
from gateway.kubernetes.errors import Conflict, KubernetesError, NotFound
from gateway.kubernetes.resources import APPS, CHANGES, DEPLOYMENTS, PODS
from gateway.rollouts.actions import scale
from gateway.rollouts.apps import AppWrites
from gateway.rollouts.changes import log_of, open_changes, readable_groups, touched_apps
from gateway.rollouts.instances import Instances
from translators.kubernetes.instances import Instance, TaskFailure
from translators.kubernetes.names import app_object_name
from translators.kubernetes.objects import GROUP, Begun, Deployment, MarathonApp, Pod

__all__ = ["Maintenance"]

_EVERY_S = 30.0
_SOON_S = 1.0
_CHANGES_KEPT = 50  # Marathon's zk_max_versions

log = logging.getLogger(__name__)


class Maintenance:
    """`run` while leading. Looks at an app soon after something about it changed, and at everything every 30 s."""

    def __init__(
        self, cluster: Cluster, instances: Instances, apps: AppWrites, *, clock: Clock, retention_s: float
    ) -> None:
        self._cluster = cluster
        self._instances = instances
        self._apps = apps
        self._clock = clock
        self._retention_s = retention_s
        self._dirty: set[str] = set()
        self._failures: dict[str, TaskFailure] = {}  # of pods that may be gone before their app is looked at
        self._locked_apps: frozenset[str] | None = None
        self._wake = asyncio.Event()

    async def run(self) -> None:
        self._locked_apps = None
        unsubscribe = [self._cluster.subscribe(self._changed), self._instances.subscribe(self._instance_changed)]
        sweep = asyncio.create_task(self._sweeps())
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._clock.sleep(_SOON_S)
                if not self._cluster.synced:
                    self._wake.set()  # what is not read yet must not be taken for absent
                    continue
                dirty, self._dirty = self._dirty, set()
                for app_id in sorted(dirty):
                    await self._guarded(app_id)
                    await asyncio.sleep(0)  # thousands of apps with nothing to do must not hold the loop
        finally:
            sweep.cancel()
            await asyncio.gather(sweep, return_exceptions=True)
            for stop_listening in unsubscribe:
                stop_listening()

    async def _sweeps(self) -> None:
        while True:
            if self._cluster.synced:
                self._mark(*(app.spec.id for app in self._cluster.apps.values()))
                self._mark(*(_app_id(d) for d in self._cluster.deployments.values()))
                self._mark(*(_app_id(p) for p in self._cluster.pods.values()))
                try:
                    await self._prune()
                except KubernetesError as error:
                    log.warning("finished changes could not be pruned: %s", error)
                except Exception:
                    log.exception("finished changes could not be pruned")
            await self._clock.sleep(_EVERY_S)

    async def _guarded(self, app_id: str) -> None:
        """One app's trouble is its own; it is looked at again with the next sweep."""
        try:
            await self._look_at(app_id)
        except (Conflict, NotFound):
            self._mark(app_id)
        except KubernetesError as error:
            log.warning("maintenance of %s: %s", app_id, error)
        except Exception:
            log.exception("maintenance of %s", app_id)

    async def _look_at(self, app_id: str) -> None:
        app = self._apps.stored(app_id)
        if app is not None:
            await self._note_failure(app)
        await self._remove_ended_pods(app_id)
        if app_id in self._locked():
            return  # its deployment decides
        if app is not None:
            await self._put_right(app)
            await self.remove_empty_deployments(app_id)
        else:
            await self._remove_orphans(app_id)

    async def _remove_orphans(self, app_id: str) -> None:
        orphans = [d for d in self._apps.deployments(app_id) if not d.metadata.deletionTimestamp]
        if not orphans or await self._app_now(app_id) is not None:
            return
        for deployment in orphans:
            log.warning("Deployment %s belongs to no app; removed", deployment.metadata.name)
            await self._apps.delete_deployment(deployment.metadata.name)

    async def _app_now(self, app_id: str) -> MarathonApp | None:
        """Asks the API server: each resource has its own watch, and that of the apps may be behind the others."""
        try:
            return await self._cluster.get(APPS, app_object_name(app_id))
        except NotFound:
            return None

    def _locked(self) -> frozenset[str]:
        if self._locked_apps is None:
            self._locked_apps = frozenset().union(*(touched_apps(c) for c in open_changes(self._cluster.changes)))
        return self._locked_apps

    async def _put_right(self, app: MarathonApp) -> None:
        """Somebody scaled or deleted a Deployment: the record wins."""
        state = self._apps.state(app.spec.id)
        goal = self._apps.goal(app.spec.id, app.spec.record)
        if sum(state.replicas.values()) == goal.instances and goal.deployment in state.replicas:
            return
        if goal.instances == 0 and not state.replicas:
            return
        decision = scale(goal, state, Begun(old=goal.instances))
        if decision.create or decision.replicas:
            now = await self._app_now(app.spec.id)
            if now is None or now.spec.sequence != app.spec.sequence:
                self._mark(app.spec.id)
                return
            log.warning(
                "%s has %s of %s instances on its Deployments; put right",
                app.spec.id,
                dict(state.replicas),
                goal.instances,
            )
            await self._apps.carry_out(app.spec.id, app.spec.record, decision, seen=state, reason="scale maintenance")
            self._mark(app.spec.id)

    async def remove_empty_deployments(self, app_id: str) -> None:
        """Deployments of earlier configurations go once they want no pod and their last pod object is gone."""
        app = self._apps.stored(app_id)
        keep = self._apps.goal(app_id, app.spec.record).deployment if app else ""
        used = {i.config_version for i in self._instances.of(app_id)}
        for deployment in self._apps.deployments(app_id):
            version = deployment.metadata.annotations.get(f"{GROUP}/config-version", "")
            empty = deployment.spec.replicas == 0 and version not in used
            if empty and deployment.metadata.name != keep and not deployment.metadata.deletionTimestamp:
                await self._apps.delete_deployment(deployment.metadata.name)

    async def _remove_ended_pods(self, app_id: str) -> None:
        for instance in self._instances.of(app_id):
            pod = self._cluster.pods.get(instance.pod)
            if pod and pod.status.phase in ("Failed", "Succeeded") and not pod.metadata.deletionTimestamp:
                await self._apps.delete_pod(instance.pod, instance.uid)

    async def _note_failure(self, app: MarathonApp) -> None:
        """`lastTaskFailure` outlives the pod that failed."""
        failures = [i.failure for i in self._instances.of(app.spec.id) if i.failure]
        if seen := self._failures.pop(app.spec.id, None):
            failures.append(seen)
        newest = max(failures, key=lambda failure: failure.timestamp, default=None)
        stored = app.status.lastTaskFailure
        if newest is None or (stored and stored.get("timestamp", "") >= newest.timestamp):
            return
        status: dict[str, Any] = {"lastTaskFailure": msgspec.to_builtins(newest)}
        await self._cluster.patch(APPS, app.metadata.name, {"status": status}, subresource="status")

    async def _prune(self) -> None:
        """Finished changes go after the retention time; the newest stay: they are the versions that groups have had.

        One that removes a group stays as well while an older one is open, which may have made the group.
        """
        older_open = False
        for change in log_of(self._cluster.changes)[:-_CHANGES_KEPT]:
            finished = change.status.finishedAt
            older_open = older_open or change.open
            removes = any(group.after is None for group in readable_groups(change))
            if change.open or not finished or (older_open and removes):
                continue
            if self._clock.time() - datetime.fromisoformat(finished).timestamp() > self._retention_s:
                try:
                    await self._cluster.delete(CHANGES, change.metadata.name, uid=change.metadata.uid)
                except NotFound:
                    continue

    def _mark(self, *app_ids: str) -> None:
        self._dirty.update(app_id for app_id in app_ids if app_id)
        if self._dirty:
            self._wake.set()

    def _changed(self, event: Changed) -> None:
        if event.resource is CHANGES:
            self._locked_apps = None
        if event.resource is DEPLOYMENTS or event.resource is PODS:
            self._mark(_app_id(event.after or event.before))
        elif event.resource is CHANGES and event.after is not None and not event.after.open:
            self._mark(*touched_apps(event.after))

    def _instance_changed(self, before: Instance | None, after: Instance | None, _pod: Pod | None) -> None:
        instance = after or before
        if instance is None:
            return
        known = self._failures.get(instance.app_id)
        if instance.failure and (known is None or known.timestamp < instance.failure.timestamp):
            self._failures[instance.app_id] = instance.failure
        self._mark(instance.app_id)


def _app_id(item: Deployment | Pod | None) -> str:
    return item.metadata.annotations.get(f"{GROUP}/id", "") if item is not None else ""
