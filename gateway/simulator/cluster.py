"""The embedded cluster as a whole: API server, controllers, scheduler, nodes with their kubelets.

`serving` runs all of it on a socket for the time of a block and ends every process of every pod with it. The API wants a
token, made with the cluster and written into its kubeconfig: as a bearer's, and as the first segment of the server's path,
since kubectl sends no bearer token over plain HTTP.
"""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import uvicorn
import yaml
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.clock import Clock
from gateway.simulator.controllers import Controllers, ports
from gateway.simulator.controllers.nodes import tainted
from gateway.simulator.errors import ApiError
from gateway.simulator.faults import Faults
from gateway.simulator.kubelet import Kubelet, NoSuchContainer
from gateway.simulator.limits import LimitRanger
from gateway.simulator.objects import Objects
from gateway.simulator.quotas import Quotas
from gateway.simulator.scheduler import Scheduler
from gateway.simulator.server import Server
from gateway.simulator.state import State

__all__ = ["Simulator"]


_BACKLOG = 512


class _Part(Protocol):
    async def run(self) -> None: ...


class Simulator:
    """`state` is where it is kept (None: in memory), `root` where the pods' files are, `crds` are installed if absent.

    `faults` makes it misbehave, `token` is what its clients must bear.
    """

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
        self.token = _token(state)
        self._state = State(state, self.objects) if state else None
        self._install(crds)
        self._furnish_namespaces()
        limits, quotas = LimitRanger(self.objects), Quotas(self.objects)
        self.objects.admission += [ports.admission(self.objects), limits.fill, tainted]
        self.objects.checks += [limits.check, quotas.check]
        self.controllers = Controllers(self.objects, clock)
        self.scheduler = Scheduler(self.objects, clock)
        self.kubelets = [Kubelet(self.objects, clock, f"node-{n}", root) for n in range(1, nodes + 1)]
        self.asgi = Server(self.objects, token=self.token, faults=self.faults, logs=self.log)

    @contextlib.asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[str]:
        """Yields the base URL. Raises OSError if the address cannot be listened on or is not of this machine only."""
        if host not in ("localhost", "::1") and not host.startswith("127."):
            raise OSError(
                f"The embedded cluster runs commands for whoever reaches it; {host} is not a loopback address"
            )
        listener = socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
        )
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(_BACKLOG)  # who connects before the server runs waits for it
        except OSError:
            listener.close()
            raise
        config = uvicorn.Config(
            self.asgi,
            loop="none",
            http=_protocol(self.faults),
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
            self.close()

    def close(self) -> None:
        """Ends what is open on disk; `running` does it at its end."""
        if self._state:
            self._state.close()

    def write_kubeconfig(self, path: Path, url: str) -> None:
        """A kubeconfig for the cluster, readable by its owner only."""
        name = "mgw-simulator"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": f"{url}/{self.token}"}}],
            "users": [{"name": name, "user": {"token": self.token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
            "current-context": name,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_secret(path, yaml.safe_dump(config, sort_keys=False))

    def log(self, pod: dict[str, Any], container: str) -> bytes:
        for kubelet in self.kubelets:
            with contextlib.suppress(NoSuchContainer):
                return kubelet.log(pod, container)
        return b""

    def _furnish_namespaces(self) -> None:
        """Every namespace has the account that its pods run as."""

        def furnish(event: str, after: dict[str, Any] | None, _before: dict[str, Any] | None) -> None:
            if event == "ADDED" and after is not None:
                self._add_account(after["metadata"]["name"])

        for namespace in self.objects.list("namespaces"):
            if not namespace["metadata"].get("deletionTimestamp"):
                self._add_account(namespace["metadata"]["name"])
        self.objects.subscribe("namespaces", furnish)

    def _add_account(self, namespace: str) -> None:
        if self.objects.find("serviceaccounts", namespace, "default") is None:
            self.objects.create("serviceaccounts", {"metadata": {"name": "default", "namespace": namespace}})

    def _install(self, crds: Sequence[Mapping[str, Any]]) -> None:
        for crd in crds:
            try:
                self.objects.create("customresourcedefinitions", dict(crd))
            except ApiError:  # kept from an earlier start: today's schema counts
                self.objects.update("customresourcedefinitions", dict(crd))


def _token(state: Path | None) -> str:
    """That of the cluster's state, so that clients survive its restart; else a new one."""
    if state is None:
        return secrets.token_urlsafe(24)
    path = state / "token"
    if not path.exists():
        state.mkdir(parents=True, exist_ok=True)
        _write_secret(path, secrets.token_urlsafe(24))
    return path.read_text()


def _write_secret(path: Path, text: str) -> None:
    """Readable by its owner only, from the first byte on."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


def _protocol(faults: Faults) -> type[asyncio.Protocol]:
    """HTTP that resets its connections while the cluster is to be unreachable."""

    class Protocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if faults.unreachable:
                transport.abort()

        def data_received(self, data: bytes) -> None:
            if faults.unreachable:
                self.transport.abort()
            else:
                super().data_received(data)

    return Protocol


class _Quiet(uvicorn.Server):
    """Leaves the signals to whoever runs the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield
