"""Local processes that stand in for containers: started in a session of their own, signalled as a group, ended to the last child.

Children that left the group are found by the container's name in their environment, which every descendant inherits.
Each process is on record (pid and start time, so a reused pid is no danger), so that those left by a simulator that was killed
are ended by the next one.
"""

import asyncio
import contextlib
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MARK", "Exit", "NotStarted", "Process", "end_leftovers"]

MARK = "MESOS_CONTAINER_NAME"
"""The variable that tells whose child a process is; Mesos gives its containers one of that name, too."""

POLL_S = 0.05
SHUTDOWN_S = 1.0


class NotStarted(Exception):
    """The command could not be executed; the message is the container runtime's."""


@dataclass(frozen=True)
class Exit:
    code: int
    """As a container's: 128 + n after signal n."""


class Process:
    """One running process with its descendants."""

    def __init__(self, child: asyncio.subprocess.Process, name: str, record: Path) -> None:
        self._child = child
        self._name = name
        self._record = record
        self._ended = False

    @classmethod
    async def start(
        cls, command: list[str], *, name: str, directory: Path, sandbox: Path, env: dict[str, str], records: Path
    ) -> "Process":
        """Starts the command in `directory`, appending its output to `stdout` and `stderr` in the sandbox.

        `name` is unique among all containers that ever run.

        Raises:
            NotStarted: if it cannot be executed.
        """
        env = {**env, MARK: name}
        try:
            with (sandbox / "stdout").open("ab") as out, (sandbox / "stderr").open("ab") as err:
                child = await asyncio.create_subprocess_exec(
                    *command,
                    cwd=directory,
                    env=env,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            raise NotStarted(_reason(command[0], error)) from error
        process = cls(child, name, records / str(child.pid))
        try:
            process._write_record()
        except OSError as error:
            await process.end()
            raise NotStarted(f"failed to keep a record of the process: {error}") from error
        return process

    @property
    def pid(self) -> int:
        return self._child.pid

    def signal(self, number: signal.Signals) -> None:
        """Signals the whole group, whether or not the first process still runs."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)

    async def wait(self) -> Exit:
        """Waits for the end of the first process."""
        code = await self._child.wait()
        return Exit(code if code >= 0 else 128 - code)

    async def drained(self) -> None:
        """Waits until nothing of the group is left (zombies, where nobody reaps them, do not count)."""
        while _exists(self._child.pid):
            if not await asyncio.to_thread(_descendants, self._name, self._child.pid):
                return
            await asyncio.sleep(POLL_S)

    async def close(self) -> None:
        """Ends what still runs, asking first: for a shutdown, where no grace period applies."""
        if self._child.returncode is None:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), SHUTDOWN_S)
        await self.end()

    async def end(self) -> None:
        """Kills whatever is left, and forgets the record."""
        if self._ended:
            return
        self.signal(signal.SIGKILL)
        await self._child.wait()
        await asyncio.to_thread(_kill_descendants, self._name, self._child.pid)
        self._record.unlink(missing_ok=True)
        self._ended = True

    def _write_record(self) -> None:
        self._record.parent.mkdir(parents=True, exist_ok=True)
        self._record.write_text(json.dumps({"started": _start_time(self.pid), "name": self._name}))


def end_leftovers(records: Path) -> list[int]:
    """Ends the processes that an earlier simulator left behind; the pids it found alive."""
    found = []
    for record in sorted(records.iterdir()) if records.is_dir() else ():
        pid = int(record.name)
        try:
            known = json.loads(record.read_text())
        except ValueError:
            record.unlink(missing_ok=True)
            continue
        if known["started"] is not None and _start_time(pid) == known["started"]:
            found.append(pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        _kill_descendants(known["name"], pid)
        record.unlink(missing_ok=True)
    return found


def _kill_descendants(name: str, group: int) -> None:
    """Kills until none is found; a few rounds, since a process may fork while we look."""
    for _ in range(10):
        found = _descendants(name, group)
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _descendants(name: str, group: int) -> list[int]:
    """The living processes that carry the name in their environment or are in the group."""
    mark = f"{MARK}={name}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_bytes().rpartition(b") ")[2].split()
            if stat[0] in (b"Z", b"X"):
                continue
            if int(stat[2]) == group or mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except (OSError, IndexError):
            continue
    return found


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _start_time(pid: int) -> int | None:
    """Ticks from boot to the start of the process, None if it is not there (or the system has no /proc)."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()[19])
    except (OSError, IndexError):
        return None


def _reason(command: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        cause = "executable file not found in $PATH" if "/" not in command else "no such file or directory"
    else:
        cause = str(error)
    return f'failed to start container process: exec: "{command}": {cause}'
