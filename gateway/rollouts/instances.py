"""The instances of all apps, derived from pods and kept current as the cluster changes.

One owner of the derivation for the runner, the API and the event stream, so that all three say the same of a pod.
Listeners are called synchronously with (before, after, the pod last seen), once for each real difference.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from gateway.clock import Clock, timestamp
from gateway.kubernetes.cluster import Changed, Cluster
from gateway.kubernetes.resources import EVENTS, NODES, PODS
from gateway.rollouts.changes import readable_changes
from translators.kubernetes.failures import TELLING
from translators.kubernetes.instances import Instance
from translators.kubernetes.names import id_hash
from translators.kubernetes.objects import GROUP, AppRecord, MarathonApp, Node, Pod
from translators.kubernetes.tasks import instance

__all__ = ["Instances", "Listener"]

Listener = Callable[[Instance | None, Instance | None, Pod | None], None]

_ID = f"{GROUP}/id"
_ID_HASH = f"{GROUP}/id-hash"
_CONFIG_VERSION = f"{GROUP}/config-version"


class Instances:
    """`style` is the form of task ids (setting `task_id_style`)."""

    def __init__(self, cluster: Cluster, *, clock: Clock, style: str = "marathon") -> None:
        self._cluster = cluster
        self._clock = clock
        self._style = style
        self._by_uid: dict[str, Instance] = {}
        self._by_app: dict[str, dict[str, Instance]] = {}
        self._by_task: dict[str, str] = {}
        self._listeners: list[Listener] = []
        cluster.subscribe(self._changed)
        for pod in cluster.pods.values():
            self._pod_seen(None, pod)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def of(self, app_id: str) -> Sequence[Instance]:
        """Oldest first."""
        return sorted(self._by_app.get(app_id, {}).values(), key=lambda i: (i.created_at, i.uid))

    def get(self, uid: str) -> Instance | None:
        return self._by_uid.get(uid)

    def of_task(self, task_id: str) -> Instance | None:
        return self._by_uid.get(self._by_task.get(task_id, ""))

    def annotation(self, uid: str, key: str) -> str:
        found = self._by_uid.get(uid)
        pod = self._cluster.pods.get(found.pod) if found else None
        return pod.metadata.annotations.get(key, "") if pod else ""

    def _changed(self, event: Changed) -> None:
        if event.resource is PODS:
            self._pod_seen(event.before, event.after)
        elif event.resource is NODES:
            node: Node = event.after or event.before  # type: ignore[assignment]
            for pod in self._cluster.pods.by("node", node.metadata.name):
                self._pod_seen(pod, pod)
        elif event.resource is EVENTS and event.after is not None and event.after.reason in TELLING:
            known = self._by_uid.get(event.after.involvedObject.uid)
            pod = self._cluster.pods.get(known.pod) if known else None
            if pod:
                self._pod_seen(pod, pod)

    def _pod_seen(self, before: Pod | None, after: Pod | None) -> None:
        pod = after or before
        if pod is None or not _ours(pod):
            return
        if before is not None and after is not None and before.metadata.uid != after.metadata.uid:
            self._keep(before, None)  # deleted and made again under the same name
        self._keep(pod, self._derive(pod) if after is not None and not _over(after) else None)

    def _derive(self, pod: Pod) -> Instance:
        app_id, config_version = pod.metadata.annotations[_ID], pod.metadata.annotations.get(_CONFIG_VERSION, "")
        known = self._by_uid.get(pod.metadata.uid)
        stored = self._stored(app_id)
        record = self._record(stored, app_id, config_version)
        derived = instance(
            pod,
            self._cluster.nodes.get(pod.spec.nodeName) if pod.spec.nodeName else None,
            app=_decoded(record.definition) if record else None,
            events=self._cluster.events.by("uid", pod.metadata.uid),
            before=known,
            now=timestamp(self._clock.time()),
            style=self._style,
        )
        version = known.version if known else self._launch_version(stored, config_version, derived)
        return msgspec.structs.replace(derived, version=version)

    def _record(self, stored: MarathonApp | None, app_id: str, config_version: str) -> AppRecord | None:
        """The definition that a configuration had, while anything still knows it."""
        if stored and stored.spec.record.lastConfigChangeAt == config_version:
            return stored.spec.record
        for change in self._cluster.changes.values():
            for edit in readable_changes(change):
                for record in (edit.after, edit.before):
                    if edit.id == app_id and record and record.lastConfigChangeAt == config_version:
                        return record
        return stored.spec.record if stored else None

    def _stored(self, app_id: str) -> MarathonApp | None:
        for app in self._cluster.apps.by("id-hash", id_hash(app_id)):
            if app.spec.id == app_id:
                return app  # type: ignore[no-any-return]
        return None

    def _launch_version(self, stored: MarathonApp | None, config_version: str, derived: Instance) -> str:
        """The version of the app when the pod was made.

        Seen live: the present one, if it has the pod's configuration. Found at a start: the newest version of that
        configuration which is not younger than the pod (pods are stamped in whole seconds).
        """
        if stored is None or stored.spec.record.lastConfigChangeAt != config_version:
            return config_version
        if self._cluster.synced:
            return stored.spec.record.version
        created = derived.created_at[:19]
        fitting = [v for v in stored.spec.versions if config_version <= v and v[:19] <= created]
        return max(fitting, default=config_version)

    def _keep(self, pod: Pod, after: Instance | None) -> None:
        before = self._by_uid.pop(pod.metadata.uid, None)
        if before:
            self._by_app.get(before.app_id, {}).pop(before.uid, None)
            if not self._by_app.get(before.app_id):
                self._by_app.pop(before.app_id, None)
            self._by_task.pop(before.task_id, None)
        if after:
            self._by_uid[after.uid] = after
            self._by_app.setdefault(after.app_id, {})[after.uid] = after
            self._by_task[after.task_id] = after.uid
        if before != after:
            for listener in tuple(self._listeners):
                listener(before, after, pod)


def _over(pod: Pod) -> bool:
    """A pod that was to be deleted and whose containers have ended is gone, whenever its object is."""
    return pod.metadata.deletionTimestamp is not None and pod.status.phase in ("Failed", "Succeeded")


def _ours(pod: Pod) -> bool:
    """A pod that merely carries our labels is nobody's instance: its id must be there and fit the hash."""
    app_id = pod.metadata.annotations.get(_ID, "")
    return bool(app_id) and pod.metadata.labels.get(_ID_HASH) == id_hash(app_id)


@lru_cache(maxsize=20_000)
def _decoded(definition: str) -> Mapping[str, Any]:
    decoded: Mapping[str, Any] = msgspec.json.decode(definition)
    return decoded
