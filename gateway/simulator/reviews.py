"""Questions about who may do what, and the tokens of service accounts.

A token is a JSON web token signed with the cluster's own secret, so that it outlives a restart of a cluster that is kept on disk.
"""

import base64
import hmac
import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.simulator.errors import ApiError, invalid, method_not_allowed
from gateway.simulator.objects import Objects
from gateway.simulator.ownership import MANAGERS, Claim, entries, fields
from gateway.simulator.requests import Request, Target
from gateway.simulator.responses import Answer
from gateway.simulator.rights import Asked, Rights
from gateway.simulator.schemas import FREE_ITEM

__all__ = ["Reviews", "Tokens"]

Obj = dict[str, Any]

_AUDIENCE = "https://kubernetes.default.svc"
_LIFE_S = 3600
_SHORTEST_S = 600
_EVERYTHING: Obj = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}
# What an account may do is not spelt out, and the answer says so.
_NOTHING: Obj = {"resourceRules": [], "nonResourceRules": [], "incomplete": True}
_KINDS = {
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews": "SelfSubjectRulesReview",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews": "SelfSubjectReview",
}


class Tokens:
    """Issues and knows tokens; without a secret of the cluster's nobody outlives its process."""

    def __init__(self, secret: str, objects: Objects) -> None:
        self._secret = (secret or secrets.token_urlsafe(24)).encode()
        self._objects = objects

    def issue(self, account: Obj, audiences: list[str], life_s: int) -> tuple[str, str]:
        """A token of a service account, and when it expires."""
        meta = account["metadata"]
        subject = f"system:serviceaccount:{meta['namespace']}:{meta['name']}"
        now = int(self._objects.clock.time())
        claims = {"aud": audiences, "exp": now + life_s, "iat": now, "iss": _AUDIENCE, "jti": str(uuid.uuid4())}
        parts = ({"alg": "HS256"}, {**claims, "nbf": now, "sub": subject, "uid": meta["uid"]})
        text = b".".join(_encoded(msgspec.json.encode(part)) for part in parts)
        token = b".".join((text, self._signature(text))).decode()
        return token, f"{datetime.fromtimestamp(now + life_s, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def user(self, token: str) -> str | None:
        """Whose it is, if it is one of ours, for this API, of an account that is there, and not too old."""
        text, _, signature = token.rpartition(".")
        if text.count(".") != 1 or not hmac.compare_digest(self._signature(text.encode()), signature.encode()):
            return None
        body = text.partition(".")[2]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        _, _, namespace, name = claims["sub"].split(":")
        account = self._objects.find("serviceaccounts", namespace, name)
        is_alive = account is not None and account["metadata"]["uid"] == claims["uid"]
        is_good = is_alive and _AUDIENCE in claims["aud"] and claims["exp"] > self._objects.clock.time()
        return str(claims["sub"]) if is_good else None

    def _signature(self, text: bytes) -> bytes:
        return _encoded(hmac.digest(self._secret, text, "sha256"))


def _encoded(text: bytes) -> bytes:
    return base64.urlsafe_b64encode(text).rstrip(b"=")


class Reviews:
    def __init__(self, objects: Objects, tokens: Tokens, rights: Rights) -> None:
        self._objects = objects
        self._rights = rights
        self._tokens = tokens

    def answer(self, request: Request) -> Answer | None:
        """None for a path of something else."""
        kind = _KINDS.get(request.path)
        if kind is None:
            return None
        if request.method != "POST":
            raise method_not_allowed()
        body = request.mapping()
        group = request.path.split("/")[2]
        head = {"kind": kind, "apiVersion": f"{group}/v1", "metadata": {}}
        if kind == "SelfSubjectReview":
            groups = ["system:serviceaccounts"] if request.user else ["system:masters"]
            user = {"username": request.user or "admin", "groups": [*groups, "system:authenticated"]}
            meta = {"creationTimestamp": self._objects.now()}
            return Answer(201, {**head, "metadata": meta, "status": {"userInfo": user}})
        if kind == "SelfSubjectRulesReview":
            return Answer(201, {**head, "spec": {}, "status": _NOTHING if request.user else _EVERYTHING})
        spec = body.get("spec") or {}
        if bool(spec.get("resourceAttributes")) == bool(spec.get("nonResourceAttributes")):
            shown = "null" if not spec.get("resourceAttributes") else "{}"
            what = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            cause = ("FieldValueInvalid", "spec.resourceAttributes", f"Invalid value: {shown}: {what}")
            raise invalid("", group, "", [cause])
        managed: Obj = {MANAGERS: self._managers(request, f"{group}/v1", "", spec)}
        return Answer(
            201, {**head, "metadata": managed, "spec": spec, "status": {"allowed": self._allows(request.user, spec)}}
        )

    def _allows(self, user: str, spec: Obj) -> bool:
        wanted = spec.get("resourceAttributes")
        if not wanted:
            return True  # documents of the API are for everybody who is known
        resource = str(wanted.get("resource", "*"))
        if wanted.get("subresource"):
            resource = f"{resource}/{wanted['subresource']}"
        place = (str(wanted.get("namespace", "")), str(wanted.get("name", "")))
        return self._rights.allows(
            user, Asked(str(wanted.get("verb", "*")), str(wanted.get("group", "")), resource, *place)
        )

    def _managers(self, request: Request, version: str, subresource: str, spec: Obj) -> list[Obj]:
        """What is asked has managers too, though nobody keeps it."""
        paths = set(fields({"spec": spec}, FREE_ITEM, added=True))
        return entries([Claim(request.manager, "Update", version, subresource, self._objects.now(), paths)])

    def token(self, request: Request, target: Target) -> Answer:
        """A TokenRequest of a service account. Raises ApiError (404, 405, 422)."""
        if request.method != "POST":
            raise method_not_allowed()
        account = self._objects.get("serviceaccounts", target.namespace, target.name)
        spec = request.mapping().get("spec") or {}
        life_s = spec.get("expirationSeconds", _LIFE_S)
        if not isinstance(life_s, int) or isinstance(life_s, bool):
            raise ApiError(400, "BadRequest", "spec.expirationSeconds is no number")
        if life_s < _SHORTEST_S:
            text = f"Invalid value: {life_s}: may not specify a duration less than 10 minutes"
            cause = ("FieldValueInvalid", "spec.expirationSeconds", text)
            raise invalid("TokenRequest", "authentication.k8s.io", "", [cause])
        audiences = spec.get("audiences") or [_AUDIENCE]
        token, expires = self._tokens.issue(account, audiences, life_s)
        meta: Obj = {key: account["metadata"][key] for key in ("name", "namespace", "uid")}
        asked = {**spec, "expirationSeconds": life_s}
        meta[MANAGERS] = self._managers(request, "authentication.k8s.io/v1", "token", asked)
        return Answer(
            201,
            {
                "kind": "TokenRequest",
                "apiVersion": "authentication.k8s.io/v1",
                "metadata": {**meta, "creationTimestamp": self._objects.now()},
                "spec": {"audiences": audiences, "expirationSeconds": life_s, "boundObjectRef": None},
                "status": {"token": token, "expirationTimestamp": expires},
            },
        )
