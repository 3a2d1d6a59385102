"""Tasks: of one app, of all apps, and killing them."""

import re
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.fragments import Fragments
from gateway.api.replies import HttpError, accepted, json_reply, not_found
from gateway.api.requests import app_id, body, flag
from gateway.api.resource import Resource
from gateway.engines.engine import Engine
from translators.kubernetes.instances import Instance
from translators.kubernetes.task_json import task_json
from translators.marathon.errors import Detail, InvalidJson
from translators.marathon.json import compact

__all__ = ["Tasks"]

_TASK_ID = re.compile(r".+[._].+")
_STATES = {"running": "TASK_RUNNING", "staging": "TASK_STAGING"}


class Tasks:
    def __init__(self, engine: Engine, fragments: Fragments) -> None:
        self._engine = engine
        self._fragments = fragments

    def routes(self) -> list[tuple[str, Resource]]:
        delete = Resource({"POST": self.delete, "DELETE": self.delete})  # one Java client sends it as DELETE
        return [
            ("/v2/tasks", Resource({"GET": self.list})),
            ("/v2/tasks/delete", delete),
            ("/v2/apps/*/tasks", Resource({"GET": self.of_group})),
            ("/v2/apps/{id:path}/*/tasks", Resource({"GET": self.of_group})),
            ("/v2/apps/{id:path}/tasks", Resource({"GET": self.of_app, "DELETE": self.kill_all})),
            ("/v2/apps/{id:path}/tasks/{task}", Resource({"DELETE": self.kill_one})),
        ]

    async def list(self, request: Request) -> Response:
        asked = [*request.query_params.getlist("status"), *request.query_params.getlist("status[]")]
        states = {_STATES[name.lower()] for name in asked if name.lower() in _STATES}
        if not states:
            return json_reply(self._fragments.all_tasks(self._engine.apps()))
        tasks = [
            task
            for app in self._engine.apps()
            for task in self._fragments.tasks(app, with_service_ports=True, keep=lambda i: i.state in states)
        ]
        return json_reply({"tasks": tasks})

    async def of_app(self, request: Request) -> Response:
        app = self._engine.app(app_id(request))
        if app is None:
            raise not_found(f"App '{app_id(request)}' does not exist")
        return json_reply({"tasks": self._fragments.tasks(app)})

    async def of_group(self, request: Request) -> Response:
        group = app_id(request) if "id" in request.path_params else "/"
        apps = [app for app in self._engine.apps() if app.id.startswith(group.rstrip("/") + "/")]
        if not self._engine.has_group(group):
            raise not_found(f"Group '{group}' does not exist")
        return json_reply({"tasks": [task for app in apps for task in self._fragments.tasks(app)]})

    async def kill_all(self, request: Request) -> Response:
        scale, wipe = _scale_and_wipe(request)
        wanted, host = app_id(request), request.query_params.get("host", "*")
        app = self._engine.app(wanted)
        instances = list(self._fragments.listed(wanted))
        if app is None or (scale and not self._engine.instances(wanted)):
            raise (
                not_found(f"App '{wanted}' does not exist")
                if not scale
                else HttpError(404, f"Path '{wanted}' does not exist")
            )
        if host not in ("*", ""):
            instances = [i for i in instances if i.host == host]
        return await self._kill(request, instances, wanted, scale=scale, wipe=wipe)

    async def kill_one(self, request: Request) -> Response:
        scale, wipe = _scale_and_wipe(request)
        wanted, task = app_id(request), request.path_params["task"]
        found = self._engine.instance_of_task(task)
        if found is None and self._engine.app(wanted) is None:
            raise not_found(f"App '{wanted}' does not exist")
        if found is None and not scale:
            raise not_found(f"Task '{task}' does not exist")
        instances = [found] if found else []
        return await self._kill(request, instances, wanted, scale=scale, wipe=wipe, single=True)

    async def delete(self, request: Request) -> Response:
        source = await body(request)
        scale, wipe = _scale_and_wipe(request)
        ids = _ids(source)
        for task in ids:
            if not _TASK_ID.fullmatch(task):
                text = f"Invalid task id '{task}'. [taskId {task} no valid identifier (of class java.lang.String)]"
                raise HttpError(400, text)
        instances = [found for task in dict.fromkeys(ids) if (found := self._engine.instance_of_task(task))]
        return await self._kill(request, instances, "/", scale=scale, wipe=wipe)

    async def _kill(
        self,
        request: Request,
        instances: Sequence[Instance],
        app: str,
        *,
        scale: bool,
        wipe: bool,
        single: bool = False,
    ) -> Response:
        tasks = [task_json(i) for i in instances]
        change = await self._engine.kill(instances, app_id=app, scale=scale, wipe=wipe, force=flag(request, "force"))
        if change is not None:
            return accepted(change)
        return json_reply({"task": tasks[0]} if single else {"tasks": tasks})


def _scale_and_wipe(request: Request) -> tuple[bool, bool]:
    scale, wipe = flag(request, "scale"), flag(request, "wipe")
    if scale and wipe:
        raise HttpError(400, "You cannot use scale and wipe at the same time.")
    return scale, wipe


def _ids(source: Any) -> list[str]:
    if not isinstance(source, dict):
        raise InvalidJson([Detail("", (f"{compact(source)} is not an object",))])
    if "ids" not in source:
        raise InvalidJson([Detail("", (f"'ids' is undefined on object: {compact(source)}",))])
    ids = source["ids"]
    if not isinstance(ids, list):
        raise InvalidJson([Detail("", ("error.expected.jsarray",))])
    details = [
        Detail(f"({i})", ("error.expected.jsstring",)) for i, item in enumerate(ids) if not isinstance(item, str)
    ]
    if details:
        raise InvalidJson(details)
    return ids
