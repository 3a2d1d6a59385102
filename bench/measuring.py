"""What all programs share: ratios with their spread, the time and memory of a process, progress, and the command line."""

import argparse
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["cpu_s", "parser", "progress", "ratio", "report", "rss_bytes"]

_MEMORY = ("VmRSS", "VmHWM")


def parser(description: str | None, *, clusters: bool = True) -> argparse.ArgumentParser:
    """`--quick`, and on which clusters."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="a small run that shows that the program works")
    if clusters:
        made.add_argument(
            "--on", choices=("kwok", "simulator", "both"), default="both", help="which cluster (default: %(default)s)"
        )
    return made


def ratio(ones: Sequence[float], others: Sequence[float]) -> str:
    """The ratio of the medians, and the smallest and largest of the ratios of the pairs that were measured in turn."""
    pairs = [one / other for one, other in zip(ones, others, strict=True)]
    if len(pairs) > 20:  # single requests: the tenths at both ends say more about the machine
        cuts = statistics.quantiles(pairs, n=10)
        spread = f"{cuts[0]:.2f}-{cuts[-1]:.2f} from the 10th to the 90th percentile"
    else:
        spread = f"{min(pairs):.2f}-{max(pairs):.2f}"
    return f"{statistics.median(ones) / statistics.median(others):6.2f} x  ({spread} in {len(pairs)} pairs)"


def report(*words: str) -> None:
    """One figure, on one line."""
    _clear()
    print("  ".join(words), flush=True)


def progress(text: str) -> None:
    """On standard error, in place where that is a terminal."""
    _clear()
    print(text, end="" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def cpu_s(process: int) -> float:
    """CPU time of all threads of a process until now, to the nanosecond (what /proc/PID/stat has is in hundredths)."""
    times = [_scheduled_ns(thread) for thread in Path(f"/proc/{process}/task").iterdir()]
    return sum(times) / 1e9


def _scheduled_ns(thread: Path) -> int:
    try:
        return int((thread / "schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):  # a thread that has ended since
        return 0


def rss_bytes(process: int, *, peak: bool = False) -> int:
    """What the process has in memory now, or the most it ever had."""
    wanted = _MEMORY[peak]
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == wanted:
            return int(rest.split()[0]) * 1024
    raise ProcessLookupError(f"process {process} of {os.uname().nodename} has no {wanted}")
