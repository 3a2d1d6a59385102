"""Admission webhooks: asks the HTTPS servers that Validating- and MutatingWebhookConfigurations name about writes.

A write is tried without effect first, so that a webhook sees the object as it would be stored: what is invalid before a
mutating webhook has seen it is refused. Asked about: creates, updates and deletes of one object by clients, its status
included, and the pods that ReplicaSets make. Not: scale, eviction and binding, deletes of collections, `matchConditions`.
"""

import base64
import ssl
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from gateway.simulator.errors import ApiError
from gateway.simulator.kinds import Kind
from gateway.simulator.objects import Objects
from gateway.simulator.patches import json_patch
from gateway.simulator.scheduling.labels import selects

__all__ = ["Review", "Webhooks"]

Obj = dict[str, Any]

MUTATING, VALIDATING = "mutatingwebhookconfigurations", "validatingwebhookconfigurations"
_DEFAULT_TIMEOUT_S = 10
_USER = {"username": "mgw-simulator", "groups": ["system:masters", "system:authenticated"]}


@dataclass
class Review:
    """One write that is asked about; `warnings` collects what webhooks want to be told."""

    kind: Kind
    operation: str
    namespace: str
    new: Obj | None
    old: Obj | None = None
    subresource: str = ""
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)

    def request(self) -> Obj:
        kind = {"group": self.kind.group, "version": self.kind.version, "kind": self.kind.kind}
        resource = {"group": self.kind.group, "version": self.kind.version, "resource": self.kind.plural}
        seen = self.new or self.old or {"metadata": {}}
        return {
            "uid": str(uuid.uuid4()),
            "kind": kind,
            "resource": resource,
            **({"subResource": self.subresource} if self.subresource else {}),
            "requestKind": kind,
            "requestResource": resource,
            "name": seen["metadata"].get("name", ""),
            **({"namespace": self.namespace} if self.namespace else {}),
            "operation": self.operation,
            "userInfo": _USER,
            "object": self.new,
            "oldObject": self.old,
            "dryRun": self.dry_run,
            "options": None,
        }


class Webhooks:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        objects.reviewer = self.created

    def concern(self, kind: Kind, operation: str, subresource: str = "") -> bool:
        """Whether any webhook may want to be asked: cheap, for it precedes every write."""
        found = (w for plural in (MUTATING, VALIDATING) for w in self._all(plural))
        return any(_rules_match(webhook, kind, operation, subresource) for webhook in found)

    async def created(self, plural: str, obj: Obj) -> Obj:
        """The object that a controller is about to create, admitted. Raises ApiError."""
        kind = self._objects.kind(plural)
        if not self.concern(kind, "CREATE"):
            return obj
        preview = self._objects.create(plural, obj, dry_run=True)
        review = Review(kind, "CREATE", str(preview["metadata"].get("namespace", "")), preview)
        await self.mutate(review)
        await self.validate(review)
        return review.new or obj

    async def mutate(self, review: Review) -> None:
        """Leaves the changed object in the review. Raises ApiError for a refusal."""
        async for response in self._asked(MUTATING, review):
            if response.get("patch") and review.new is not None:
                review.new = json_patch(review.new, msgspec.json.decode(base64.b64decode(response["patch"])))

    async def validate(self, review: Review) -> None:
        """Raises ApiError for a refusal."""
        async for _ in self._asked(VALIDATING, review):
            pass

    async def _asked(self, plural: str, review: Review) -> AsyncIterator[Obj]:
        for webhook in self._all(plural):
            if _rules_match(webhook, review.kind, review.operation, review.subresource) and self._selects(
                webhook, review
            ):
                response = await _call(webhook, review)
                review.warnings += response.get("warnings") or ()
                if not response.get("allowed"):
                    raise _refusal(webhook["name"], response.get("status") or {})
                yield response

    def _all(self, plural: str) -> Iterator[Obj]:
        for configuration in self._objects.list(plural):
            yield from configuration.get("webhooks") or ()

    def _selects(self, webhook: Obj, review: Review) -> bool:
        labels = [(o or {"metadata": {}})["metadata"].get("labels") for o in (review.new, review.old)]
        if not any(selects(webhook.get("objectSelector") or {}, found) for found in labels):
            return False
        namespace = self._objects.find("namespaces", "", review.namespace)
        if not review.kind.namespaced or namespace is None:
            return True
        return selects(webhook.get("namespaceSelector") or {}, namespace["metadata"].get("labels"))


def _rules_match(webhook: Obj, kind: Kind, operation: str, subresource: str) -> bool:
    resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
    wild = {"*/*", f"*/{subresource}", f"{kind.plural}/*"} if subresource else {"*", "*/*"}
    scope = "Namespaced" if kind.namespaced else "Cluster"
    return any(
        _has(rule.get("operations"), operation)
        and _has(rule.get("apiGroups"), kind.group)
        and _has(rule.get("apiVersions"), kind.version)
        and (resource in rule.get("resources", ()) or wild & set(rule.get("resources", ())))
        and rule.get("scope", "*") in ("*", scope)
        for rule in webhook.get("rules") or ()
    )


def _has(values: Sequence[str] | None, wanted: str) -> bool:
    return wanted in (values or ()) or "*" in (values or ())


async def _call(webhook: Obj, review: Review) -> Obj:
    """Its response. One that cannot be had counts as consent or as a refusal, as the webhook's policy says."""
    try:
        return await _post(webhook, review)
    except _NoAnswerError as error:
        if webhook.get("failurePolicy") == "Ignore":
            return {"allowed": True}
        text = f'failed calling webhook "{webhook["name"]}": failed to call webhook: {error}'
        details = {"causes": [{"message": text}]}
        raise ApiError(500, "InternalError", f"Internal error occurred: {text}", details) from error


class _NoAnswerError(Exception):
    """In the words of the client that a real API server uses."""


async def _post(webhook: Obj, review: Review) -> Obj:
    seconds = int(webhook.get("timeoutSeconds") or _DEFAULT_TIMEOUT_S)
    config = webhook.get("clientConfig") or {}
    if not config.get("url"):
        raise _NoAnswerError("the embedded cluster reaches webhooks by URL only, it has no Services")
    url = f"{config['url']}?timeout={seconds}s"
    context = ssl.create_default_context(cadata=base64.b64decode(config.get("caBundle") or "").decode() or None)
    request = review.request()
    body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    try:
        async with httpx.AsyncClient(verify=context, trust_env=False, timeout=seconds) as client:
            answer = await client.post(url, content=msgspec.json.encode(body), headers=_HEADERS)
    except httpx.TimeoutException as error:
        raise _NoAnswerError(f'Post "{url}": context deadline exceeded') from error
    except httpx.ConnectError as error:
        address = httpx.URL(url).netloc.decode()
        raise _NoAnswerError(f'Post "{url}": dial tcp {address}: connect: connection refused') from error
    except httpx.HTTPError as error:
        raise _NoAnswerError(f'Post "{url}": {error}') from error
    if answer.status_code != 200:
        shown = answer.text.strip() or "unknown"
        raise _NoAnswerError(f'an error on the server ("{shown}") has prevented the request from succeeding')
    response = (msgspec.json.decode(answer.content) or {}).get("response") or {}
    if response.get("uid") != request["uid"]:
        raise _NoAnswerError(f'expected response.uid="{request["uid"]}", got "{response.get("uid", "")}"')
    return dict(response)


_HEADERS = {"content-type": "application/json", "accept": "application/json"}


def _refusal(name: str, status: Obj) -> ApiError:
    denied = f'admission webhook "{name}" denied the request'
    reason, message = str(status.get("reason") or ""), str(status.get("message") or "")
    why = message or reason
    text = f"{denied}: {why}" if why else f"{denied} without explanation"
    return ApiError(max(400, int(status.get("code") or 0)), reason, text, status.get("details"))
