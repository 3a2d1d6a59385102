"""The kubelet of one node: a task per pod, and none left behind.

What it promises: pods bound to its node run as local processes; a pod that is deleted leaves no process; when `run` ends, by
cancellation or otherwise, no process that it started is left; when it starts, those of a predecessor that was killed are ended.
"""

import asyncio
import contextlib
import logging
import os
import shutil
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

RETRY_S = 10.0
LONGEST_LOG = 10 * 1024 * 1024
"""Bytes of each output that `log` reads, from its end; a real kubelet rotates logs of this size."""

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
        await self._remove_forgotten()
        async with Prober.client() as client:
            self._prober = Prober(client)
            stop = self._objects.subscribe("pods", self._on_pod)
            try:
                self.connect()
                await asyncio.get_running_loop().create_future()
            finally:
                stop()
                await self._end_all()

    async def _remove_forgotten(self) -> None:
        """Removes the directories of pods that went while no simulator ran."""
        homes = self._node.root / "pods"
        known = {pod["metadata"]["uid"] for pod in self._objects.list("pods")}
        for home in [home for home in _entries(homes) if home.name not in known]:
            await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)

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
                parts.append(_tail(directory / f"{name}{suffix}"))
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
        self._workers[uid] = self._worker(pod, self._prober)
        self._tasks[uid] = asyncio.ensure_future(self._own(pod, self._prober))

    def _worker(self, pod: dict[str, Any], prober: Prober) -> PodWorker:
        return PodWorker(self._objects, self._clock, pod, node=self._node, prober=prober, recorder=self._recorder)

    async def _own(self, pod: dict[str, Any], prober: Prober) -> None:
        """Runs the pod, and starts it again as an earlier kubelet's if that fails."""
        uid = pod["metadata"]["uid"]
        try:
            while True:
                try:
                    return await self._workers[uid].run()
                except Exception:
                    log.exception("pod %s failed on node %s", pod["metadata"]["name"], self._node.name)
                await self._clock.sleep(RETRY_S)
                current = self._current(pod)
                if current is None:
                    return None
                self._workers[uid] = self._worker(current, prober)
        finally:
            self._workers.pop(uid, None)
            self._tasks.pop(uid, None)

    def _current(self, pod: dict[str, Any]) -> dict[str, Any] | None:
        try:
            found = self._objects.get("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
        except ApiError:
            return None
        return found if found["metadata"]["uid"] == pod["metadata"]["uid"] else None

    async def _end_all(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LONGEST_LOG))
        return file.read()
