"""The least that a client of an HTTP API needs: one kept connection, bytes in, bytes out. Baselines are measured with it."""

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import yaml

from translators.kubernetes.objects import ListMeta

__all__ = ["Connection", "Server"]

_TIMEOUT_S = 120


class _List(msgspec.Struct):
    """Only what leads to the next page; the decoder passes over the rest."""

    metadata: ListMeta = ListMeta()


@dataclass(frozen=True, slots=True)
class Server:
    """Where an API is, and who asks. `ca` is the file that vouches for it, for https."""

    url: str
    token: str = ""
    ca: str = ""

    @classmethod
    def of_kubeconfig(cls, path: Path) -> "Server":
        config = yaml.safe_load(path.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        return cls(cluster["server"], token=user["token"], ca=cluster.get("certificate-authority", ""))


class Connection:
    """One kept connection. Not for two threads at a time; a context manager."""

    def __init__(self, server: Server) -> None:
        parts = urlsplit(server.url)
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Accept": "application/json"}
        if server.token:
            self._headers["Authorization"] = f"Bearer {server.token}"
        self._http: http.client.HTTPConnection
        if parts.scheme == "https":
            trusted = ssl.create_default_context(cafile=server.ca)
            self._http = http.client.HTTPSConnection(parts.netloc, timeout=_TIMEOUT_S, context=trusted)
        else:
            self._http = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT_S)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        kind: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """The status and the body, whatever they are. `body` is JSON to be, or bytes that are it already."""
        answer = self._send(method, path, body, kind, query)
        return answer.status, answer.read()

    def get(self, path: str, **query: str) -> bytes:
        return self.must("GET", path, query=query)

    def must(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        kind: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body. Ends the program if the answer is an error."""
        status, answer = self.ask(method, path, body, kind=kind, query=query)
        if status >= 400:
            raise SystemExit(f"{method} {path}: {status} {answer[:500]!r}")
        return answer

    def pages(self, path: str, *, limit: int, **query: str) -> list[bytes]:
        """A Kubernetes list, page by page."""
        found = [self.get(path, limit=str(limit), **query)]
        while more := msgspec.json.decode(found[-1], type=_List).metadata.continue_:
            found.append(self.get(path, **{**query, "limit": str(limit), "continue": more}))
        return found

    def lines(self, path: str, **query: str) -> Iterator[bytes]:
        """A watch. It has begun when this returns; the lines end when the server ends them."""
        answer = self._send("GET", path, None, "", query)
        if answer.status >= 400:
            raise SystemExit(f"GET {path}: {answer.status} {answer.read(500)!r}")
        return iter(answer.readline, b"")

    def _send(
        self, method: str, path: str, body: Any, kind: str, query: Mapping[str, str] | None
    ) -> http.client.HTTPResponse:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = self._headers if content is None else {**self._headers, "Content-Type": kind}
        target = self._prefix + path + (f"?{urlencode(query)}" if query else "")
        try:
            self._http.request(method, target, content, headers)
            return self._http.getresponse()
        except ConnectionError:  # the server has closed a connection that was kept for long
            self._http.close()
            if method != "GET":
                raise
            self._http.request(method, target, content, headers)
            return self._http.getresponse()
