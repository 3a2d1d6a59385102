"""What is not about apps: `/ping`, `/`, metrics, plugins, logging, and the answers for what Marathon no longer has."""

import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.replies import json_reply, not_found
from gateway.api.requests import body
from gateway.api.resource import Handler, Resource
from gateway.api.settings import ApiSettings
from gateway.engines.engine import Engine
from translators.marathon.errors import Detail, InvalidDefinition, InvalidJson

__all__ = ["System"]

_LEVELS = {
    "trace": "DEBUG",
    "debug": "DEBUG",
    "info": "INFO",
    "warn": "WARNING",
    "error": "ERROR",
    "off": "CRITICAL",
    "all": "DEBUG",
}


def _redirect(location: str) -> Handler:
    async def respond(_request: Request) -> Response:
        return Response(b"", 302, headers={"Location": location})

    return respond


class System:
    def __init__(self, engine: Engine, settings: ApiSettings) -> None:
        self._engine = engine
        self._settings = settings

    def routes(self) -> list[tuple[str, Resource]]:
        return [
            ("/ping", Resource({"GET": self.ping}, negotiates=True)),
            ("/", Resource({"GET": self.root}, negotiates=True)),
            ("/ui", Resource({"GET": _redirect("/ui/")}, negotiates=True)),
            ("/help", Resource({"GET": _redirect("api-console/index.html")}, negotiates=True)),
            ("/api-console", Resource({"GET": _redirect("/api-console/")}, negotiates=True)),
            ("/metrics", Resource({"GET": self.metrics}, negotiates=True)),
            ("/metrics/prometheus", Resource({"GET": self.prometheus}, produces="text/plain")),
            ("/logging", Resource({"GET": self.loggers, "POST": self.set_level})),
            ("/config", Resource({"GET": self.config})),
            ("/v2/plugins", Resource({"GET": self.plugins})),
            ("/v2/plugins/{plugin}/{path:path}", Resource({"GET": self.plugin})),
            ("/v2/pods", Resource({"GET": self.no_pods, "POST": self.create_pod}, negotiates=True)),
            ("/v2/pods/::status", Resource({"GET": self.no_pods})),
            ("/v2/pods/{id:path}", Resource({"GET": self.pod, "PUT": self.create_pod, "DELETE": self.delete_pod})),
        ]

    async def ping(self, request: Request) -> Response:
        """`pong`, as JSON where the client accepts JSON and no text."""
        accept = request.headers.get("accept") or "*/*"
        kinds = [part.partition(";")[0].strip() for part in accept.split(",")]
        if any(kind in ("application/json", "application/*") for kind in kinds):
            return Response(b'"pong"', media_type="application/json", headers={"Vary": "Accept"})
        if any(kind == "*/*" or kind.startswith("text/") for kind in kinds):
            text = kinds[0] if kinds[0].startswith("text/") and kinds[0] != "text/*" else "text/plain"
            return Response(b"pong", headers={"Content-Type": text, "Vary": "Accept"})
        return Response(b"", 204)

    async def root(self, request: Request) -> Response:
        """To the user interface. HEAD is 200: the DC/OS CLI would store where it leads as the cluster's address."""
        if request.method == "HEAD":
            return json_reply({})
        return Response(b"", 302, headers={"Location": f"http://{request.headers.get('host', '')}/ui/"})

    async def metrics(self, request: Request) -> Response:
        if "text/plain" in request.headers.get("accept", "") and "json" not in request.headers.get("accept", ""):
            return await self.prometheus(request)
        gauges = {f"{name}.gauge": {"value": value} for name, value in self._gauges().items()}
        empty: dict[str, Any] = {"histograms": {}, "meters": {}, "timers": {}}
        return json_reply({"version": "4.0.0", "counters": {}, "gauges": gauges, **empty})

    async def prometheus(self, _request: Request) -> Response:
        lines = []
        for name, value in self._gauges().items():
            metric = f"{name}.gauge".replace(".", "_").replace("-", "_")
            lines += [f"# TYPE {metric} gauge", f"{metric} {value}", ""]
        return Response("\n".join(lines) + "\n", media_type="text/plain")

    def _gauges(self) -> dict[str, int]:
        apps = self._engine.apps()
        instances = [i for app in apps for i in self._engine.instances(app.id)]
        return {
            "marathon.apps.active": len(apps),
            "marathon.deployments.active": len(self._engine.deployments()),
            "marathon.groups.active": len({app.id.rpartition("/")[0] for app in apps}) or 1,
            "marathon.instances.running": sum(1 for i in instances if i.state == "TASK_RUNNING"),
            "marathon.instances.staged": sum(1 for i in instances if i.active and i.state == "TASK_STAGING"),
        }

    async def loggers(self, _request: Request) -> Response:
        names = sorted(
            name for name in logging.root.manager.loggerDict if name.startswith(("gateway", "mgw", "events"))
        )
        levels = {name: logging.getLevelName(logging.getLogger(name).getEffectiveLevel()) for name in names}
        return json_reply({"ROOT": logging.getLevelName(logging.root.level), **levels})

    async def set_level(self, request: Request) -> Response:
        """The answer repeats the request; the level is that of the gateway's own loggers."""
        asked = await body(request)
        level = asked.get("level") if isinstance(asked, dict) else None
        name = asked.get("logger") if isinstance(asked, dict) else None
        if not isinstance(level, str) or level.lower() not in _LEVELS:
            raise InvalidJson([Detail("/level", ("error.unknown.enum.literal",))])
        if not isinstance(name, str):
            raise InvalidJson([Detail("/logger", ("error.expected.jsstring",))])
        if not name:
            raise InvalidDefinition([Detail("/logger", ("must not be empty",))])
        logging.getLogger(None if name == "ROOT" else name).setLevel(_LEVELS[level.lower()])
        return json_reply(asked)

    async def config(self, _request: Request) -> Response:
        """The settings that Marathon has too; none of them is secret."""
        return json_reply(dict(self._settings.info))

    async def plugins(self, _request: Request) -> Response:
        return json_reply({"plugins": []})

    async def plugin(self, request: Request) -> Response:
        raise not_found(f"No plugin with this pluginId: {request.path_params['plugin']}")

    # Pods are later work: there are none, and none can be made.

    async def no_pods(self, _request: Request) -> Response:
        return json_reply([])

    async def create_pod(self, _request: Request) -> Response:
        raise InvalidDefinition([Detail("/", ("pods are not supported by this platform yet",))])

    async def pod(self, request: Request) -> Response:
        raise not_found(
            f'{{"message": "pod with /{request.path_params["id"].strip("/").partition("::")[0]} does not exist"}}'
        )

    async def delete_pod(self, request: Request) -> Response:
        raise not_found(f"Pod '/{request.path_params['id'].strip('/')}' does not exist")
