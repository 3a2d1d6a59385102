"""Tells the event stream what happened: derives events from each difference that this replica sees, in order.

Nothing is told of what was there before the first synchronisation. A change that is refused leaves no object; its events
are told by the replica that refused it.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from events.catalogue import deployment_failed, group_change_failed
from events.derivation import derive_app, derive_change, derive_instance
from events.hub import Hub
from gateway.clock import Clock, timestamp
from gateway.kubernetes.cluster import Changed, Cluster
from gateway.kubernetes.resources import APPS, CHANGES
from gateway.rollouts.instances import Instances
from translators.kubernetes.instances import Instance
from translators.kubernetes.names import id_hash
from translators.kubernetes.objects import GROUP, ChangeSpec, Pod, Step

__all__ = ["Announcer"]

_KILL = f"{GROUP}/kill"


class Announcer:
    def __init__(self, cluster: Cluster, instances: Instances, hub: Hub, clock: Clock) -> None:
        self._cluster = cluster
        self._hub = hub
        self._clock = clock
        self._sentenced: set[str] = set()
        cluster.subscribe(self._changed)
        instances.subscribe(self._instance_changed)

    def refused(self, group_id: str, version: str, reason: str, steps: Sequence[Step] = ()) -> None:
        """A change was not accepted; a locked one would have been a deployment, which then failed."""
        now = self._now()
        self._hub.publish([group_change_failed(group_id, version, reason, now)])
        if steps:
            spec = ChangeSpec(id=str(uuid.uuid4()), version=version, steps=list(steps))
            self._hub.publish([deployment_failed(spec, reason, now)])

    def _changed(self, event: Changed) -> None:
        if not self._cluster.synced:
            return
        if event.resource is CHANGES:
            self._hub.publish(derive_change(event.before, event.after, self._now()))
        elif event.resource is APPS:
            self._hub.publish(derive_app(event.before, event.after, self._now()))

    def _instance_changed(self, before: Instance | None, after: Instance | None, pod: Pod | None) -> None:
        uid = (after or before).uid  # type: ignore[union-attr]
        marked = pod is not None and (_KILL in pod.metadata.annotations or bool(pod.metadata.deletionTimestamp))
        new_mark = marked and uid not in self._sentenced
        if new_mark:
            self._sentenced.add(uid)
        if after is None:
            self._sentenced.discard(uid)
        if not self._cluster.synced:
            return
        checks = self._checks(after) if after is not None and before is not None and after.healthy is False else ()
        sentenced = new_mark and before is not None and after is not None
        self._hub.publish(derive_instance(before, after, pod, sentenced=sentenced, checks=checks, now=self._now()))

    def _checks(self, instance: Instance) -> Sequence[Mapping[str, Any]]:
        for app in self._cluster.apps.by("id-hash", id_hash(instance.app_id)):
            if app.spec.id == instance.app_id:
                checks: Sequence[Mapping[str, Any]] = msgspec.json.decode(app.spec.record.definition).get(
                    "healthChecks", ()
                )
                return checks
        return ()

    def _now(self) -> str:
        return timestamp(self._clock.time())
