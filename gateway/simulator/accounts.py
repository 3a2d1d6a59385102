"""Who asks: the administrator with the cluster's own token, and service accounts with tokens that were asked for.

Nobody is refused anything: the embedded cluster knows no permissions. Who it is matters to priority and fairness alone.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.simulator.objects import Objects

__all__ = ["ADMINISTRATOR", "Accounts", "User"]

_SHORTEST_S, _DEFAULT_S = 600, 3600


@dataclass(frozen=True)
class User:
    name: str
    groups: tuple[str, ...]


ADMINISTRATOR = User("mgw-simulator", ("system:masters", "system:authenticated"))


class Accounts:
    """The tokens of service accounts, known as long as the simulator runs."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._tokens: dict[str, tuple[float, str, str]] = {}

    def issue(self, namespace: str, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """The TokenRequest with its answer. Raises ApiError (404)."""
        self._objects.get("serviceaccounts", namespace, name)
        spec = request.get("spec") or {}
        lifetime_s = max(_SHORTEST_S, int(spec.get("expirationSeconds") or _DEFAULT_S))
        ends, token = self._objects.clock.time() + lifetime_s, secrets.token_urlsafe(24)
        self._tokens[token] = ends, namespace, name
        status = {"token": token, "expirationTimestamp": f"{datetime.fromtimestamp(ends, UTC):%Y-%m-%dT%H:%M:%SZ}"}
        meta = {"name": name, "namespace": namespace, "creationTimestamp": self._objects.now()}
        kind = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}
        return {**kind, "metadata": meta, "spec": {**spec, "expirationSeconds": lifetime_s}, "status": status}

    def of(self, token: str) -> User | None:
        """Whose token it is, if it has not expired and the account is still there."""
        ends, namespace, name = self._tokens.get(token, (0.0, "", ""))
        if ends <= self._objects.clock.time() or self._objects.find("serviceaccounts", namespace, name) is None:
            return None
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return User(f"system:serviceaccount:{namespace}:{name}", groups)
