"""The embedded cluster as a whole: API server, controllers, scheduler, nodes with their kubelets.

`serving` runs all of it on a socket for the time of a block and ends every process of every pod with it.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import uvicorn
import yaml

from gateway.clock import Clock
from gateway.simulator.controllers import Controllers, ports
from gateway.simulator.errors import ApiError
from gateway.simulator.faults import Faults
from gateway.simulator.kubelet import Kubelet, NoSuchContainer
from gateway.simulator.objects import Objects
from gateway.simulator.scheduler import Scheduler
from gateway.simulator.server import Server
from gateway.simulator.state import State

__all__ = ["Simulator"]


class _Part(Protocol):
    async def run(self) -> None: ...


class Simulator:
    """`state` is where it is kept (None: in memory), `root` where the pods' files are, `crds` are installed if absent."""

    def __init__(
        self,
        clock: Clock,
        *,
        root: Path,
        state: Path | None = None,
        nodes: int = 3,
        crds: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.objects = Objects(clock)
        self.faults = Faults()
        self._state = State(state, self.objects) if state else None
        self._install(crds)
        self.objects.admission.append(ports.admission(self.objects))
        self.controllers = Controllers(self.objects, clock)
        self.scheduler = Scheduler(self.objects, clock)
        self.kubelets = [Kubelet(self.objects, clock, f"node-{n}", root) for n in range(1, nodes + 1)]
        self.asgi = Server(self.objects, faults=self.faults, logs=self.log)

    @contextlib.asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[str]:
        """Yields the base URL. Raises OSError if the address cannot be listened on or is not of this machine only."""
        if host not in ("localhost", "::1") and not host.startswith("127."):
            raise OSError(
                f"The embedded cluster runs commands for whoever reaches it; {host} is not a loopback address"
            )
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            listener.close()
            raise
        config = uvicorn.Config(
            self.asgi,
            loop="none",
            http="httptools",
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = _Quiet(config)
        async with self.running():
            serving = asyncio.create_task(server.serve(sockets=[listener]), name="simulator")
            try:
                yield f"http://{host}:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                await asyncio.wait([serving], timeout=5)
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Controllers, scheduler and kubelets, without a socket."""
        parts: list[_Part] = [self.controllers, self.scheduler, *self.kubelets]
        tasks = [asyncio.create_task(part.run(), name=type(part).__name__) for part in parts]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._state:
                self._state.close()

    def write_kubeconfig(self, path: Path, url: str) -> None:
        """A kubeconfig for the cluster, readable by its owner only."""
        name = "mgw-simulator"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": url}}],
            "users": [{"name": name, "user": {}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
            "current-context": name,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            yaml.safe_dump(config, file, sort_keys=False)
        temporary.replace(path)

    def log(self, pod: dict[str, Any], container: str) -> bytes:
        for kubelet in self.kubelets:
            with contextlib.suppress(NoSuchContainer):
                return kubelet.log(pod, container)
        return b""

    def _install(self, crds: Sequence[Mapping[str, Any]]) -> None:
        for crd in crds:
            try:
                self.objects.create("customresourcedefinitions", dict(crd))
            except ApiError:  # kept from an earlier start: today's schema counts
                self.objects.update("customresourcedefinitions", dict(crd))


class _Quiet(uvicorn.Server):
    """Leaves the signals to whoever runs the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield
