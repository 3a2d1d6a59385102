"""The DC/OS paths that tools ask before they talk to Marathon: log in, cluster identity, version.

Only what `dcos cluster setup` and login probes need (both generations of the CLI, marathon-lb, the Java client). What is
not here answers like any unserved path.
"""

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["Cluster", "dcos_routes", "token"]

_COOKIE = "dcos-acs-auth-cookie"
_CAPABILITIES_TYPE = "application/vnd.dcos.capabilities+json;charset=utf-8;version=v1"
_PROVIDERS = {
    "dcos-users": {
        "authentication-type": "dcos-uid-password",
        "client-method": "dcos-usercredential-post-receive-authtoken",
        "config": {"start_flow_url": "/acs/api/v1/auth/login"},
        "description": "Default DC/OS login provider",
    }
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Who this is. `cluster_id` answers a lower-case UUID of version 4, or None while it is not known;

    `credentials` is `user:password`, or empty where everybody is let in.
    """

    name: str
    address: str
    cluster_id: Callable[[], str | None]
    credentials: str = ""


def token(credentials: str) -> str:
    """What a successful login is given, and what `Authorization: token=…` must carry then. The same on every replica."""
    payload = msgspec.json.encode({"uid": credentials.partition(":")[0] or "anonymous"})
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b'{"alg":"HS256","typ":"JWT"}', payload)]
    signature = hmac.new(credentials.encode(), b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def dcos_routes(cluster: Cluster) -> list[Route]:
    """Routes at the root, not under Marathon's prefixes."""
    host = cluster.address.rpartition(":")[0]
    fixed: Mapping[str, object] = {
        "/dcos-metadata/dcos-version.json": {
            "version": "1.13.0", "dcos-image-commit": "0" * 40, "bootstrap-id": "0" * 40, "dcos-variant": "open",
        },
        "/dcos-metadata/ui-config.json": {"uiConfiguration": {"plugins": {"mesos": {"logging-strategy": "logrotate"}}}},
        "/acs/api/v1/auth/providers": _PROVIDERS,
        "/mesos/state-summary": _summary(cluster, host),
        "/mesos/master/state-summary": _summary(cluster, host),
        "/pkgpanda/active.buildinfo.full.json": {},
    }  # fmt: skip
    return [
        *(Route(path, _fixed(answer)) for path, answer in fixed.items()),
        Route("/metadata", _metadata(cluster, host)),
        Route("/capabilities", _capabilities),
        Route("/mesos_dns/v1/hosts/{name}", _dns(host)),
        Route("/acs/api/v1/auth/login", _login(cluster), methods=["GET", "POST"]),
    ]


def _json(answer: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(answer), status, headers, media_type="application/json")


def _fixed(answer: object) -> Callable[[Request], Awaitable[Response]]:
    async def respond(_request: Request) -> Response:
        return _json(answer)

    return respond


def _summary(cluster: Cluster, host: str) -> dict[str, object]:
    """The Mesos summary as far as a cluster's name goes; agents and tasks are at /v2."""
    return {"hostname": host, "cluster": cluster.name, "slaves": [], "frameworks": []}


def _metadata(cluster: Cluster, host: str) -> Callable[[Request], Awaitable[Response]]:
    async def respond(_request: Request) -> Response:
        cluster_id = cluster.cluster_id()
        if cluster_id is None:
            return _json(
                {"message": "The cluster's identity is not known yet: the Kubernetes API has not answered."}, 503
            )
        return _json({"PUBLIC_IPV4": host, "CLUSTER_ID": cluster_id})

    return respond


async def _capabilities(_request: Request) -> Response:
    body = msgspec.json.encode({"capabilities": []})
    return Response(body, headers={"Content-Type": _CAPABILITIES_TYPE})


def _dns(host: str) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        name = request.path_params["name"].rstrip(".")
        known = name in ("master.mesos", "leader.mesos", "marathon.mesos")
        return _json([{"host": f"{name}.", "ip": host}] if known else [{"host": "", "ip": ""}])

    return respond


def _login(cluster: Cluster) -> Callable[[Request], Awaitable[Response]]:
    """A GET with a body is what one Java client sends; service accounts and OIDC need an identity provider."""

    async def respond(request: Request) -> Response:
        try:
            asked = msgspec.json.decode(await request.body() or b"{}")
        except msgspec.DecodeError:
            return _json({"message": 'The login is not JSON: send {"uid":…,"password":…}.'}, 400)
        if cluster.credentials and not _may(asked, cluster.credentials):
            return _json({"title": "Unauthorized", "description": "Invalid credentials"}, 401)
        given = token(cluster.credentials)
        cookie = f"{_COOKIE}={given}; Path=/; HttpOnly"
        return _json({"token": given}, headers={"Set-Cookie": cookie})

    return respond


def _may(asked: object, credentials: str) -> bool:
    if not isinstance(asked, dict):
        return False
    given = f"{asked.get('uid', '')}:{asked.get('password', '')}"
    return hmac.compare_digest(given.encode(), credentials.encode())
