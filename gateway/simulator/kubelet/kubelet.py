"""The kubelet of one node: a task per pod, and none left behind.

What it promises: pods bound to its node run as local processes; a pod that is deleted leaves no process; when `run` ends, by
cancellation or otherwise, no process that it started is left; when it starts, those of a predecessor that was killed are ended.
"""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.simulator.controllers.recorder import Recorder
from gateway.simulator.kubelet.node import Node, register
from gateway.simulator.kubelet.pod import PodWorker
from gateway.simulator.kubelet.probes import Prober
from gateway.simulator.kubelet.process import end_leftovers
from gateway.simulator.objects import ApiError, Objects

__all__ = ["Kubelet", "NoSuchContainer"]

log = logging.getLogger(__name__)


class NoSuchContainer(Exception):
    """There is no such pod on this node, or no such container in it."""


class Kubelet:
    """`address` defaults to the one the node has, or the next free one of 127.0.0.0/24; `root` may be shared by nodes."""

    def __init__(
        self,
        objects: Objects,
        clock: Clock,
        node_name: str,
        root: Path,
        *,
        address: str = "",
        labels: dict[str, str] | None = None,
    ) -> None:
        self._objects = objects
        self._clock = clock
        self._labels = labels
        self._node = Node(name=node_name, address=address, root=root.absolute())
        self._recorder = Recorder(objects, clock, "kubelet", host=node_name)
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._prober: Prober | None = None

    @property
    def address(self) -> str:
        return self._node.address

    async def run(self) -> None:
        """Runs until cancelled."""
        await asyncio.to_thread(end_leftovers, self._node.records)
        async with Prober.client() as client:
            self._prober = Prober(client)
            stop = self._objects.subscribe("pods", self._on_pod)
            try:
                self.connect()
                await asyncio.get_running_loop().create_future()
            finally:
                stop()
                await self._end_all()

    def connect(self) -> None:
        """Registers the node and takes up the pods that are bound to it."""
        self._node.connected = True
        self._node.address = register(
            self._objects, self._clock, self._node.name, address=self._node.address, labels=self._labels
        )
        bound = {p["metadata"]["uid"]: p for p in self._objects.list("pods") if self._is_mine(p)}
        for uid, pod in bound.items():
            self._on_pod("MODIFIED", pod, pod)
            self._workers[uid].publish()
        for uid, worker in self._workers.items():
            if uid not in bound:
                worker.vanish()

    def disconnect(self) -> None:
        """Plays a network break: pods go on running, and nobody hears of it."""
        self._node.connected = False

    def log(self, pod: dict[str, Any], container: str, *, previous: bool = False) -> bytes:
        """What the container wrote, standard output first.

        Raises:
            NoSuchContainer: if there is none of that name here.
        """
        worker = self._workers.get(pod["metadata"]["uid"])
        names = [c["name"] for g in ("initContainers", "containers") for c in pod["spec"].get(g) or ()]
        if worker is None or container not in names:
            raise NoSuchContainer(f"container {container} is not valid for pod {pod['metadata']['name']}")
        directory = worker.sandbox.directory(container)
        suffix = ".previous" if previous else ""
        parts = []
        for name in ("stdout", "stderr"):
            with contextlib.suppress(FileNotFoundError):
                parts.append((directory / f"{name}{suffix}").read_bytes())
        return b"".join(parts)

    def sandbox(self, pod: dict[str, Any], container: str) -> Path | None:
        """The directory that a container of a pod of this node works in."""
        worker = self._workers.get(pod["metadata"]["uid"])
        return worker.sandbox.directory(container) if worker else None

    def _is_mine(self, pod: dict[str, Any]) -> bool:
        return bool(pod["spec"].get("nodeName") == self._node.name)

    def _on_pod(self, _type: str, after: dict[str, Any] | None, before: dict[str, Any] | None) -> None:
        pod = after or before
        if pod is None or not self._node.connected or not self._is_mine(pod):
            return
        worker = self._workers.get(pod["metadata"]["uid"])
        if after is None:
            if worker:
                worker.vanish()
        elif worker:
            worker.observe(pod)
        else:
            self._start(pod)

    def _start(self, pod: dict[str, Any]) -> None:
        if self._prober is None:
            return
        uid = pod["metadata"]["uid"]
        worker = PodWorker(
            self._objects, self._clock, pod, node=self._node, prober=self._prober, recorder=self._recorder
        )
        self._workers[uid] = worker
        self._tasks[uid] = asyncio.ensure_future(self._own(uid, worker))

    async def _own(self, uid: str, worker: PodWorker) -> None:
        try:
            await worker.run()
        except (ApiError, OSError):
            log.exception("pod %s failed on node %s", uid, self._node.name)
        finally:
            self._workers.pop(uid, None)
            self._tasks.pop(uid, None)

    async def _end_all(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
