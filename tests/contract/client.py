"""A client of plain HTTP, and the bodies that the contract sends: no Kubernetes library, so that bytes are what is tested."""

import contextlib
import json
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpx

__all__ = ["GROUP", "MEDIA", "Client", "Events", "config_map", "deployment", "pod", "thing"]

Obj = dict[str, Any]

GROUP = "contract.marathon-gateway.io"
MEDIA = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class Client:
    """`token` is empty where none is wanted."""

    def __init__(self, url: str, token: str = "", ca: str | None = None) -> None:
        headers = {"User-Agent": "contract/1", **({"Authorization": f"Bearer {token}"} if token else {})}
        verify = ssl.create_default_context(cafile=ca) if ca else False
        self.http = httpx.Client(base_url=url, headers=headers, verify=verify, trust_env=False, timeout=30)

    def close(self) -> None:
        self.http.close()

    def call(
        self, method: str, path: str, body: object = None, *, type_: str = "", accept: str = "", **query: object
    ) -> httpx.Response:
        headers = {"Accept": accept} if accept else {}
        content = body if body is None or isinstance(body, str) else json.dumps(body)
        if content is not None:
            headers["Content-Type"] = MEDIA.get(type_, type_) or "application/json"
        params = {key.rstrip("_"): str(value) for key, value in query.items()}
        return self.http.request(method, path, content=content, headers=headers, params=params or None)

    def get(self, path: str, **query: object) -> httpx.Response:
        return self.call("GET", path, **query)  # type: ignore[arg-type]

    def post(self, path: str, body: object, **query: object) -> httpx.Response:
        return self.call("POST", path, body, **query)  # type: ignore[arg-type]

    def patch(self, path: str, body: object, type_: str = "merge", **query: object) -> httpx.Response:
        return self.call("PATCH", path, body, type_=type_, **query)  # type: ignore[arg-type]

    def delete(self, path: str, body: object = None, **query: object) -> httpx.Response:
        return self.call("DELETE", path, body, **query)  # type: ignore[arg-type]

    @contextlib.contextmanager
    def watching(self, path: str, *, seconds: int = 60, **query: object) -> Iterator["Events"]:
        """An open watch, which ends by itself after `seconds`; what is written in the block is seen live."""
        params = {"watch": "true", "timeoutSeconds": str(seconds), **{key: str(value) for key, value in query.items()}}
        with self.http.stream("GET", path, params=params) as answer:
            yield Events(answer)

    def watch(self, path: str, *, seconds: int = 2, **query: object) -> list[Obj]:
        """All events until the server ends the watch."""
        with self.watching(path, seconds=seconds, **query) as events:
            assert events.answer.status_code == 200, events.answer.read()
            return list(events)


class Events:
    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def __iter__(self) -> Iterator[Obj]:
        for line in self._lines:
            yield json.loads(line)

    def next(self, count: int) -> list[Obj]:
        return [json.loads(next(self._lines)) for _ in range(count)]

    def until(self, last: Callable[[Obj], bool]) -> list[Obj]:
        found: list[Obj] = []
        for event in self:
            found.append(event)
            if last(event):
                return found
        raise AssertionError(f"the watch ended with {found}")


def config_map(name: str, data: dict[str, str] | None = None, **labels: str) -> Obj:
    return {"metadata": {"name": name, "labels": labels}, "data": data or {}}


def thing(name: str, **spec: object) -> Obj:
    """An object of the contract's own custom resource."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Thing",
        "metadata": {"name": name},
        "spec": {"id": f"/{name}", **spec},
    }


def pod(name: str, *, container: Obj | None = None, labels: dict[str, str] | None = None, **spec: object) -> Obj:
    main = {"name": "app", "image": "x", **(container or {})}
    metadata = {"name": name, "labels": labels or {"app": name}}
    fixed = {"containers": [main], "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**fixed, **spec}}


def deployment(
    name: str,
    *,
    labels: dict[str, str] | None = None,
    container: Obj | None = None,
    spec: Obj | None = None,
    pod_spec: Obj | None = None,
) -> Obj:
    labels = labels or {"app": name[:63]}
    template = {"metadata": {"labels": labels}, "spec": pod(name, container=container, **(pod_spec or {}))["spec"]}
    base = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {**base, **(spec or {})}}
