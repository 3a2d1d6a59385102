"""Probes that are really executed: HTTP, TCP and commands, with a kubelet's verdicts and messages."""

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

__all__ = ["Outcome", "Prober", "port_number"]

MAX_REDIRECTS = 10
LONGEST_S = 3600.0
MAX_OUTPUT = 10 * 1024


@dataclass(frozen=True)
class Outcome:
    healthy: bool
    message: str = ""


class Prober:
    """Runs the probes of one node; `client` is shared by all of them."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @staticmethod
    def client() -> httpx.AsyncClient:
        """A client as probes need it: no proxy, no cookies, no certificate checks, a new connection each time."""
        limits = httpx.Limits(max_keepalive_connections=0)
        jar = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        return httpx.AsyncClient(verify=False, trust_env=False, limits=limits, timeout=LONGEST_S, cookies=jar)  # noqa: S501

    async def http(self, action: dict[str, Any], *, host: str, port: int, timeout_s: float) -> Outcome:
        scheme = (action.get("scheme") or "HTTP").lower()
        path = action.get("path") or "/"
        url = f"{scheme}://{action.get('host') or host}:{port}{path if path.startswith('/') else '/' + path}"
        headers = [("User-Agent", "kube-probe/1.35"), ("Accept", "*/*")]
        headers += [(h["name"], h.get("value", "")) for h in action.get("httpHeaders") or ()]
        try:
            async with asyncio.timeout(timeout_s):
                return await self._fetch(url, headers)
        except TimeoutError:
            cause = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        except httpx.ConnectError as error:
            refused = f"dial tcp {urlsplit(url).netloc}: connect: connection refused"
            cause = str(error) if "SSL" in str(error) else refused
        except httpx.RemoteProtocolError:
            cause = "EOF"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            cause = str(error)
        return Outcome(False, f'Get "{url}": {cause}')

    async def _fetch(self, url: str, headers: list[tuple[str, str]]) -> Outcome:
        """Follows redirects on the same host; one to another host counts as success."""
        host = urlsplit(url).hostname
        for _ in range(MAX_REDIRECTS):
            async with self._client.stream("GET", url, headers=headers) as answer:
                code, location = answer.status_code, answer.headers.get("location")
            if not (300 <= code < 400 and location):
                break
            url = urljoin(url, location)
            if urlsplit(url).hostname != host:
                return Outcome(True, f"Probe terminated redirects, Response body: {url}")
        if 200 <= code < 400:
            return Outcome(True)
        return Outcome(False, f"HTTP probe failed with statuscode: {code}")

    async def tcp(self, action: dict[str, Any], *, host: str, port: int, timeout_s: float) -> Outcome:
        host = action.get("host") or host
        try:
            async with asyncio.timeout(timeout_s):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return Outcome(False, f"dial tcp {host}:{port}: i/o timeout")
        except OSError as error:
            cause = "connection refused" if isinstance(error, ConnectionRefusedError) else str(error)
            return Outcome(False, f"dial tcp {host}:{port}: connect: {cause}")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return Outcome(True)

    async def command(self, command: list[str], *, directory: Path, env: dict[str, str], timeout_s: float) -> Outcome:
        """Runs a command beside the container; exit 0 within the time is healthy."""
        try:
            child = await asyncio.create_subprocess_exec(
                *command,
                cwd=directory,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return Outcome(False, f'failed to exec in container: exec: "{command[0]}": {error}')
        try:
            async with asyncio.timeout(timeout_s):
                output = await _read(child)
                code = await child.wait()
        except TimeoutError:
            return Outcome(False, f'command timed out: "{" ".join(command)}" timed out after {timeout_s:g}s')
        finally:
            await _finish(child)
        return Outcome(code == 0, output)


async def _read(child: asyncio.subprocess.Process) -> str:
    """The output, of which only the beginning is kept."""
    if child.stdout is None:
        return ""
    kept = b""
    while chunk := await child.stdout.read(65536):
        kept = (kept + chunk)[:MAX_OUTPUT]
    return kept.decode(errors="replace")


async def _finish(child: asyncio.subprocess.Process) -> None:
    _kill_group(child.pid)
    await child.wait()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def port_number(container: dict[str, Any], port: int | str) -> int | None:
    """The number of a probe's port, which may be a port's name."""
    if isinstance(port, int) or port.isdecimal():
        return int(port)
    return next((int(p["containerPort"]) for p in container.get("ports") or () if p.get("name") == port), None)
