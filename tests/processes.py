"""Processes that tests start and end: `mgw` as users run it, on free loopback ports."""

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx

__all__ = ["MGW", "Process", "eventually", "mgw_dev", "started"]

MGW = Path(sys.executable).with_name("mgw")
T = TypeVar("T")


class Process:
    """A started command whose output is kept; `base` is the first http://HOST:PORT it prints."""

    def __init__(self, command: list[str], *, env: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._printed: queue.Queue[str] = queue.Queue()
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._printed.put(line)
        self._printed.put("")

    def wait_for(self, pattern: str, timeout_s: float = 60) -> str:
        """The first group of the first line that matches."""
        end = time.monotonic() + timeout_s
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                line = self._printed.get(timeout=left)
                if not line:
                    break
                if found := re.search(pattern, line):
                    return found.group(1)
        raise AssertionError(f"{pattern!r} was not printed:\n" + "\n".join(self.lines))

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self._ended(10)

    def _ended(self, timeout_s: float) -> int:
        status = self.process.wait(timeout=timeout_s)
        self._reader.join(timeout=5)
        assert self.process.stdout
        self.process.stdout.close()
        return status

    def stop(self, timeout_s: float = 20) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self._ended(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("did not end after SIGTERM:\n" + "\n".join(self.lines[-40:])) from None


@contextlib.contextmanager
def started(*arguments: str, env: dict[str, str] | None = None) -> Iterator[Process]:
    """`mgw` with these arguments, ended afterwards."""
    process = Process([str(MGW), *arguments], env=env)
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def mgw_dev(*arguments: str) -> Iterator[str]:
    """A Marathon on an embedded cluster; yields its base URL once it serves."""
    with started("dev", "--listen", "127.0.0.1:0", *arguments) as process:
        base = process.wait_for(r"The Marathon API\s+(http://\S+)")
        eventually(lambda: httpx.get(base + "/v2/apps").status_code == 200)
        yield base


def eventually(check: Callable[[], T], timeout_s: float = 30, *, every_s: float = 0.05) -> T:
    """Polls real processes, bounded: the first true answer of `check`, whose last error is shown."""
    end = time.monotonic() + timeout_s
    last: object = None
    while time.monotonic() < end:
        try:
            if answer := check():
                return answer
            last = answer
        except (AssertionError, LookupError, TypeError, httpx.HTTPError) as error:
            last = error
        threading.Event().wait(every_s)
    raise AssertionError(f"not within {timeout_s} s; last: {last!r}")
