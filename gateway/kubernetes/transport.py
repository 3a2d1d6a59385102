"""The wire to the API server: bytes in, bytes out, on sessions of our own.

The only module that knows kubernetes_asyncio, which gives configuration, credentials and TLS and nothing else
(its models are 60 times as costly, its raw calls do not check the status). Every call has a timeout, every answer is
checked, every error is one of gateway.kubernetes.errors. Reads are retried; a write is retried only if it was provably
not executed (429 with Retry-After, no connection).
"""

import asyncio
import contextlib
import logging
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from kubernetes_asyncio import client as kubernetes_client
from kubernetes_asyncio import config as kubernetes_config

from gateway.kubernetes.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubernetesError,
    NotFound,
    TooManyRequests,
    Unavailable,
)

__all__ = ["MERGE_PATCH", "ApiServer", "connect", "error_of"]

MERGE_PATCH = "application/merge-patch+json"

_CONNECT_S = 5.0
_READ_S = 30.0
_ATTEMPTS = 4
_WRITES_AT_A_TIME = 32  # the API server's fairness counts what is in flight, not the rate
_USER_AGENT = "marathon-gateway/0.1.0"

log = logging.getLogger(__name__)


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""
    code: int = 0


class ApiServer:
    """One API server, with the credentials of a Configuration. Close it when done."""

    def __init__(self, configuration: Any) -> None:
        self._configuration = configuration
        self._host = str(configuration.host).rstrip("/")
        self._requests = self._session(configuration, limit=100)
        self._watches = self._session(configuration, limit=0)  # a watch must never wait for a place
        self._writes = asyncio.Semaphore(_WRITES_AT_A_TIME)
        self.calls: Counter[str] = Counter()

    @property
    def host(self) -> str:
        return self._host

    async def close(self) -> None:
        await self._requests.close()
        await self._watches.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, timeout_s: float = _READ_S) -> bytes:
        """Raises what `error_of` tells; asks up to four times while the server cannot answer."""
        return await self._retried("GET", path, params=params, timeout_s=timeout_s, attempts=_ATTEMPTS)

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        timeout_s: float = _READ_S,
    ) -> bytes:
        """A write: POST, PUT, PATCH or DELETE. `Unavailable` leaves open whether it was executed."""
        async with self._writes:
            return await self._retried(
                method, path, params=params, body=body, content_type=content_type, timeout_s=timeout_s, attempts=2
            )

    async def watch(self, path: str, params: Mapping[str, str], *, idle_timeout_s: float) -> AsyncIterator[bytes]:
        """The lines of a watch, whole, of any length. Ends when the server ends it.

        Raises Unavailable if nothing comes for `idle_timeout_s` or the connection breaks.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=idle_timeout_s)
        self.calls["WATCH " + _kind(path)] += 1
        try:
            async with self._watches.get(
                self._host + path, params=dict(params), headers=await self._headers(), timeout=timeout
            ) as response:
                if response.status >= 400:
                    raise error_of(response.status, await response.read(), response.headers)
                async for line in _lines(response.content):
                    yield line
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"watch of {path} broke: {_words(error)}") from error

    async def _retried(self, method: str, path: str, *, attempts: int, **request: Any) -> bytes:
        for attempt in range(attempts):
            try:
                return await self._once(method, path, **request)
            except TooManyRequests as error:
                if attempt + 1 == attempts:
                    raise
                await asyncio.sleep(min(error.retry_after_s, 10.0) * random.uniform(1.0, 1.2))  # noqa: S311
            except Unavailable:
                if method != "GET" or attempt + 1 == attempts:
                    raise
                await asyncio.sleep(0.1 * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311
        raise AssertionError("unreachable")

    async def _once(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        timeout_s: float,
    ) -> bytes:
        self.calls[f"{method} {_kind(path)}"] += 1
        headers = await self._headers()
        if body is not None:
            headers["Content-Type"] = content_type
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
        try:
            async with self._requests.request(
                method, self._host + path, params=params, data=body, headers=headers, timeout=timeout
            ) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{method} {path}: {_words(error)}") from error
        if response.status >= 400:
            raise error_of(response.status, answer, response.headers)
        return answer

    async def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"}
        for setting in (await self._configuration.auth_settings()).values():
            if setting["value"]:
                headers[setting["key"]] = setting["value"]
        return headers

    @staticmethod
    def _session(configuration: Any, *, limit: int) -> aiohttp.ClientSession:
        """trust_env costs two thread hops a request; a proxy is an explicit setting of the Configuration."""
        connector = aiohttp.TCPConnector(limit=limit, ssl=_tls(configuration), keepalive_timeout=30)
        return aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=True,
            proxy=configuration.proxy or None,
            read_bufsize=2**20,
        )


async def connect(kubeconfig: Path | None) -> ApiServer:
    """The API server of a kubeconfig, or of the cluster this process runs in. Does not talk to it yet.

    Raises OSError (with one line that says what to do) if there are no usable credentials.
    """
    configuration = kubernetes_client.Configuration()
    try:
        if kubeconfig is None:
            kubernetes_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            if not await asyncio.to_thread(kubeconfig.is_file):
                raise OSError(f"There is no kubeconfig {kubeconfig}. Give one with --kubeconfig")
            await kubernetes_config.load_kube_config(
                config_file=str(kubeconfig), client_configuration=configuration, persist_config=False
            )
    except kubernetes_config.ConfigException as error:
        where = (
            f"The kubeconfig {kubeconfig} cannot be used"
            if kubeconfig
            else "Not in a cluster, and no --kubeconfig was given"
        )
        raise OSError(f"{where}: {error}") from None
    return ApiServer(configuration)


def error_of(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> KubernetesError:
    """The exception for an answer. The HTTP status decides: some errors are plain text, some have no reason."""
    try:
        decoded = msgspec.json.decode(body, type=_Status)
    except msgspec.DecodeError:
        decoded = _Status(message=body[:300].decode("utf-8", "replace").strip())
    message, reason = decoded.message or f"HTTP {status}", decoded.reason
    if status == 429:
        after = (headers or {}).get("Retry-After", "1")
        return TooManyRequests(message, reason=reason, retry_after_s=float(after) if after.isdecimal() else 1.0)
    if status == 409:
        return (AlreadyExists if reason == "AlreadyExists" else Conflict)(message, status=status, reason=reason)
    known: dict[int, type[KubernetesError]] = {401: Forbidden, 403: Forbidden, 404: NotFound, 410: Gone}
    fallback = Unavailable if status >= 500 else Invalid
    return known.get(status, fallback)(message, status=status, reason=reason)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Splits by hand: a stream reader's own readline has a limit that an object may exceed."""
    pending = bytearray()
    async for chunk in content.iter_any():
        pending += chunk
        if b"\n" not in chunk:
            continue
        *lines, rest = bytes(pending).split(b"\n")
        pending = bytearray(rest)
        for line in lines:
            if line.strip():
                yield line
    if pending.strip():
        raise Unavailable("the watch ended in the middle of a line")


def _tls(configuration: Any) -> ssl.SSLContext | bool:
    if not str(configuration.host).startswith("https"):
        return True
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if getattr(configuration, "disable_strict_ssl_verification", False):
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _kind(path: str) -> str:
    """`pods` for `/api/v1/namespaces/marathon/pods/x`: what the call counter counts by."""
    parts = [part for part in path.split("/") if part]
    with contextlib.suppress(ValueError):
        return "/".join(part for i, part in enumerate(parts[parts.index("namespaces") + 2 :]) if i != 1)
    return parts[2] if parts[0] == "api" and len(parts) > 2 else parts[-1]


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
