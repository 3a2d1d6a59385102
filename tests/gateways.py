"""A gateway in a process of its own, spoken to as its users do, and what they see of its event stream."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import httpx

from tests.processes import MGW, Process, eventually

__all__ = ["EventStream", "Gateway"]

_ATTACHED_S = 15


class Gateway:
    """A started `mgw COMMAND …`. Stop it, or use it as a context manager; `kill` is `kill -9`."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self._killed = False
        self.process = Process([str(MGW), *arguments], env=env)
        try:
            self.base = self.process.wait_for(r"Marathon API (?:at )?\s*(http://\S+)")
        except BaseException:
            self.process.stop()
            raise
        self.client = httpx.Client(base_url=self.base, timeout=30, trust_env=False)

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        if kind is not None:
            print("\n".join(self.process.lines[-60:]))
        self.stop()

    def stop(self) -> None:
        """SIGTERM, unless it was killed."""
        self.client.close()
        if not self._killed:
            self.process.stop()

    def kill(self) -> None:
        self._killed = True
        self.process.kill()
        self.client.close()

    @property
    def log(self) -> str:
        return "\n".join(self.process.lines)

    def await_serving(self, timeout_s: float = 60) -> "Gateway":
        """Until it has read the cluster's state."""
        eventually(lambda: self.client.get("/v2/apps").status_code == 200, timeout_s)
        return self

    def await_leader(self, timeout_s: float = 60) -> "Gateway":
        eventually(lambda: self.client.get("/v2/leader").status_code == 200, timeout_s)
        return self

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def app(self, app_id: str) -> dict[str, Any]:
        return dict(self.get(f"/v2/apps/{app_id}")["app"])

    def tasks(self, app_id: str) -> list[dict[str, Any]]:
        return list(self.get(f"/v2/apps/{app_id}/tasks")["tasks"])

    def queued(self, app_id: str) -> dict[str, Any] | None:
        return next((item for item in self.get("/v2/queue")["queue"] if item["app"]["id"] == app_id), None)

    def settle(self, timeout_s: float = 60) -> None:
        """Until no deployment is open."""
        eventually(lambda: self.get("/v2/deployments") == [], timeout_s)

    def create(self, app: dict[str, Any], *, settle: bool = True) -> str:
        """Posts it; the id of its deployment, after that has ended."""
        answer = self.client.post("/v2/apps", json=app)
        assert answer.status_code == 201, answer.text
        if settle:
            self.settle()
        return str(answer.json()["deployments"][0]["id"])

    def change(self, app_id: str, change: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.put(f"/v2/apps/{app_id}", json=change)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


class EventStream:
    """Reads /v2/events in a thread, from its attachment until the block ends; `ended` once the server has closed it."""

    def __init__(self, base: str) -> None:
        self._base = base
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.ended = threading.Event()
        self._stop = threading.Event()
        self._attached = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "EventStream":
        self._thread.start()
        assert self._attached.wait(_ATTACHED_S), f"no event stream of {self._base}"
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def _read(self) -> None:
        headers, timeout = {"Accept": "text/event-stream"}, httpx.Timeout(10, read=None)
        with (
            contextlib.suppress(httpx.HTTPError),
            httpx.Client(base_url=self._base, headers=headers, timeout=timeout, trust_env=False) as client,
            client.stream("GET", "/v2/events") as stream,
        ):
            self._keep(stream.iter_lines())
        self.ended.set()

    def _keep(self, lines: Iterator[str]) -> None:
        kind = ""
        for line in lines:
            if self._stop.is_set():
                return
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                self.events.append((kind, json.loads(line[6:])))
                self._attached.set()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for name, data in list(self.events) if name == kind]

    def states(self, app_id: str | None = None) -> dict[str, list[str]]:
        """The states that each task was told to have, in order."""
        found: dict[str, list[str]] = {}
        for data in self.of("status_update_event"):
            if app_id in (None, data["appId"]):
                found.setdefault(data["taskId"], []).append(data["taskStatus"])
        return found

    def deployments(self) -> Iterator[tuple[str, str]]:
        """How each deployment was told to have ended: its id and the kind of event."""
        for name, data in list(self.events):
            if name in ("deployment_success", "deployment_failed"):
                yield data["id"], name

    def wait(self, there: Callable[["EventStream"], object], timeout_s: float = 30) -> None:
        """Until `there` holds of this stream. An event may come a moment after what it tells of is to be seen."""
        try:
            eventually(lambda: there(self), timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\ntold: {self.states()}\nstream ended: {self.ended.is_set()}") from None
