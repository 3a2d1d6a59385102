"""Asks again and again while something is broken, and keeps what was answered wrongly."""

import threading
from types import TracebackType
from typing import Any

import httpx

__all__ = ["Watcher", "web"]

_EVERY_S = 0.05


def web(app_id: str, **more: Any) -> dict[str, Any]:
    """An app definition."""
    return {"id": app_id, "cmd": "sleep 1000", "instances": 2, "cpus": 0.1, "mem": 32, **more}


class Watcher:
    """Asks for the apps and tasks in a thread. Each answer must be the true one or say 503 with a message.

    `expected` are the apps that are asked about, with their number of running tasks; `wrong` the answers that were otherwise.
    """

    def __init__(self, base: str, expected: dict[str, int]) -> None:
        self._client = httpx.Client(base_url=base, timeout=30, trust_env=False)
        self._expected = expected
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.wrong: list[str] = []
        self.answers = 0

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(40)
        self._client.close()
        if kind is None:
            assert self.answers, "nothing was asked"
            assert self.wrong == [], self.wrong[:5]

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY_S):
            try:
                self._look()
            except Exception as error:
                self.wrong.append(repr(error))

    def _look(self) -> None:
        answer = self._client.get("/v2/apps")
        self.answers += 1
        if answer.status_code == 503:
            if not answer.json().get("message"):
                self.wrong.append(f"503 without a message: {answer.text}")
        elif answer.status_code != 200:
            self.wrong.append(f"{answer.status_code} {answer.text[:200]}")
        else:
            seen = {app["id"]: app["tasksRunning"] for app in answer.json()["apps"] if app["id"] in self._expected}
            if seen != self._expected:
                self.wrong.append(f"apps {seen}")
