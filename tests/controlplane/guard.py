"""Ends what a control plane has started when the test run that owns it is gone, however it went.

Run as a process: it reads its standard input until the end, which comes when the owner closes it or dies, `kill -9` included.
Then every process whose working directory is within the home directory is killed, and the directory removed. Working
directories, unlike a list of ids, cannot be out of date or belong to somebody else by now.
"""

import importlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

__all__ = ["READY", "living", "reap"]

READY = "guarding"
"""What it prints once it can do its work: before that nothing should be started."""

_ENDED_WITHIN_S = 20


def living(home: Path) -> list[int]:
    """The ids of the processes that work within `home`; zombies have no directory and so are none."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                where = Path(os.readlink(entry / "cwd"))
            except OSError:  # gone in the meantime, or not ours to look at
                continue
            if where.is_relative_to(home):
                found.append(int(entry.name))
    return found


def reap(home: Path) -> None:
    """Kills what lives in `home` and removes it. Bounded; a real node's containers and mounts are ended too."""
    from tests.controlplane import nodes

    nodes.end_all(home)
    end = time.monotonic() + _ENDED_WITHIN_S
    while (left := living(home)) and time.monotonic() < end:
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)
    shutil.rmtree(home, ignore_errors=True)


def main() -> None:
    home = Path(sys.argv[1])
    importlib.import_module("tests.controlplane.nodes")  # what it will need, while it is surely there
    print(READY, flush=True)
    sys.stdin.buffer.read()
    reap(home)


if __name__ == "__main__":
    main()
