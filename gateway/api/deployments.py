"""`/v2/deployments`: what is being rolled out, and stopping it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.replies import accepted, json_reply, not_found
from gateway.api.requests import flag
from gateway.api.resource import Resource
from gateway.engines.engine import DeploymentView, Engine
from gateway.engines.errors import UnknownDeployment

__all__ = ["Deployments"]


class Deployments:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[tuple[str, Resource]]:
        return [
            ("/v2/deployments", Resource({"GET": self.list})),
            ("/v2/deployments/{deployment}", Resource({"DELETE": self.cancel})),
        ]

    async def list(self, _request: Request) -> Response:
        return json_reply([_json(view) for view in self._engine.deployments()])

    async def cancel(self, request: Request) -> Response:
        try:
            change = await self._engine.cancel(request.path_params["deployment"], force=flag(request, "force"))
        except UnknownDeployment as error:
            raise not_found(str(error)) from None
        return accepted(change) if change else Response(b"", 202)


def _json(view: DeploymentView) -> dict[str, Any]:
    steps = [{"actions": [{"action": a.action, "app": a.app} for a in step.actions]} for step in view.steps]
    current = view.steps[view.current_step - 1].actions if view.current_step else []
    return {
        "id": view.id,
        "steps": steps,
        "version": view.version,
        "affectedApps": list(view.affected_apps),
        "affectedPods": [],
        "currentActions": [
            {"action": a.action, "app": a.app, "readinessCheckResults": list(view.readiness.get(a.app, ()))}
            for a in current
        ],
        "currentStep": view.current_step,
        "totalSteps": len(view.steps),
    }
