"""A small deterministic cluster around a FakeCluster: it makes, readies and ends pods as controllers and kubelets would.

Time moves only when a test says so. `Watcher` notes the most pods and the fewest healthy ones that ever were.
"""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from gateway.clock import VirtualClock, timestamp
from gateway.kubernetes.resources import APPS, CHANGES, DEPLOYMENTS, PODS
from gateway.kubernetes.testing import FakeCluster
from gateway.rollouts.changes import encode_changes, open_changes
from gateway.rollouts.instances import Instances
from gateway.rollouts.plan import plan
from gateway.rollouts.runner import Runner
from translators.kubernetes.objects import GROUP, AppChange, AppRecord, GroupChange, Pod
from translators.kubernetes.platform import Platform

KILL = f"{GROUP}/kill"
COST = "controller.kubernetes.io/pod-deletion-cost"


def record(
    app_id: str,
    instances: int,
    *,
    version: int,
    config: int | None = None,
    strategy: tuple[float, float] = (1.0, 1.0),
    **more: Any,
) -> AppRecord:
    definition = {
        "id": app_id,
        "cmd": "sleep 1",
        "cpus": 0.1,
        "mem": 32,
        "instances": instances,
        "upgradeStrategy": {"minimumHealthCapacity": strategy[0], "maximumOverCapacity": strategy[1]},
        **more,
    }
    stamp = timestamp(1_600_000_000 + version)
    return AppRecord(
        definition=json.dumps(definition),
        version=stamp,
        lastScalingAt=stamp,
        lastConfigChangeAt=timestamp(1_600_000_000 + (version if config is None else config)),
    )


class World:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.cluster = FakeCluster(clock=self.clock)
        self.instances = Instances(self.cluster, clock=self.clock)
        self.healthy: Callable[[Pod], bool] = lambda pod: True
        self.most: Counter[str] = Counter()
        self.fewest: dict[str, int] = {}
        self._made = 0
        self._changes = 0

    # Requests

    def accept(
        self,
        before: Mapping[str, AppRecord],
        after: Mapping[str, AppRecord],
        *,
        cancels: Sequence[str] = (),
        kill: Sequence[str] = (),
        groups: Sequence[GroupChange] = (),
    ) -> str:
        """What the engine does with a request: one object. Its id is returned."""
        self._changes += 1
        deployment_id = f"d{self._changes}"
        edits = [AppChange(id=i, before=before.get(i), after=after.get(i)) for i in {**before, **after}]
        steps = [{"actions": [{"action": a.action, "app": a.app} for a in s.actions]} for s in plan(before, after)]
        spec = {"id": deployment_id, "apps": encode_changes(edits), "groups": encode_changes(groups), "steps": steps}
        self.put_change({**spec, "cancels": cancels, "kill": kill})
        return deployment_id

    def put_change(self, spec: Mapping[str, Any], name: str = "") -> None:
        meta = {"name": name or f"change-{self._changes:010d}", "labels": {}}
        self.cluster.add(CHANGES, {"metadata": meta, "spec": dict(spec)})

    def phase(self, deployment_id: str) -> str:
        return str(next(c.status.phase for c in self.cluster.changes.values() if c.spec.id == deployment_id))

    @property
    def open(self) -> list[str]:
        return [change.spec.id for change in open_changes(self.cluster.changes)]

    # The others on the cluster

    def step(self) -> bool:
        """One turn of controllers and kubelets. Whether anything happened."""
        busy = self._remove_terminated() | self._ready_new() | self._follow_replicas()
        self.look()
        return busy

    def look(self) -> None:
        pods = Counter(_app(pod) for pod in self.cluster.pods.values())
        for app_id, count in pods.items():
            self.most[app_id] = max(self.most[app_id], count)
        for app in self.cluster.apps.values():
            count = len(self.serving(app.spec.id))
            self.fewest[app.spec.id] = min(self.fewest.get(app.spec.id, count), count)

    def forget(self) -> None:
        self.most.clear()
        self.fewest.clear()
        self.look()

    def serving(self, app_id: str) -> list[str]:
        """Pods that are ready and not sentenced."""
        return [i.uid for i in self.instances.of(app_id) if i.ready and not self.instances.annotation(i.uid, KILL)]

    def _remove_terminated(self) -> bool:
        gone = [p for p in self.cluster.pods.values() if p.metadata.deletionTimestamp and not _stuck(p)]
        for pod in gone:
            self.cluster.remove(PODS, pod.metadata.name)
        return bool(gone)

    def _ready_new(self) -> bool:
        waiting = [p for p in self.cluster.pods.values() if p.status.phase == "Pending" and self.healthy(p)]
        for pod in waiting:
            started = {"running": {"startedAt": timestamp(self.clock.time())}}
            status = {"name": "app", "ready": True, "containerID": "c", "state": started}
            ready = [{"type": "Ready", "status": "True"}]
            self.cluster.set(
                PODS,
                pod.metadata.name,
                {
                    "spec": {"nodeName": "n"},
                    "status": {"phase": "Running", "containerStatuses": [status], "conditions": ready},
                },
            )
        return bool(waiting)

    def _follow_replicas(self) -> bool:
        busy = False
        for deployment in self.cluster.deployments.values():
            mine = [p for p in self.cluster.pods.values() if _owner(p) == deployment.metadata.uid]
            alive = [p for p in mine if not p.metadata.deletionTimestamp and p.status.phase not in ("Failed",)]
            for _ in range(deployment.spec.replicas - len(alive)):
                self._make_pod(deployment.metadata.name)
                busy = True
            for pod in sorted(alive, key=_rank)[: max(0, len(alive) - deployment.spec.replicas)]:
                self.terminate(pod.metadata.name)
                busy = True
        return busy

    def terminate(self, name: str) -> None:
        self.cluster.set(PODS, name, {"metadata": {"deletionTimestamp": timestamp(self.clock.time())}})

    def _make_pod(self, deployment: str) -> None:
        self._made += 1
        body = self.cluster.object(DEPLOYMENTS, deployment)
        template = body["spec"]["template"]
        owner = {"kind": "Deployment", "name": deployment, "uid": body["metadata"]["uid"], "controller": True}
        meta = {**template["metadata"], "name": f"{deployment}-{self._made:04d}", "ownerReferences": [owner]}
        containers = [{"name": c["name"], "image": c.get("image", "")} for c in template["spec"]["containers"]]
        self.cluster.add(PODS, {"metadata": meta, "spec": {"containers": containers}, "status": {"phase": "Pending"}})

    # Running

    @contextlib.asynccontextmanager
    async def runner(self) -> AsyncIterator[None]:
        runner = Runner(self.cluster, self.instances, platform=Platform(), clock=self.clock)
        task = asyncio.create_task(runner.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, reached: Callable[[], bool], *, turns: int = 400) -> None:
        for _ in range(turns):
            await self.clock.settle(20)
            self.look()
            if reached():
                return
            if not self.step():
                await self.clock.advance(1.0)
        raise AssertionError(f"not reached: {self.state()}")

    async def rest(self) -> None:
        """Until every deployment has ended and maintenance has looked at all."""
        await self.until(lambda: not self.open)
        for _ in range(3):
            await self.clock.advance(31.0)
            while self.step():
                await self.clock.settle(20)

    def state(self) -> Mapping[str, Any]:
        """All that matters of the cluster, without what is random in it."""
        return {
            "apps": sorted(
                (a.spec.id, a.spec.sequence, a.spec.record.version, tuple(a.spec.versions))
                for a in self.cluster.apps.values()
            ),
            "groups": sorted((g.spec.id, g.spec.sequence, repr(g.spec.record)) for g in self.cluster.groups.values()),
            "deployments": sorted((d.metadata.name, d.spec.replicas) for d in self.cluster.deployments.values()),
            "pods": sorted(Counter(_config(p) for p in self.cluster.pods.values()).items()),
            "changes": sorted(
                (c.metadata.name, c.status.phase, c.status.reason) for c in self.cluster.changes.values()
            ),
            "revisions": sorted(name for plural, name in self.cluster._objects if plural == "controllerrevisions"),
        }

    def stored(self, app_id: str) -> Any:
        return next(a for a in self.cluster.apps.values() if a.spec.id == app_id)

    def app_object(self, app_id: str) -> dict[str, Any]:
        return self.cluster.object(APPS, self.stored(app_id).metadata.name)


def _app(pod: Pod) -> str:
    return pod.metadata.annotations[f"{GROUP}/id"]


def _config(pod: Pod) -> tuple[str, str]:
    return _app(pod), pod.metadata.annotations[f"{GROUP}/config-version"]


def _owner(pod: Pod) -> str:
    return pod.metadata.ownerReferences[0].uid


def _stuck(pod: Pod) -> bool:
    return "stuck" in pod.metadata.annotations


def _rank(pod: Pod) -> tuple[bool, int, str]:
    """The order in which a ReplicaSet takes pods."""
    ready = any(c.ready for c in pod.status.containerStatuses)
    return ready, int(pod.metadata.annotations.get(COST, "0")), pod.metadata.name
