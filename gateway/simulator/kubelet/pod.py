"""One pod on this node: its containers from the first init container to the last process, and its status.

One task owns a pod. It ends when the pod has been deleted and nothing of it is left; while it is cancelled (shutdown) it ends the
pod's processes and leaves the objects as they are, so that the next kubelet finds what was lost.
"""

import asyncio
from typing import Any

from gateway.clock import Clock
from gateway.simulator.controllers.recorder import Recorder, stamp
from gateway.simulator.kubelet.container import Container
from gateway.simulator.kubelet.environment import Lookup
from gateway.simulator.kubelet.node import Node
from gateway.simulator.kubelet.probes import Prober
from gateway.simulator.kubelet.sandbox import Sandbox
from gateway.simulator.kubelet.status import pod_status
from gateway.simulator.kubelet.surroundings import Surroundings
from gateway.simulator.objects import ApiError, Objects
from gateway.simulator.scheduling.snapshot import finished

__all__ = ["NOTE", "PodWorker"]

NOTE = "simulator.marathon-gateway.io/note"


class PodWorker:
    """`prober` and `recorder` are the node's."""

    def __init__(
        self, objects: Objects, clock: Clock, pod: dict[str, Any], *, node: Node, prober: Prober, recorder: Recorder
    ) -> None:
        self._objects = objects
        self._clock = clock
        self._node = node
        self._finished = finished(pod)
        self._around = Surroundings(
            pod=pod,
            address=node.address,
            clock=clock,
            recorder=recorder,
            prober=prober,
            sandbox=Sandbox(node.root, pod),
            records=node.records,
            lookup=self._lookup_in(pod["metadata"]["namespace"]),
            changed=self.publish,
        )
        status = pod.get("status") or {}
        self._inits = self._containers(pod, "initContainers", status.get("initContainerStatuses"))
        self._mains = self._containers(pod, "containers", status.get("containerStatuses"))
        self.observe(pod)

    def _containers(self, pod: dict[str, Any], group: str, statuses: list[dict[str, Any]] | None) -> list[Container]:
        known = {status["name"]: status for status in statuses or ()}
        return [
            Container(self._around, spec, initial=group == "initContainers", known=known.get(spec["name"]))
            for spec in pod["spec"].get(group) or ()
        ]

    @property
    def sandbox(self) -> Sandbox:
        return self._around.sandbox

    def observe(self, pod: dict[str, Any]) -> None:
        """Takes note of the pod's new state."""
        before, self._around.pod = self._around.pod, pod
        if pod["metadata"].get("deletionTimestamp"):
            self._around.stopping.set()
            self._around.moved.set()
        elif pod["spec"].get("readinessGates") and pod is not before:
            self.publish()

    def vanish(self) -> None:
        """The object is gone (a forced deletion): nothing may stay, and there is no time."""
        meta = self._around.pod["metadata"]
        over = {**meta, "deletionTimestamp": stamp(self._clock.time())}
        self._around.pod = {**self._around.pod, "metadata": over}
        self._around.stopping.set()
        self._around.moved.set()

    async def run(self) -> None:
        """Runs the pod until it is deleted."""
        if not self._finished:
            self._note_what_is_simulated()
            self.publish()
            await self._run_containers()
        await self._around.stopping.wait()
        self._conclude()
        await asyncio.to_thread(self.sandbox.remove)

    async def _run_containers(self) -> None:
        for init in self._inits:
            init.creating()
            await init.run()
            if init.view.state.get("terminated", {}).get("exitCode") != 0:
                return
        for container in self._mains:
            container.creating()
        async with asyncio.TaskGroup() as group:
            for container in self._mains:
                group.create_task(container.run())

    def _conclude(self) -> None:
        """Writes the last status and lets the object go."""
        ends = [c.view.exit_code for c in (*self._inits, *self._mains) if c.view.exit_code is not None]
        self.publish(phase="Failed" if any(ends) or not ends else "Succeeded")
        meta = self._around.pod["metadata"]
        try:
            self._objects.delete("pods", meta["namespace"], meta["name"], uid=meta["uid"], grace_s=0)
        except ApiError:
            return  # somebody else was faster

    def publish(self, *, phase: str | None = None) -> None:
        """Writes the status if it changed."""
        meta = self._around.pod["metadata"]
        if not self._node.connected or self._finished:
            return
        try:
            pod = self._objects.get("pods", meta["namespace"], meta["name"])
        except ApiError:
            return
        if pod["metadata"]["uid"] != meta["uid"]:
            return
        inits, mains = [c.view for c in self._inits], [c.view for c in self._mains]
        now = stamp(self._clock.time())
        status = pod_status(pod, inits, mains, address=self._node.address, now=now, phase=phase)
        if status != pod.get("status"):
            pod = self._objects.update("pods", {**pod, "status": status}, subresource="status")
        self._around.pod = pod

    def _note_what_is_simulated(self) -> None:
        simulated = [c.view.spec["name"] for c in (*self._inits, *self._mains) if c.simulated]
        meta = self._around.pod["metadata"]
        if not simulated or NOTE in (meta.get("annotations") or {}):
            return
        text = f"no command to run, only simulated: {', '.join(simulated)}"
        annotations = {**(meta.get("annotations") or {}), NOTE: text}
        changed = {**self._around.pod, "metadata": {**meta, "annotations": annotations}}
        self._around.pod = self._objects.update("pods", changed)

    def _lookup_in(self, namespace: str) -> Lookup:
        def lookup(kind: str, name: str) -> dict[str, Any] | None:
            try:
                return self._objects.get(kind, namespace, name)
            except ApiError:
                return None

        return lookup
