"""`/v2/groups`: the tree of groups, now and at its past versions."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.fragments import Fragments
from gateway.api.replies import HttpError, accepted, json_reply, not_found
from gateway.api.requests import app_id, body, flag, timestamp
from gateway.api.resource import Resource
from gateway.engines.engine import App, Engine, Tree
from translators.marathon.paths import parent

__all__ = ["Groups"]

_DEFAULT = frozenset(("group.apps", "group.pods", "group.groups"))


class Groups:
    """Every group has the version of the root, which is that of the last accepted change."""

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
            ("/v2/groups/{id:path}", Resource({**root, "PATCH": self.patch})),
        ]

    async def get(self, request: Request) -> Response:
        return self._shown(request, self._engine.tree())

    async def apps(self, request: Request) -> Response:
        details = _details(request.query_params.getlist("embed"))
        prefix = _group(request).rstrip("/") + "/"
        shown = [self._fragments.app(app, details) for app in self._engine.apps() if app.id.startswith(prefix)]
        return json_reply(b"[" + b",".join(shown) + b"]")

    async def versions(self, request: Request) -> Response:
        group = _group(request)
        if not self._engine.has_group(group):
            raise not_found(f"Group '{group}' does not exist")
        return json_reply(list(self._engine.group_versions(group)))

    async def version(self, request: Request) -> Response:
        return self._shown(request, self._engine.tree_at(timestamp(request.path_params["version"])))

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

    async def patch(self, request: Request) -> Response:
        await self._engine.patch_group(_group(request), await body(request))
        return Response(b"", media_type="application/json")

    async def delete(self, request: Request) -> Response:
        group = _group(request)
        if not self._engine.has_group(group):
            raise HttpError(404, f"Group '{group}' does not exist")
        return accepted(await self._engine.delete_group(group, force=flag(request, "force")))

    def _shown(self, request: Request, tree: Tree | None) -> Response:
        group = _group(request)
        if tree is None or group not in tree.groups:
            raise not_found(f"Group '{group}' does not exist")
        embed = frozenset(request.query_params.getlist("embed")) or _DEFAULT
        return json_reply(msgspec.json.encode(self._tree(group, tree, _Members(tree), embed)))

    def _tree(self, group: str, tree: Tree, members: "_Members", embed: frozenset[str]) -> dict[str, Any]:
        details = _details(embed)
        apps = members.apps[group] if "group.apps" in embed else []
        inner = members.groups[group] if "group.groups" in embed else []
        record = tree.groups[group]
        enforced = {"enforceRole": True} if record.enforceRole else {}  # a false one would break clients
        return {
            "id": group,
            "apps": [msgspec.Raw(self._fragments.app(app, details)) for app in apps],
            "pods": [],
            "groups": [self._tree(other, tree, members, embed) for other in inner],
            "dependencies": record.dependencies,
            "version": tree.version,
            **enforced,
        }


class _Members:
    """What is directly in each group."""

    def __init__(self, tree: Tree) -> None:
        self.apps: defaultdict[str, list[App]] = defaultdict(list)
        self.groups: defaultdict[str, list[str]] = defaultdict(list)
        for app in tree.apps:
            self.apps[parent(app.id)].append(app)
        for group in tree.groups:
            if group != "/":
                self.groups[parent(group)].append(group)


def _group(request: Request) -> str:
    return app_id(request) if "id" in request.path_params else "/"


def _details(embed: Iterable[str]) -> frozenset[str]:
    return frozenset(name.removeprefix("group.apps.") for name in embed if name.startswith("group.apps."))
