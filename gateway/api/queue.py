"""`/v2/queue`: which instances wait, for how long, and why."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.replies import HttpError, json_reply
from gateway.api.requests import app_id, embeds
from gateway.api.resource import Resource
from gateway.engines.engine import Engine, QueueItem
from gateway.engines.errors import UnknownApp
from translators.marathon import app_json

__all__ = ["Queue"]

_REASONS = (
    "UnfulfilledRole", "UnfulfilledConstraint", "NoCorrespondingReservationFound", "AgentMaintenance", "InsufficientCpus",
    "InsufficientMemory", "InsufficientDisk", "InsufficientGpus", "InsufficientPorts", "DeclinedScarceResources",
)  # fmt: skip
"""Marathon's order, in which its matcher looks; the two summaries are a funnel through it."""


class Queue:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[tuple[str, Resource]]:
        return [
            ("/v2/queue", Resource({"GET": self.list})),
            ("/v2/queue/{id:path}/delay", Resource({"DELETE": self.reset_delay})),
        ]

    async def list(self, request: Request) -> Response:
        offers = "lastUnusedOffers" in embeds(request)
        return json_reply({"queue": [_json(item, offers=offers) for item in self._engine.queue()]})

    async def reset_delay(self, request: Request) -> Response:
        wanted = app_id(request)
        try:
            await self._engine.reset_delay(wanted)
        except UnknownApp:
            raise HttpError(404, f"Application {wanted} not found in tasks queue.", details=True) from None
        return Response(b"", 204)


def _json(item: QueueItem, *, offers: bool) -> dict[str, Any]:
    app = item.app
    shown = app_json(
        app.definition,
        version=app.version,
        last_scaling_at=app.last_scaling_at,
        last_config_change_at=app.last_config_change_at,
    )
    unused = {"lastUnusedOffers": _unused_offers(item)} if offers else {}
    return {
        "count": item.count,
        "delay": {"timeLeftSeconds": item.delay_s, "overdue": not item.held},
        "since": item.since,
        "processedOffersSummary": _summary(item),
        **unused,
        "app": shown,
    }


def _summary(item: QueueItem) -> dict[str, Any]:
    refused = sum(item.reasons.values())
    times = {"lastUnusedOfferAt": item.last_at} if item.last_at and refused else {}
    return {
        "processedOffersCount": item.nodes,
        "unusedOffersCount": refused,
        **times,
        "rejectSummaryLastOffers": _funnel(item.reasons, refused),
        "rejectSummaryLaunchAttempt": _funnel(item.reasons, item.nodes),
    }


def _funnel(reasons: Mapping[str, int], offers: int) -> list[dict[str, Any]]:
    rows = []
    left = offers
    for reason in _REASONS:
        declined = min(left, reasons.get(reason, 0))
        rows.append({"reason": reason, "declined": declined, "processed": left})
        left -= declined
    return rows


def _unused_offers(item: QueueItem) -> list[dict[str, Any]]:
    """One for each of the scheduler's messages: it speaks of all nodes at once, so no node is named."""
    reasons = [reason for reason in _REASONS if item.reasons.get(reason)]
    return [
        {
            "offer": {"id": f"scheduler-{n}", "hostname": message, "agentId": "", "resources": [], "attributes": []},
            "reason": reasons,
            "timestamp": item.last_at or item.since,
        }
        for n, message in enumerate(item.messages)
        if reasons
    ]
