"""One app on the cluster, for the runner: its state as actions see it, and the writes that a decision asks for.

Every write is idempotent or carries a precondition, and every name is derived, so a runner that dies between two of them,
or two runners that overlap for a moment, do no harm.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from gateway.kubernetes.cluster import Cluster
from gateway.kubernetes.errors import AlreadyExists, Conflict, NotFound
from gateway.kubernetes.resources import APPS, DEPLOYMENTS, PODS, REVISIONS, Resource
from gateway.rollouts.actions import AppState, Decision, Goal
from gateway.rollouts.instances import Instances
from translators.kubernetes.deployments import deployment
from translators.kubernetes.instances import Instance
from translators.kubernetes.names import app_object_name, deployment_name, id_hash, revision_name
from translators.kubernetes.objects import GROUP, VERSION, AppRecord, Deployment, MarathonApp
from translators.kubernetes.platform import Platform

__all__ = ["AppWrites"]

_COST = "controller.kubernetes.io/pod-deletion-cost"
_KILL = f"{GROUP}/kill"
_FIRST_COST = -1_000_000
_AT_ONCE = 16
_VERSIONS_KEPT = 50  # Marathon's zk_max_versions


class AppWrites:
    def __init__(self, cluster: Cluster, instances: Instances, platform: Platform) -> None:
        self._cluster = cluster
        self._instances = instances
        self._platform = platform

    # What is there

    def deployments(self, app_id: str) -> list[Deployment]:
        """Only ours: the label's hash may collide, the annotation decides."""
        found = self._cluster.deployments.by("id-hash", id_hash(app_id))
        return [d for d in found if d.metadata.annotations.get(f"{GROUP}/id") == app_id]

    def stored(self, app_id: str) -> MarathonApp | None:
        return next((a for a in self._cluster.apps.by("id-hash", id_hash(app_id)) if a.spec.id == app_id), None)

    def state(self, app_id: str) -> AppState:
        ours = [d for d in self.deployments(app_id) if not d.metadata.deletionTimestamp]
        return AppState(
            instances=[i for i in self._instances.of(app_id) if not self._ended(i)],
            replicas={d.metadata.name: d.spec.replicas for d in ours},
            deployment_of={d.metadata.annotations.get(f"{GROUP}/config-version", ""): d.metadata.name for d in ours},
            marked={i.uid for i in self._instances.of(app_id) if self._marked(i)},
        )

    def goal(self, app_id: str, record: AppRecord) -> Goal:
        app = _definition(record.definition)
        strategy = app.get("upgradeStrategy", {})
        return Goal(
            deployment=deployment_name(app_id, record.lastConfigChangeAt),
            config_version=record.lastConfigChangeAt,
            instances=int(app["instances"]),
            minimum_health_capacity=float(strategy.get("minimumHealthCapacity", 1)),
            maximum_over_capacity=float(strategy.get("maximumOverCapacity", 1)),
            oldest_first=app.get("killSelection") == "OLDEST_FIRST",
            resident=bool(app.get("residency")),
        )

    # Writes

    async def carry_out(
        self, app_id: str, record: AppRecord | None, decision: Decision, *, seen: AppState, reason: str
    ) -> bool:
        """Whether anything was written. Raises KubernetesError; Conflict means that the state is not the one `seen`."""
        wrote = decision.create and record is not None and await self._make_deployment(app_id, record)
        wrote = await self._sentence_all(decision.victims, reason) or wrote
        for name, count in decision.replicas.items():
            wrote = await self._scale(name, count, before=seen.replicas.get(name, 0)) or wrote
        for instance in decision.delete:
            wrote = await self.delete_pod(instance.pod, instance.uid) or wrote
        for name in decision.remove:
            wrote = await self.delete_deployment(name) or wrote
        return wrote

    async def _scale(self, name: str, count: int, *, before: int) -> bool:
        """Only if nobody else has scaled it since it was looked at: another leader may still be at work."""
        known = self._cluster.deployments.get(name)
        if known is None or known.metadata.deletionTimestamp:
            return False  # not seen yet, or no longer there: decided anew
        if known.spec.replicas != before:
            raise Conflict(f"Deployment {name} was scaled by somebody else meanwhile", status=409)
        await self._cluster.scale(name, count, resource_version=known.metadata.resourceVersion)
        return True

    async def _sentence_all(self, victims: Sequence[Instance], reason: str) -> bool:
        """A few at a time: all must be marked before the order is given, and there may be hundreds."""
        wrote = False
        for start in range(0, len(victims), _AT_ONCE):
            some = victims[start : start + _AT_ONCE]
            marking = [self._sentence(v, _FIRST_COST + start + order, reason) for order, v in enumerate(some)]
            results = await asyncio.gather(*marking, return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
                wrote = wrote or result
        return wrote

    async def store(self, app_id: str, record: AppRecord, sequence: int) -> None:
        """Makes `record` the app's current one; a newer one stays. Its revision is there before anything points to it.

        Only that of a new app comes after it, since it belongs to the app: a runner that dies in between is followed by
        one that makes it.
        """
        known = self.stored(app_id)
        if known is not None and known.spec.sequence > sequence:
            return
        name = app_object_name(app_id)
        if known is None:
            known = await self._cluster.create(APPS, _app_object(name, app_id, record, sequence, [record.version]))
        if known.spec.sequence == sequence:
            await self._make_revision(known, record, len(known.spec.versions))
            return
        versions = [*known.spec.versions, record.version]
        await self._make_revision(known, record, len(versions))
        body = _app_object(name, app_id, record, sequence, versions[-_VERSIONS_KEPT:])
        body["metadata"]["resourceVersion"] = known.metadata.resourceVersion
        await self._cluster.replace(APPS, name, body)
        for version in versions[:-_VERSIONS_KEPT]:
            await self._forget_revision(name, version)

    async def remove(self, app_id: str, sequence: int) -> None:
        """Deletes the app, unless a newer change has made it again."""
        known = self.stored(app_id)
        if known is None or known.spec.sequence > sequence:
            return
        try:
            await self._cluster.delete(APPS, known.metadata.name, uid=known.metadata.uid)
        except NotFound:
            return

    async def delete_pod(self, name: str, uid: str) -> bool:
        return await self._deleted(PODS, name, uid)

    async def delete_deployment(self, name: str) -> bool:
        known = self._cluster.deployments.get(name)
        return known is not None and await self._deleted(DEPLOYMENTS, name, known.metadata.uid)

    async def _deleted(self, resource: Resource[Any], name: str, uid: str) -> bool:
        """What is gone or has become another object needs no deletion."""
        try:
            await self._cluster.delete(resource, name, uid=uid)
        except (NotFound, Conflict):
            return False
        return True

    def _ended(self, instance: Instance) -> bool:
        """A pod that has ended for good is replaced by its ReplicaSet and is no longer an instance."""
        pod = self._cluster.pods.get(instance.pod)
        return pod is None or pod.status.phase in ("Failed", "Succeeded")

    def _marked(self, instance: Instance) -> bool:
        pod = self._cluster.pods.get(instance.pod)
        return pod is not None and _KILL in pod.metadata.annotations

    async def _make_deployment(self, app_id: str, record: AppRecord) -> bool:
        body = deployment(
            _definition(record.definition),
            version=record.version,
            config_version=record.lastConfigChangeAt,
            platform=self._platform,
        )
        owner = self.stored(app_id)
        if owner is not None:
            body["metadata"]["ownerReferences"] = [_owner(owner)]
        try:
            await self._cluster.create(DEPLOYMENTS, body)
        except AlreadyExists:
            return False
        return True

    async def _sentence(self, victim: Instance, cost: int, reason: str) -> bool:
        """Marks who is to go: the cost steers the ReplicaSet, the reason tells every replica that the end was wanted."""
        marks = {_COST: str(cost), _KILL: reason}
        pod = self._cluster.pods.get(victim.pod)
        if pod is None or pod.metadata.deletionTimestamp or _KILL in pod.metadata.annotations:
            return False
        try:
            await self._cluster.patch(PODS, victim.pod, {"metadata": {"uid": victim.uid, "annotations": marks}})
        except (NotFound, Conflict):
            return False
        return True

    async def _make_revision(self, app: MarathonApp, record: AppRecord, ordinal: int) -> None:
        body = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": revision_name(app.metadata.name, record.version),
                "labels": _labels(app.spec.id),
                "ownerReferences": [_owner(app)],
            },
            "revision": ordinal,
            "data": {"record": msgspec.json.encode(record).decode()},
        }
        try:
            await self._cluster.create(REVISIONS, body, wait=False)
        except AlreadyExists:
            return

    async def _forget_revision(self, name: str, version: str) -> None:
        try:
            await self._cluster.delete(REVISIONS, revision_name(name, version))
        except NotFound:
            return


@lru_cache(maxsize=20_000)
def _definition(text: str) -> Mapping[str, Any]:
    decoded: Mapping[str, Any] = json.loads(text)
    return decoded


def _labels(app_id: str) -> dict[str, str]:
    return {"app.kubernetes.io/managed-by": "marathon-gateway", f"{GROUP}/id-hash": id_hash(app_id)}


def _owner(app: MarathonApp) -> Mapping[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "MarathonApp",
        "name": app.metadata.name,
        "uid": app.metadata.uid,
        "controller": True,
    }


def _app_object(name: str, app_id: str, record: AppRecord, sequence: int, versions: list[str]) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "MarathonApp",
        "metadata": {"name": name, "labels": _labels(app_id), "annotations": {f"{GROUP}/id": app_id}},
        "spec": {
            "id": app_id,
            "sequence": sequence,
            "record": msgspec.to_builtins(record),
            "versions": versions,
        },
    }
