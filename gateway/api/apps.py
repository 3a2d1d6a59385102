"""`/v2/apps` and everything below it but tasks."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.fragments import LIST, SINGLE, Fragments
from gateway.api.replies import accepted, json_reply, not_found
from gateway.api.requests import app_id, body, embeds, flag, origin, timestamp
from gateway.api.resource import Handler, Resource
from gateway.api.selectors import label_selector
from gateway.engines.engine import App, Engine
from gateway.engines.errors import UnknownApp, UnknownVersion
from translators.marathon import app_json
from translators.marathon.errors import Detail, InvalidJson
from translators.marathon.paths import absolute_id

__all__ = ["Apps"]


class Apps:
    def __init__(self, engine: Engine, fragments: Fragments) -> None:
        self._engine = engine
        self._fragments = fragments

    def routes(self) -> list[tuple[str, Resource]]:
        """In order of precedence: the first path that fits is taken, whatever the method."""
        named_star = {"PUT": self.put, "PATCH": self.patch, "DELETE": self.delete}
        wildcard = Resource({"GET": self.wildcard, **{method: _of_star(call) for method, call in named_star.items()}})
        return [
            (
                "/v2/apps",
                Resource({"POST": self.create, "GET": self.list, "PUT": self.put_list, "PATCH": self.patch_list}),
            ),
            ("/v2/apps/{id:path}/restart", Resource({"POST": self.restart, "DELETE": self.delete_restart})),
            ("/v2/apps/{id:path}/versions", Resource({"GET": self.versions})),
            ("/v2/apps/{id:path}/versions/{version}", Resource({"GET": self.version})),
            ("/v2/apps/*", wildcard),
            ("/v2/apps/{id:path}/*", wildcard),
            (
                "/v2/apps/{id:path}",
                Resource({"GET": self.get, "PUT": self.put, "PATCH": self.patch, "DELETE": self.delete}),
            ),
        ]

    async def list(self, request: Request) -> Response:
        query = request.query_params
        apps: Sequence[App] = self._engine.apps()
        if wanted := query.get("id", ""):
            apps = [app for app in apps if wanted.lower() in app.id]
        if "cmd" in query:
            cmd = query["cmd"].lower()
            apps = _with_cmd(apps, cmd)
        if label := next(iter(query.getlist("label")), ""):
            matches = label_selector(label)
            apps = [app for app in apps if matches(app.definition["labels"])]
        return json_reply(self._fragments.apps(apps, LIST | embeds(request)))

    async def create(self, request: Request) -> Response:
        change = await self._engine.create_app(
            await body(request), force=flag(request, "force"), origin=origin(request)
        )
        app = change.app
        assert app is not None  # noqa: S101 — create_app promises it
        answer = app_json(app.definition, version=change.version)
        answer |= dict.fromkeys(("tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy"), 0)
        answer["deployments"] = [{"id": change.deployment_id}]
        headers = {"Location": _location(request, app.id), "Marathon-Deployment-Id": change.deployment_id}
        return self._warned(app.id, json_reply(answer, 201, headers))

    async def get(self, request: Request) -> Response:
        app = self._engine.app(app_id(request))
        if app is None:
            raise not_found(f"App '{app_id(request)}' does not exist")
        shown = self._fragments.app(app, SINGLE | embeds(request))
        return self._warned(app.id, json_reply(b'{"app":' + shown + b"}"))

    async def wildcard(self, request: Request) -> Response:
        group = app_id(request) if "id" in request.path_params else "/"
        prefix = group.rstrip("/") + "/"
        apps = [app for app in self._engine.apps() if app.id.startswith(prefix)]
        if not self._engine.has_group(group):
            raise not_found(f"Group '{group}' does not exist")
        return json_reply(self._fragments.apps(apps, SINGLE | embeds(request), key=b"*"))

    async def put(self, request: Request) -> Response:
        return await self._update(request, partial=flag(request, "partialUpdate", True))

    async def patch(self, request: Request) -> Response:
        return await self._update(request, partial=True, create=False)

    async def _update(self, request: Request, *, partial: bool, create: bool = True) -> Response:
        wanted, source = app_id(request), await body(request)
        change = await self._engine.update_app(
            wanted, source, force=flag(request, "force"), partial=partial, create=create, origin=origin(request)
        )
        headers = {"Location": _location(request, wanted)} if change.created else {}
        return self._warned(wanted, accepted(change, 201 if change.created else 200, headers))

    async def put_list(self, request: Request) -> Response:
        return await self._update_list(request, partial=flag(request, "partialUpdate", True), create=True)

    async def patch_list(self, request: Request) -> Response:
        return await self._update_list(request, partial=True, create=False)

    async def _update_list(self, request: Request, *, partial: bool, create: bool) -> Response:
        sources = await body(request)
        if not isinstance(sources, list):
            raise InvalidJson([Detail("", ("error.expected.jsarray",))])
        return accepted(
            await self._engine.update_apps(sources, force=flag(request, "force"), partial=partial, create=create)
        )

    async def delete(self, request: Request) -> Response:
        return accepted(await self._engine.delete_app(app_id(request), force=flag(request, "force", True)))

    async def delete_restart(self, request: Request) -> Response:
        """Not a restart: it deletes an app whose last segment is `restart`."""
        wanted = absolute_id(app_id(request) + "/restart")
        return accepted(await self._engine.delete_app(wanted, force=flag(request, "force", True)))

    async def restart(self, request: Request) -> Response:
        return accepted(await self._engine.restart_app(app_id(request), force=flag(request, "force")))

    async def versions(self, request: Request) -> Response:
        try:
            return json_reply({"versions": list(self._engine.versions(app_id(request)))})
        except UnknownApp as error:
            raise not_found(str(error)) from None

    async def version(self, request: Request) -> Response:
        wanted = timestamp(request.path_params["version"])
        try:
            app = await self._engine.app_at(app_id(request), wanted)
        except (UnknownApp, UnknownVersion) as error:
            raise not_found(f"App '{error.app_id}' does not exist in version {wanted}") from None
        return json_reply(
            app_json(
                app.definition,
                version=app.version,
                last_scaling_at=app.last_scaling_at,
                last_config_change_at=app.last_config_change_at,
            )
        )

    def _warned(self, wanted: str, response: Response) -> Response:
        """What the cluster does differently is said in headers: an extra member would break clients (decision 2)."""
        for warning in self._engine.warnings(wanted):
            text = warning.encode("ascii", "replace").decode().replace("\n", " ")
            response.headers.append("X-Marathon-Gateway-Warning", text)
        return response


def _of_star(handler: Handler) -> Handler:
    """A group's wildcard can be read only; to all else `*` is the last segment of an id, and no good one."""

    async def call(request: Request) -> Response:
        request.scope["path_params"] = {"id": f"{request.path_params.get('id', '')}/*"}
        return await handler(request)

    return call


def _with_cmd(apps: Sequence[App], cmd: str) -> Sequence[App]:
    return [app for app in apps if "cmd" in app.definition and cmd in app.definition["cmd"].lower()]


def _location(request: Request, wanted: str) -> str:
    return f"http://{request.headers.get('host', '')}{wanted}"
