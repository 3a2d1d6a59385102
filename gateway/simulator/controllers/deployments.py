"""The Deployment controller: one ReplicaSet per pod template, and the way from the old ones to the new one.

RollingUpdate and Recreate, scaling in proportion, pause, history limit, progress deadline, adoption of orphans.
"""

from typing import Any

from gateway.clock import Clock
from gateway.simulator.controllers.owners import claim, controller_of
from gateway.simulator.controllers.progress import complete, deadline_in, status_of
from gateway.simulator.controllers.proportions import is_scaling, shares
from gateway.simulator.controllers.queue import Key, Queue, work
from gateway.simulator.controllers.recorder import Recorder
from gateway.simulator.controllers.rolling import new_replicas, old_replicas, replicas_of
from gateway.simulator.controllers.templates import (
    REVISION,
    annotations_for,
    revision_of,
    same_template,
    set_for,
    sizes,
)
from gateway.simulator.objects import ApiError, Objects
from gateway.simulator.scheduling.labels import selects
from gateway.simulator.scheduling.snapshot import finished

__all__ = ["Deployments"]

Sets = list[dict[str, Any]]


class Deployments:
    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._queue = Queue(clock)
        self._recorder = Recorder(objects, clock, "deployment-controller")

    async def run(self) -> None:
        stop = [
            self._objects.subscribe("deployments", self._on_deployment),
            self._objects.subscribe("replicasets", self._on_set),
            self._objects.subscribe("pods", self._on_pod),
        ]
        try:
            for found in self._objects.list("deployments"):
                self._queue.add(_key(found))
            await work(self._queue, self._reconcile)
        finally:
            for end in stop:
                end()

    def _on_deployment(self, _type: str, after: dict[str, Any] | None, before: dict[str, Any] | None) -> None:
        if obj := after or before:
            self._queue.add(_key(obj))

    def _on_set(self, _type: str, after: dict[str, Any] | None, before: dict[str, Any] | None) -> None:
        sets = [obj for obj in (after, before) if obj]
        owners = [owner for obj in sets if (owner := controller_of(obj)) and owner["kind"] == "Deployment"]
        for owner in owners:
            self._queue.add((sets[0]["metadata"]["namespace"], owner["name"]))
        if not owners and after:
            self._wake_adopters(after)

    def _wake_adopters(self, found: dict[str, Any]) -> None:
        meta = found["metadata"]
        for deployment in self._objects.list("deployments", meta["namespace"]):
            if selects(deployment["spec"]["selector"], meta.get("labels")):
                self._queue.add(_key(deployment))

    def _on_pod(self, _type: str, after: dict[str, Any] | None, before: dict[str, Any] | None) -> None:
        """A pod that has gone lets a Recreate go on."""
        if before is None or (after is not None and not finished(after)):
            return
        for deployment in self._objects.list("deployments", before["metadata"]["namespace"]):
            if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
                self._queue.add(_key(deployment))

    def _reconcile(self, key: Key) -> None:
        try:
            deployment = self._objects.get("deployments", *key)
        except ApiError:
            return
        sets = claim(self._objects, "replicasets", deployment)
        sets.sort(key=lambda s: (s["metadata"]["creationTimestamp"], s["metadata"]["name"]))
        created = False
        collisions = int((deployment.get("status") or {}).get("collisionCount") or 0)
        if not deployment["metadata"].get("deletionTimestamp"):
            before = {s["metadata"]["name"] for s in sets}
            sets, collisions = self._progress(deployment, sets, collisions)
            created = any(s["metadata"]["name"] not in before for s in sets)
        self._write_status(key, sets, created=created, collisions=collisions)

    def _progress(self, deployment: dict[str, Any], sets: Sets, collisions: int) -> tuple[Sets, int]:
        new = _new_set(deployment, sets)
        old = [s for s in sets if s is not new]
        if deployment["spec"].get("paused") or is_scaling(deployment, sets):
            goals = shares(deployment, new, old)
            return [self._resize(deployment, s, goals.get(s["metadata"]["name"])) for s in sets], collisions
        if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
            old = [self._scale(s, 0) for s in old]
            if new is None and self._still_running(old):
                return old, collisions
        if new is None:
            new, collisions = self._create(deployment, old, collisions)
            if new is None:
                return old, collisions
        new = self._refresh(deployment, new, old)
        if old and (deployment["spec"].get("strategy") or {}).get("type") != "Recreate":
            goals = old_replicas(deployment, new, old)
            old = [self._scale(s, goals[s["metadata"]["name"]]) for s in old]
        return [*old, new], collisions

    def _create(self, deployment: dict[str, Any], old: Sets, collisions: int) -> tuple[dict[str, Any] | None, int]:
        total = sum(map(replicas_of, old))
        revision = max(map(revision_of, old), default=0) + 1
        replicas = new_replicas(deployment, 0, total)
        body = set_for(deployment, replicas=replicas, revision=revision, collisions=collisions)
        try:
            made = self._objects.create("replicasets", body)
        except ApiError as refusal:
            if refusal.reason != "AlreadyExists":
                raise
            return None, collisions + 1
        self._say_scaled(deployment, made, 0, replicas)
        self._note_revision(deployment, revision)
        return made, collisions

    def _refresh(self, deployment: dict[str, Any], new: dict[str, Any], old: Sets) -> dict[str, Any]:
        """Brings annotations, minReadySeconds and replicas of the new set up to date."""
        revision = max(revision_of(new), *(revision_of(s) + 1 for s in old)) if old else max(1, revision_of(new))
        known = new["metadata"].get("annotations") or {}
        before = replicas_of(new)
        replicas = new_replicas(deployment, before, before + sum(map(replicas_of, old)))
        wanted = {
            **new,
            "metadata": {**new["metadata"], "annotations": annotations_for(deployment, known, revision)},
            "spec": {
                **new["spec"],
                "replicas": replicas,
                "minReadySeconds": deployment["spec"].get("minReadySeconds") or 0,
            },
        }
        if (wanted["metadata"], wanted["spec"]) != (new["metadata"], {"minReadySeconds": 0, **new["spec"]}):
            new = self._objects.update("replicasets", wanted)
            self._say_scaled(deployment, new, before, replicas)
        self._note_revision(deployment, revision)
        return new

    def _resize(self, deployment: dict[str, Any], found: dict[str, Any], replicas: int | None) -> dict[str, Any]:
        """Gives the set its share, and notes for what size of the Deployment it was."""
        if replicas is None:
            return found
        before = replicas_of(found)
        annotations = {**(found["metadata"].get("annotations") or {}), **sizes(deployment)}
        meta = {**found["metadata"], "annotations": annotations}
        resized = {**found, "metadata": meta, "spec": {**found["spec"], "replicas": replicas}}
        if (meta, before) != (found["metadata"], replicas):
            resized = self._objects.update("replicasets", resized)
            self._say_scaled(deployment, resized, before, replicas)
        return resized

    def _scale(self, found: dict[str, Any], replicas: int) -> dict[str, Any]:
        if replicas_of(found) == replicas:
            return found
        scaled = self._objects.update("replicasets", {**found, "spec": {**found["spec"], "replicas": replicas}})
        if owner := controller_of(found):
            deployment = self._objects.get("deployments", found["metadata"]["namespace"], owner["name"])
            self._say_scaled(deployment, scaled, replicas_of(found), replicas)
        return scaled

    def _say_scaled(self, deployment: dict[str, Any], found: dict[str, Any], before: int, after: int) -> None:
        if before != after:
            way = "up" if after > before else "down"
            text = f"Scaled {way} replica set {found['metadata']['name']} from {before} to {after}"
            self._recorder.normal(deployment, "ScalingReplicaSet", text)

    def _note_revision(self, deployment: dict[str, Any], revision: int) -> None:
        meta = self._objects.get("deployments", *_key(deployment))
        annotations = meta["metadata"].get("annotations") or {}
        if annotations.get(REVISION) != str(revision):
            changed = {**meta["metadata"], "annotations": {**annotations, REVISION: str(revision)}}
            self._objects.update("deployments", {**meta, "metadata": changed})

    def _still_running(self, old: Sets) -> bool:
        uids = {s["metadata"]["uid"] for s in old}
        if not uids:
            return False
        pods = self._objects.list("pods", old[0]["metadata"]["namespace"])
        return any((controller_of(p) or {}).get("uid") in uids and not finished(p) for p in pods)

    def _write_status(self, key: Key, sets: Sets, *, created: bool, collisions: int) -> None:
        try:
            deployment = self._objects.get("deployments", *key)
        except ApiError:
            return
        now = self._clock.time()
        new = _new_set(deployment, sets)
        status = status_of(deployment, sets, new, created=created, collisions=collisions, now=now)
        if status != deployment.get("status"):
            self._objects.update("deployments", {**deployment, "status": status}, subresource="status")
        if (left := deadline_in(deployment, status, now)) is not None:
            self._queue.add_after(key, left + 1)
        if complete(deployment, status):
            self._clean_up(deployment, [s for s in sets if s is not new])

    def _clean_up(self, deployment: dict[str, Any], old: Sets) -> None:
        limit = deployment["spec"].get("revisionHistoryLimit", 10)
        idle = [s for s in old if not replicas_of(s) and not (s.get("status") or {}).get("replicas")]
        for found in sorted(idle, key=revision_of)[: max(0, len(idle) - int(limit))]:
            if not found["metadata"].get("deletionTimestamp"):
                self._objects.delete("replicasets", *_key(found), uid=found["metadata"]["uid"])


def _key(obj: dict[str, Any]) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _new_set(deployment: dict[str, Any], sets: Sets) -> dict[str, Any] | None:
    """The oldest set with the Deployment's present template."""
    template = deployment["spec"]["template"]
    return next((s for s in sets if same_template(s["spec"]["template"], template)), None)
