"""Carries accepted changes out, on the leader only (design D4).

One task drives each open change: it looks at what is there, decides, writes, and waits until something concerning it was
seen. Nothing is remembered that is not on the cluster, so a runner can be killed between any two writes and its successor
goes on. An error of one change is logged and retried with back-off (5 to 60 s) and never holds another up.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.clock import Clock, timestamp
from gateway.kubernetes.cluster import Changed, Cluster
from gateway.kubernetes.errors import Conflict, KubernetesError, NotFound
from gateway.kubernetes.resources import APPS, CHANGES, DEPLOYMENTS, PODS
from gateway.rollouts.apps import AppWrites
from gateway.rollouts.backoff import Backoff
from gateway.rollouts.changes import (
    cancelled_by,
    decode_changes,
    decode_groups,
    open_changes,
    readable_changes,
    readable_groups,
    touched_apps,
)
from gateway.rollouts.groups import GroupWrites
from gateway.rollouts.instances import Instances
from gateway.rollouts.maintenance import Maintenance
from gateway.rollouts.steps import Steps
from translators.kubernetes.instances import Instance
from translators.kubernetes.objects import MarathonDeployment, Pod
from translators.kubernetes.platform import Platform

__all__ = ["CANCELLED", "Runner"]

CANCELLED = "The upgrade has been cancelled"
_LOOK_AGAIN_S = 10.0  # a missed signal costs this much and no more

log = logging.getLogger(__name__)


class Runner:
    """`run` while leading; cancelling it is safe at any moment."""

    def __init__(
        self, cluster: Cluster, instances: Instances, *, platform: Platform, clock: Clock, retention_s: float = 3600.0
    ) -> None:
        self._cluster = cluster
        self._instances = instances
        self._clock = clock
        self._apps = AppWrites(cluster, instances, platform)
        self._groups = GroupWrites(cluster)
        self._steps = Steps(self._apps, clock=clock)
        self._maintenance = Maintenance(cluster, instances, self._apps, clock=clock, retention_s=retention_s)
        self._drivers: dict[str, asyncio.Task[None]] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        self._seen: dict[str, set[str] | None] = {}  # apps of a change that something was seen of; None: look at all
        self._by_app: dict[str, set[str]] = {}
        self._new_changes = asyncio.Event()

    async def run(self) -> None:
        unsubscribe = [self._cluster.subscribe(self._changed), self._instances.subscribe(self._instance_changed)]
        maintenance = asyncio.create_task(self._maintenance.run(), name="maintenance")
        try:
            await self._dispatch(maintenance)
        finally:
            for stop_listening in unsubscribe:
                stop_listening()
            tasks = [maintenance, *self._drivers.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._drivers.clear()
            self._wakes.clear()
            self._seen.clear()
            self._by_app.clear()

    async def _dispatch(self, maintenance: "asyncio.Task[None]") -> None:
        """Starts a driver for each open change, in the order of acceptance."""
        while True:
            self._new_changes.clear()
            if self._cluster.synced:
                changes = open_changes(self._cluster.changes)
                cancelled = {deployment_id for change in changes for deployment_id in change.spec.cancels}
                for change in changes:
                    if change.metadata.name not in self._drivers and change.spec.id not in cancelled:
                        self._start(change)
            if maintenance.done():
                maintenance.result()
            await self._woken(self._new_changes, _LOOK_AGAIN_S)

    def _start(self, change: MarathonDeployment) -> None:
        name = change.metadata.name
        self._wakes[name] = asyncio.Event()
        self._seen[name] = None
        for app_id in touched_apps(change):
            self._by_app.setdefault(app_id, set()).add(name)
        task = asyncio.create_task(self._drive(name), name=name)
        self._drivers[name] = task
        task.add_done_callback(lambda _: self._ended(name, touched_apps(change)))

    def _ended(self, name: str, app_ids: Iterable[str]) -> None:
        self._drivers.pop(name, None)
        self._wakes.pop(name, None)
        self._seen.pop(name, None)
        self._steps.forget(name)
        for app_id in app_ids:
            names = self._by_app.get(app_id, set())
            names.discard(name)
            if not names:
                self._by_app.pop(app_id, None)
        self._new_changes.set()

    async def _drive(self, name: str) -> None:
        conflicts = Backoff(self._clock, first_s=0.05, most_s=5.0)
        errors = Backoff(self._clock)
        while (change := self._cluster.changes.get(name)) is not None and change.open:
            try:
                wait_s = await self._advance(change)
            except (Conflict, NotFound):
                wait_s = conflicts.failed(name)
            except Exception as error:
                wait_s = errors.failed(name)
                details = not isinstance(error, KubernetesError)
                text = "deployment %s: %s; tried again in %s s"
                log.warning(text, change.spec.id, error, wait_s, exc_info=details)
                await self._clock.sleep(wait_s)
                continue
            else:
                conflicts.succeeded(name)
                errors.succeeded(name)
            if wait_s and not await self._woken(self._wakes[name], wait_s):
                self._seen[name] = None

    async def _woken(self, event: asyncio.Event, timeout_s: float) -> bool:
        waiting = asyncio.ensure_future(event.wait())
        tick = asyncio.ensure_future(self._clock.sleep(timeout_s))
        try:
            await asyncio.wait({waiting, tick}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            tick.cancel()
        return event.is_set()

    # One change

    async def _advance(self, change: MarathonDeployment) -> float:
        """Does the next thing. Answers for how long to wait if nothing happens, 0 if there is more to do now."""
        self._wakes[change.metadata.name].clear()
        if await self._cancel_others(change):
            return 0.0
        if not change.status.applied:
            await self._apply(change)
            return 0.0
        step = change.status.currentStep
        if step == 0:
            await self._next_step(change, 1)
            return 0.0
        if not self._steps.has_begun(change):
            await self._next_step(change, step)
            return 0.0
        seen, self._seen[change.metadata.name] = self._seen.get(change.metadata.name), set()
        progress = await self._steps.advance(change, seen)
        if progress.done:
            await self._next_step(change, step + 1)
        if progress.done or progress.again:
            return 0.0
        return min(_LOOK_AGAIN_S, progress.held_s or _LOOK_AGAIN_S)

    async def _cancel_others(self, change: MarathonDeployment) -> bool:
        """Ends the open changes that this one cancels. Their drivers are stopped first: no order follows the cancellation."""
        others = cancelled_by(change, open_changes(self._cluster.changes))
        for other in others:
            await self._stop_driver(other.metadata.name)
            await self._cancel(other, change)
        return bool(others)

    async def _stop_driver(self, name: str) -> None:
        driver = self._drivers.get(name)
        if driver is not None and driver is not asyncio.current_task():
            driver.cancel()
            await asyncio.wait([driver])

    async def _cancel(self, other: MarathonDeployment, by: MarathonDeployment) -> None:
        """What the cancelled change wanted stays wanted: its definitions are stored, what it removed stays removed."""
        taken_over = {edit.id for edit in readable_changes(by)}
        for edit in readable_changes(other):
            if edit.after is not None:
                await self._apps.store(edit.id, edit.after, other.sequence)
            elif edit.id not in taken_over:
                await self._apps.remove(edit.id, other.sequence)
        groups_taken_over = {group.id for group in readable_groups(by)}
        for group in readable_groups(other):
            if group.after is not None:
                await self._groups.store(group.id, group.after, other.sequence)
            elif group.id not in groups_taken_over:
                await self._groups.remove(group.id, other.sequence)
        await self._finish(other, "Failed", CANCELLED)

    async def _apply(self, change: MarathonDeployment) -> None:
        for edit in decode_changes(change.spec):
            if edit.after is not None:
                await self._apps.store(edit.id, edit.after, change.sequence)
        for group in decode_groups(change.spec):
            if group.after is not None:
                await self._groups.store(group.id, group.after, change.sequence)
        await self._patch(change, {"phase": "Running", "applied": True})

    async def _next_step(self, change: MarathonDeployment, step: int) -> None:
        self._steps.forget(change.metadata.name)
        if step > len(change.spec.steps):
            await self._end(change)
        else:
            await self._patch(change, self._steps.beginning(change, step))

    async def _end(self, change: MarathonDeployment) -> None:
        for edit in decode_changes(change.spec):
            await self._maintenance.remove_empty_deployments(edit.id)
        for group in decode_groups(change.spec):
            if group.after is None:
                await self._groups.remove(group.id, change.sequence)
        await self._finish(change, "Succeeded", "")

    async def _finish(self, change: MarathonDeployment, phase: str, reason: str) -> None:
        moment = timestamp(self._clock.time())
        await self._patch(change, {"phase": phase, "reason": reason, "finishedAt": moment, "applied": True})

    async def _patch(self, change: MarathonDeployment, status: Mapping[str, Any]) -> None:
        """With the version that the decision saw: two runners that overlap never write over each other."""
        known = self._cluster.changes.get(change.metadata.name) or change
        body = {"metadata": {"resourceVersion": known.metadata.resourceVersion}, "status": status}
        await self._cluster.patch(CHANGES, change.metadata.name, body, subresource="status")

    # Signals

    def _changed(self, event: Changed) -> None:
        if event.resource is CHANGES:
            if event.before is None or event.after is None or event.before.status.phase != event.after.status.phase:
                self._new_changes.set()
        elif event.resource in (DEPLOYMENTS, APPS, PODS):
            item: Any = event.after or event.before
            self._wake(item.metadata.annotations.get("marathon-gateway.io/id", ""))

    def _instance_changed(self, before: Instance | None, after: Instance | None, _pod: Pod | None) -> None:
        instance = after or before
        if instance is not None:
            self._wake(instance.app_id)

    def _wake(self, app_id: str) -> None:
        for name in self._by_app.get(app_id, ()):
            seen = self._seen.get(name)
            if seen is not None:
                seen.add(app_id)
            if wake := self._wakes.get(name):
                wake.set()
