"""Bytes to and from the API server; the only module that knows the client library and the HTTP client.

The library gives configuration, credentials and TLS. The sessions are our own: they do not look for proxies and netrc
(two thread hops a request), watches have an unbounded pool so that they never use up the requests' places, and the leader's
lease has one of its own, ahead of every queue. Every call has a bound, every answer is checked, every error is one of
gateway.kubernetes.errors. Reads are retried; a write is retried only if it was provably not executed (refused with 429, or
no connection). Retry-After is obeyed: a server that asks for more patience than a caller has is not asked again.
"""

import asyncio
import logging
import math
import random
import ssl
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio import client as kubernetes_client
from kubernetes_asyncio import config as kubernetes_config

from gateway.clock import Clock, SystemClock
from gateway.kubernetes.answers import Lines, error_of, retry_after_s
from gateway.kubernetes.errors import Unavailable

__all__ = ["MERGE_PATCH", "ApiServer", "connect"]

MERGE_PATCH = "application/merge-patch+json"

_CONNECT_S = 5.0
_READ_S = 30.0
_ATTEMPTS = 4
_PATIENCE_S = 10.0  # how long one call waits in all because the server asked for it; a client waits behind it
_WRITES_AT_A_TIME = 32  # the API server's fairness counts what is in flight, not the rate
_REREAD_S = 60.0  # projected tokens rotate hourly; the file is replaced long before the old one expires
_RELOAD_S = 5.0  # between two loads that did not help: a plugin is a process
_CREDENTIALS_S = 60.0  # a plugin may open a browser, but not for ever
_USER_AGENT = "marathon-gateway/0.1.0"

log = logging.getLogger(__name__)


class _NotSent(Unavailable):
    """There was no connection: whatever it was, it was not executed."""


@dataclass(frozen=True, slots=True)
class _Access:
    """A loaded configuration, and the moment (epoch) when its token should be loaded again."""

    configuration: Any
    good_until: float = math.inf

    @property
    def token(self) -> str:
        return str(self.configuration.api_key.get("BearerToken", "")).strip()  # a token file may end with a newline


_Load = Callable[[Clock], Awaitable[_Access]]


class _Credentials:
    """The Authorization header: loaded again before it expires, and once when the server refuses it."""

    def __init__(self, access: _Access, load: _Load, clock: Clock) -> None:
        self._access = access
        self._load = load
        self._clock = clock
        self._lock = asyncio.Lock()
        self._not_before = 0.0

    async def token(self) -> str:
        if self._clock.time() >= self._access.good_until:
            await self.renew(self._access.token)
        return self._access.token

    async def renew(self, old: str) -> bool:
        """Whether there is now another token than `old`. Many may ask at once; one of them loads."""
        async with self._lock:
            if self._access.token == old and self._clock.monotonic() >= self._not_before:
                await self._reload()
                if self._access.token == old:
                    self._not_before = self._clock.monotonic() + _RELOAD_S
            return self._access.token != old

    async def _reload(self) -> None:
        try:
            async with asyncio.timeout(_CREDENTIALS_S):
                self._access = await self._load(self._clock)
        except Exception as error:  # plugins and hand-written files fail in every way; the old token may still be good
            log.warning("the credentials cannot be read again: %s", _words(error))
            self._access = _Access(self._access.configuration, self._clock.time() + _REREAD_S)


class ApiServer:
    """One API server, as a Configuration describes it. Close it when done."""

    def __init__(self, access: _Access, load: _Load, *, clock: Clock) -> None:
        configuration = access.configuration
        self._clock = clock
        self._host = str(configuration.host).rstrip("/")
        self._server_name = configuration.tls_server_name
        self._credentials = _Credentials(access, load, clock)
        tls = _tls(configuration)
        self._requests = _Session(configuration, tls, limit=100)
        self._watches = _Session(configuration, tls, limit=0)  # a watch must never wait for a place
        self._urgent = _Session(configuration, tls, limit=4)
        self._writes = asyncio.Semaphore(_WRITES_AT_A_TIME)
        self.calls: Counter[str] = Counter()

    @property
    def host(self) -> str:
        return self._host

    async def close(self) -> None:
        for session in (self._requests, self._watches, self._urgent):
            await session.close()

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        timeout_s: float = _READ_S,
        urgent: bool = False,
    ) -> bytes:
        """Asks up to four times while the server cannot answer; an urgent call only once, its caller has a rhythm."""
        return await self._retried("GET", path, params=params, timeout_s=timeout_s, urgent=urgent)

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        timeout_s: float = _READ_S,
        urgent: bool = False,
    ) -> bytes:
        """A write: POST, PUT, PATCH or DELETE. `Unavailable` leaves open whether it was executed."""
        request: dict[str, Any] = {"params": params, "body": body, "content_type": content_type, "timeout_s": timeout_s}
        if urgent:
            return await self._retried(method, path, **request, urgent=True)
        async with self._writes:
            return await self._retried(method, path, **request)

    async def watch(
        self, path: str, params: Mapping[str, str], *, idle_timeout_s: float
    ) -> AsyncGenerator[bytes, None]:
        """The lines of a watch, whole, of any length; the first is empty and says that the server has accepted.

        Ends when the server ends it. Raises Unavailable if nothing comes for `idle_timeout_s` or the connection breaks.
        Close it (`contextlib.aclosing`): the connection goes with it.
        """
        try:
            async with (
                await self._opened(path, params, idle_timeout_s) as response,
                aclosing(self._lines(response, idle_timeout_s)) as lines,
            ):
                yield b""
                async for line in lines:
                    yield line
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"watch of {path} broke: {_words(error)}") from error

    async def _opened(self, path: str, params: Mapping[str, str], idle_timeout_s: float) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=idle_timeout_s)
        for attempt in range(2):
            self.calls[f"WATCH {_kind(path)}"] += 1
            token = await self._credentials.token()
            response = await self._asked(self._watches, "GET", path, token, params=dict(params), timeout=timeout)
            if response.status == 200:
                return response
            async with response:
                body = await response.read()
            if response.status != 401 or attempt or not await self._credentials.renew(token):
                raise error_of(response.status, body, response.headers)
        raise AssertionError("unreachable")

    async def _lines(self, response: aiohttp.ClientResponse, idle_timeout_s: float) -> AsyncGenerator[bytes, None]:
        heard = self._clock.monotonic()

        async def guard() -> None:
            while (left := heard + idle_timeout_s - self._clock.monotonic()) > 0:
                await self._clock.sleep(left)
            response.close()  # the reader below wakes up with an error

        guarding = asyncio.ensure_future(guard())
        lines = Lines()
        try:
            async for chunk in response.content.iter_any():
                heard = self._clock.monotonic()
                for line in lines.feed(chunk):
                    yield line
            lines.end()
        except aiohttp.ClientError:
            if guarding.done():
                raise Unavailable(f"the watch was silent for {idle_timeout_s:g} s") from None
            raise
        finally:
            guarding.cancel()
            with suppress(asyncio.CancelledError):
                await guarding

    async def _retried(
        self, method: str, path: str, *, urgent: bool = False, content_type: str = "application/json", **request: Any
    ) -> bytes:
        attempts, waited_s = 1 if urgent else _ATTEMPTS, 0.0
        for attempt in range(attempts):
            last, asked_s = attempt + 1 == attempts, 0.0
            try:
                status, body, headers = await self._once(method, path, urgent, content_type, **request)
            except Unavailable as error:
                if last or not (method == "GET" or isinstance(error, _NotSent)):
                    raise
            else:
                if status < 300:
                    return body
                asked_s = retry_after_s(headers)
                again = status == 429 or (status >= 500 and method == "GET")
                if status == 429:
                    flow = headers.get("X-Kubernetes-PF-FlowSchema-UID", "none")
                    log.warning("%s %s was refused with 429 (flow schema %s)", method, path, flow)
                if last or not again or waited_s + asked_s > _PATIENCE_S:
                    raise error_of(status, body, headers)
            waited_s += asked_s
            pause_s = max(asked_s, 0.1 * 2**attempt)
            await self._clock.sleep(pause_s * random.uniform(1.0, 1.2))  # noqa: S311
        raise AssertionError("unreachable")

    async def _once(
        self,
        method: str,
        path: str,
        urgent: bool,
        content_type: str,
        *,
        timeout_s: float,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """One exchange; a second one with another token, if the first was refused for its token and there is another."""
        session = self._urgent if urgent else self._requests
        request: dict[str, Any] = {"params": params, "data": body, "content_type": content_type if body else ""}
        request["timeout"] = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
        for attempt in range(2):
            self.calls[f"{method} {_kind(path)}"] += 1
            token = await self._credentials.token()
            try:
                async with await self._asked(session, method, path, token, **request) as response:
                    answer = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise Unavailable(f"{method} {path}: {_words(error)}") from error
            if response.status != 401 or attempt or not await self._credentials.renew(token):
                break
        return response.status, answer, response.headers

    async def _asked(
        self,
        session: "_Session",
        method: str,
        path: str,
        token: str,
        *,
        content_type: str = "",
        **request: Any,
    ) -> aiohttp.ClientResponse:
        headers = {"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"}
        if token:
            headers["Authorization"] = token
        if content_type:
            headers["Content-Type"] = content_type
        try:
            return await session.open().request(
                method,
                self._host + path,
                headers=headers,
                allow_redirects=False,  # an API server does not redirect; what does is a login page
                server_hostname=self._server_name,
                **request,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _NotSent(f"{method} {path}: {_words(error)}") from error


async def connect(kubeconfig: Path | None, *, clock: Clock | None = None) -> ApiServer:
    """The API server of a kubeconfig, or of the cluster this process runs in. Does not talk to it yet.

    Raises OSError (with one line that says what to do) if there are no usable credentials.
    """
    load = _in_cluster if kubeconfig is None else _from_file(kubeconfig)
    clock = clock or SystemClock()
    try:
        return ApiServer(await load(clock), load, clock=clock)
    except Exception as error:  # the library answers a bad file with whatever its parsing ran into
        where = (
            f"The kubeconfig {kubeconfig} cannot be used"
            if kubeconfig
            else "Not in a cluster, and no --kubeconfig was given"
        )
        if kubeconfig and isinstance(error, FileNotFoundError) and not await asyncio.to_thread(kubeconfig.is_file):
            raise OSError(f"There is no kubeconfig {kubeconfig}. Give one with --kubeconfig") from None
        raise OSError(f"{where}: {_words(error)}") from error


async def _in_cluster(clock: Clock) -> _Access:
    configuration = kubernetes_client.Configuration()
    await asyncio.to_thread(
        kubernetes_config.load_incluster_config, client_configuration=configuration, try_refresh_token=False
    )
    return _Access(configuration, clock.time() + _REREAD_S)


def _from_file(kubeconfig: Path) -> _Load:
    async def load(clock: Clock) -> _Access:
        if not await asyncio.to_thread(kubeconfig.is_file):
            raise FileNotFoundError(kubeconfig)
        configuration = kubernetes_client.Configuration()
        loader: Any = await kubernetes_config.load_kube_config(
            config_file=str(kubeconfig), client_configuration=configuration, persist_config=False
        )
        return _Access(configuration, _good_until(loader, clock))

    return load


def _good_until(loader: Any, clock: Clock) -> float:
    """A plugin says when its token expires; a token file is read like that of a pod; all else waits for a 401."""
    expiry = getattr(loader, "exec_plugin_expiry", None)
    if expiry is not None:
        return max(float(expiry.timestamp()) - _REREAD_S, clock.time() + _REREAD_S / 6)
    if loader._user is not None and "tokenFile" in loader._user:
        return clock.time() + _REREAD_S
    return math.inf


class _Session:
    """A pool of connections of its own. One that was closed by anybody but us is made anew."""

    def __init__(self, configuration: Any, tls: ssl.SSLContext | bool, *, limit: int) -> None:
        self._proxy = configuration.proxy or None
        self._tls = tls
        self._limit = limit
        self._ended = False
        self._session = self._made()

    def open(self) -> aiohttp.ClientSession:
        if self._ended:
            raise Unavailable("the connection to the API server has been closed")
        if self._session.closed:
            self._session = self._made()
        return self._session

    async def close(self) -> None:
        self._ended = True
        await self._session.close()

    def _made(self) -> aiohttp.ClientSession:
        """trust_env costs two thread hops a request; a proxy is an explicit setting of the Configuration."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._limit, ssl=self._tls, keepalive_timeout=30),
            trust_env=False,
            proxy=self._proxy,
            read_bufsize=2**20,
        )
        session._retry_connection = False  # it would send a PUT or DELETE twice that the server may have executed
        return session


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
    if "namespaces" in parts[:-2]:
        return "/".join(part for i, part in enumerate(parts[parts.index("namespaces") + 2 :]) if i != 1)
    place = 2 if parts[0] == "api" else 3
    return parts[place] if len(parts) > place else parts[-1]


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return str(error) or type(error).__name__
