"""Puts the gateway together and runs it: transport, cache, engine, runner, events, HTTP server.

Every task here has this module as its owner: the first that ends ends all, in the order streams, server, leader, watches.
The Kubernetes API need not be there: the server listens at once, `/ping` answers, everything else says 503 until the
first synchronisation, and the log says what is being waited for.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import uvicorn

from events.hub import Hub
from gateway.api.settings import ApiSettings
from gateway.app import create_app
from gateway.clock import Clock, SystemClock, timestamp
from gateway.engines.announcer import Announcer
from gateway.engines.kubernetes import KubernetesEngine
from gateway.kubernetes.cluster import Cluster
from gateway.kubernetes.lease import LeaderElection
from gateway.kubernetes.transport import ApiServer, connect
from gateway.rollouts.instances import Instances
from gateway.rollouts.runner import Runner
from gateway.settings import Settings
from translators.kubernetes.platform import Platform
from translators.marathon import Rules

__all__ = ["Gateway", "gateway", "serve"]

log = logging.getLogger("mgw")

_GRACEFUL_SHUTDOWN_S = 5
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_BACKLOG = 2048  # as uvicorn has it


@dataclass(frozen=True, slots=True)
class Gateway:
    """The composed parts, for those who run or test them together."""

    settings: Settings
    cluster: Cluster
    engine: KubernetesEngine
    runner: Runner
    election: LeaderElection
    hub: Hub
    address: str


def platform(settings: Settings) -> Platform:
    return Platform(
        namespace=settings.namespace,
        default_image=settings.default_image,
        fetcher_image=settings.fetcher_image,
        kill_grace_s=settings.kill_grace_s,
        task_id_style=settings.task_id_style,
        env_vars_prefix=settings.env_vars_prefix,
        networks=settings.networks,
        users=settings.users,
        secrets=settings.secrets,
        soft_refusals=settings.unsupported == "warn",
    )


def rules(settings: Settings) -> Rules:
    return Rules(
        enabled_features=frozenset(settings.enable_features),
        mesos_role=settings.mesos_role,
        default_network_name=settings.default_network_name or None,
        gpu_scheduling_behavior=settings.gpu_scheduling_behavior,
        local_port_min=settings.local_port_min,
        local_port_max=settings.local_port_max,
        max_instances=settings.max_instances,
    )


def gateway(settings: Settings, api: ApiServer, *, address: str, clock: Clock) -> Gateway:
    """Composes a gateway that answers at `address` (`host:port`, also its identity in the Lease)."""
    cluster = Cluster(api, namespace=settings.namespace, clock=clock)
    election = LeaderElection(cluster, "marathon-gateway", address, clock=clock, duration_s=settings.lease_duration_s)
    hub = Hub(lambda: timestamp(clock.time()), backlog=settings.event_stream_max_outstanding_messages)
    instances = Instances(cluster, clock=clock, style=settings.task_id_style)
    announcer = Announcer(cluster, instances, hub, clock)
    engine = KubernetesEngine(
        cluster,
        instances,
        rules=rules(settings),
        platform=platform(settings),
        clock=clock,
        leadership=election,
        max_running_deployments=settings.max_running_deployments,
        refused=announcer,
    )
    runner = Runner(
        cluster, instances, platform=platform(settings), clock=clock, retention_s=settings.deployment_retention_s
    )
    return Gateway(settings, cluster, engine, runner, election, hub, address)


async def serve(settings: Settings, *, ready: Callable[[str], Awaitable[None]] | None = None) -> None:
    """Runs until SIGTERM or SIGINT. `ready` is called with the base URL once the socket listens.

    Raises OSError if the address cannot be listened on, and what `connect` raises for bad credentials.
    """
    with _listen(settings) as listener:
        await _serve(settings, listener, ready)


async def _serve(settings: Settings, listener: socket.socket, ready: Callable[[str], Awaitable[None]] | None) -> None:
    clock = SystemClock()
    address = f"{settings.hostname or settings.http_address}:{listener.getsockname()[1]}"
    async with _connected(settings) as api:
        parts = gateway(settings, api, address=address, clock=clock)
        app = create_app(
            parts.engine,
            parts.hub,
            settings=_api_settings(settings, address),
            clock=clock,
            cluster_id=lambda: parts.election.uid,
        )
        server = _Server(app, parts.hub)
        tasks = [
            asyncio.create_task(parts.cluster.run(), name="watches"),
            asyncio.create_task(parts.election.run(parts.runner.run), name="leader"),
            asyncio.create_task(_report(parts.cluster, clock), name="report"),
        ]
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="server")
        if ready:
            await ready(f"http://{address}")
        try:
            done, _ = await asyncio.wait([serving, *tasks], return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
            for task in done:
                task.result()
        finally:
            for task in (*reversed(tasks), serving):
                task.cancel()
            await asyncio.gather(*tasks, serving, return_exceptions=True)


class _Server(uvicorn.Server):
    """Ends the event streams before it waits for open requests, since a stream never ends by itself."""

    def __init__(self, app: object, hub: Hub) -> None:
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]
                loop="none",
                http="httptools",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_S,
            )
        )
        self._hub = hub

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the server and nothing more: uvicorn's own way raises them again when it has ended, and the
        process would die of them before the leader has given its Lease back."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._hub.close()
        await super().shutdown(sockets)


@contextlib.asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[ApiServer]:
    api = await connect(settings.kubeconfig)
    try:
        yield api
    finally:
        await api.close()


async def _report(cluster: Cluster, clock: Clock) -> None:
    """Says once when the cluster is there, and again and again what is wrong while it is not."""
    said = ""
    while True:
        if cluster.synced and cluster.reachable:
            state = f"The state of namespace {cluster.namespace} has been read; serving."
        elif cluster.synced:
            state = "The Kubernetes API cannot be reached: reads are answered from memory, writes get 503."
        else:
            state = f"Waiting for the Kubernetes API: {cluster.problem or 'the first list is being read'}."
        if state != said:
            log.log(logging.INFO if cluster.synced and cluster.reachable else logging.WARNING, "%s", state)
            said = state
        await clock.sleep(0.2 if not cluster.synced else 1.0)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.http_address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.http_address, settings.http_port))
        listener.listen(_BACKLOG)  # who connects on reading the address, before the server runs, waits for it
    except OSError:
        listener.close()
        raise
    return listener


def _api_settings(settings: Settings, address: str) -> ApiSettings:
    shown = {
        "access_control_allow_origin": list(settings.access_control_allow_origin) or None,
        "default_network_name": settings.default_network_name or None,
        "env_vars_prefix": settings.env_vars_prefix or None,
        "features": sorted(settings.enable_features),
        "framework_name": settings.framework_name,
        "hostname": settings.hostname or settings.http_address,
        "local_port_max": settings.local_port_max,
        "local_port_min": settings.local_port_min,
        "mesos_role": settings.mesos_role,
    }
    return ApiSettings(
        address=address,
        http_port=int(address.rpartition(":")[2]),
        credentials=settings.http_credentials,
        realm=settings.http_realm,
        max_body_bytes=settings.max_body_bytes,
        max_concurrent_requests=settings.http_max_concurrent_requests,
        allow_origin=settings.access_control_allow_origin,
        cluster_name=settings.framework_name,
        info=shown,
    )
