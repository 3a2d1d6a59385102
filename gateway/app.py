"""The whole HTTP application: Marathon's resources, the DC/OS paths, the event stream, and what surrounds them."""

from collections.abc import Callable

from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from events.hub import Hub
from gateway.api.apps import Apps
from gateway.api.dcos import Cluster, dcos_routes
from gateway.api.deployments import Deployments
from gateway.api.events import EventStream
from gateway.api.fragments import Fragments
from gateway.api.groups import Groups
from gateway.api.info import Info
from gateway.api.middleware import Marathon
from gateway.api.queue import Queue
from gateway.api.replies import message
from gateway.api.settings import ApiSettings
from gateway.api.system import System
from gateway.api.tasks import Tasks
from gateway.clock import Clock
from gateway.engines.engine import Engine

__all__ = ["create_app"]


def create_app(
    engine: Engine,
    hub: Hub,
    *,
    settings: ApiSettings,
    clock: Clock,
    cluster_id: Callable[[], str | None] = lambda: None,
) -> ASGIApp:
    """The ASGI application, the same at `/`, `/marathon/` and `/service/marathon/`."""
    fragments = Fragments(engine, clock)
    resources = [
        *Tasks(engine, fragments).routes(),
        *Apps(engine, fragments).routes(),
        *Deployments(engine).routes(),
        *Queue(engine).routes(),
        *Groups(engine, fragments).routes(),
        *Info(engine, settings).routes(),
        *System(engine, settings).routes(),
    ]
    cluster = Cluster(settings.cluster_name, settings.address, cluster_id, settings.credentials)
    routes: list[BaseRoute] = [Route("/v2/events", EventStream(hub, clock))]
    routes += [Route(path, resource) for path, resource in resources]
    routes += dcos_routes(cluster)
    return Marathon(Router(routes, redirect_slashes=False, default=_uri_not_found), settings, engine.leader)


async def _uri_not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """The real one answers 500, which makes clients take the host out of service (design D14)."""
    await message(404, "URI not found")(scope, receive, send)
