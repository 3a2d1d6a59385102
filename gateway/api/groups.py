"""`/v2/groups`: the tree that the apps' ids make."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.fragments import Fragments
from gateway.api.replies import HttpError, accepted, json_reply, not_found
from gateway.api.requests import app_id, body, flag, timestamp
from gateway.api.resource import Resource
from gateway.engines.engine import App, Engine

__all__ = ["Groups"]

_DEFAULT = frozenset(("group.apps", "group.pods", "group.groups"))
_NEVER = "1970-01-01T00:00:00.000Z"


class Groups:
    """Reads are the engine's apps seen as a tree; a group's version is that of its newest app."""

    def __init__(self, engine: Engine, fragments: Fragments) -> None:
        self._engine = engine
        self._fragments = fragments

    def routes(self) -> list[tuple[str, Resource]]:
        root = {"GET": self.get, "POST": self.post, "PUT": self.put, "DELETE": self.delete}
        return [
            ("/v2/groups", Resource(root)),
            ("/v2/groups/versions", Resource({"GET": self.versions})),
            ("/v2/groups/apps", Resource({"GET": self.apps})),
            ("/v2/groups/versions/{version}", Resource({"GET": self.version, "PUT": self.rollback})),
            ("/v2/groups/{id:path}/versions", Resource({"GET": self.versions})),
            ("/v2/groups/{id:path}/versions/{version}", Resource({"GET": self.version, "PUT": self.rollback})),
            ("/v2/groups/{id:path}/apps", Resource({"GET": self.apps})),
            ("/v2/groups/{id:path}", Resource(root)),
        ]

    async def get(self, request: Request) -> Response:
        group = _group(request)
        self._must_exist(group)
        embed = frozenset(request.query_params.getlist("embed")) or _DEFAULT
        return json_reply(msgspec.json.encode(self._tree(group, self._below(group), embed)))

    async def apps(self, request: Request) -> Response:
        shown = [
            self._fragments.app(app, _details(request.query_params.getlist("embed")))
            for app in self._below(_group(request))
        ]
        return json_reply(b"[" + b",".join(shown) + b"]")

    async def versions(self, request: Request) -> Response:
        group = _group(request)
        self._must_exist(group)
        found = {version for app in self._below(group) for version in self._engine.versions(app.id)}
        return json_reply(sorted(found, reverse=True) or [_NEVER])

    async def version(self, request: Request) -> Response:
        group, wanted = _group(request), timestamp(request.path_params["version"])
        self._must_exist(group)
        then = []
        for app in self._below(group):
            known = [version for version in self._engine.versions(app.id) if version <= wanted]
            if known:
                then.append(await self._engine.app_at(app.id, max(known)))
        if wanted not in {version for app in self._below(group) for version in self._engine.versions(app.id)}:
            raise not_found(f"Group '{group}' does not exist")
        return json_reply(msgspec.json.encode(self._tree(group, then, _DEFAULT)))

    async def rollback(self, request: Request) -> Response:
        """Only very old Marathons had this path; marathon-python still calls it."""
        source = {"version": timestamp(request.path_params["version"])}
        return accepted(await self._engine.update_group(_group(request), source, force=flag(request, "force")))

    async def post(self, request: Request) -> Response:
        change, made = await self._engine.create_group(
            _group(request), await body(request), force=flag(request, "force")
        )
        return accepted(change, 201, {"Location": f"http://{request.headers.get('host', '')}{made}"})

    async def put(self, request: Request) -> Response:
        source = await body(request)
        if flag(request, "dryRun"):
            steps = self._engine.plan_group(_group(request), source)
            return json_reply(
                {"steps": [{"actions": [{"action": a.action, "app": a.app} for a in s.actions]} for s in steps]}
            )
        return accepted(await self._engine.update_group(_group(request), source, force=flag(request, "force")))

    async def delete(self, request: Request) -> Response:
        group = _group(request)
        if not self._exists(group):
            raise HttpError(404, f"Group '{group}' does not exist")
        return accepted(await self._engine.delete_group(group, force=flag(request, "force")))

    def _below(self, group: str) -> Sequence[App]:
        prefix = group.rstrip("/") + "/"
        return [app for app in self._engine.apps() if app.id.startswith(prefix)]

    def _exists(self, group: str) -> bool:
        return group == "/" or bool(self._below(group))

    def _must_exist(self, group: str) -> None:
        if not self._exists(group):
            raise not_found(f"Group '{group}' does not exist")

    def _tree(self, group: str, apps: Sequence[App], embed: frozenset[str]) -> dict[str, Any]:
        prefix = group.rstrip("/") + "/"
        direct = [app for app in apps if "/" not in app.id[len(prefix) :]]
        names = dict.fromkeys(app.id[len(prefix) :].partition("/")[0] for app in apps if "/" in app.id[len(prefix) :])
        children = [
            self._tree(prefix + name, [app for app in apps if app.id.startswith(f"{prefix}{name}/")], embed)
            for name in names
        ]
        details = _details(embed)
        return {
            "id": group,
            "apps": [msgspec.Raw(self._fragments.app(app, details)) for app in direct] if "group.apps" in embed else [],
            "pods": [],
            "groups": children if "group.groups" in embed else [],
            "dependencies": [],
            "version": max((app.version for app in apps), default=_NEVER),
        }


def _group(request: Request) -> str:
    return app_id(request) if "id" in request.path_params else "/"


def _details(embed: Iterable[str]) -> frozenset[str]:
    return frozenset(name.removeprefix("group.apps.") for name in embed if name.startswith("group.apps."))
