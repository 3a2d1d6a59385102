"""What a real node takes of the machine beside processes: a bridge, rules for packets, cgroups, mounts.

Everything carries the name of its node (unique, for it holds that of a temporary directory), so it is found and removed
without a record of what was made, also by somebody else after a kill -9. Everything here may be called again.
"""

import fcntl
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = [
    "API_ADDRESS",
    "forbidden",
    "make_cgroups",
    "make_network",
    "members",
    "remove_cgroups",
    "remove_network",
    "unmount_below",
]

API_ADDRESS = "10.0.0.1"
"""Where pods look for the API server."""

_CGROUPS = Path("/sys/fs/cgroup")
_CNI_RESULTS = Path("/var/lib/cni/results")
_PREFIX = "10.88"
_COMMAND_S = 20


def _run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def forbidden() -> str:
    """What a root without all its rights may not do here, "" if it may do all that a node needs. Tried, and undone."""
    trial = "mount -t tmpfs none /mnt && ip link add trial type bridge && iptables -w 10 -t nat -S"
    name = f"trial-{os.getpid()}"
    try:
        _run("unshare", "--mount", "--net", "sh", "-c", trial)
        make_cgroups(name)
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        remove_cgroups(name)
    return ""


def make_network(bridge: str, api_port: int) -> str:
    """A bridge with an address range that nobody uses; the range as its first three numbers (`10.88.7`).

    The host is number 1 in it. Pods reach the API server, which listens on loopback alone, at API_ADDRESS.
    """
    with _alone("network"):
        used = set(re.findall(rf"inet ({_PREFIX}\.\d+)\.", _run("ip", "-4", "addr")))
        network = next(n for n in (f"{_PREFIX}.{i}" for i in range(1, 255)) if n not in used)
        _run("ip", "link", "add", bridge, "type", "bridge")
        _run("ip", "addr", "add", f"{network}.1/24", "dev", bridge)
    _run("ip", "link", "set", bridge, "up")
    Path(f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet").write_text("1")
    to_loopback = ("-j", "DNAT", "--to-destination", f"127.0.0.1:{api_port}")
    _nat("-A", "PREROUTING", "-i", bridge, "-d", API_ADDRESS, "-p", "tcp", "--dport", "443", *to_loopback)
    return network


def remove_network(bridge: str) -> None:
    """The bridge, the rules of it and of the ports that pods had on the host, and what the CNI plugins noted."""
    _run("ip", "link", "del", bridge, check=False)
    for rule in _nat("-S", check=False).splitlines():
        if rule.startswith("-A") and (f"-i {bridge} " in rule or f'name: \\"{bridge}\\"' in rule):
            _nat(*_words(rule.replace("-A", "-D", 1)), check=False)
            if chain := re.search(r"-j (CNI-DN-\S+)", rule):
                _nat("-F", chain[1], check=False)
                _nat("-X", chain[1], check=False)
    for result in _CNI_RESULTS.glob(f"{bridge}-*"):
        result.unlink(missing_ok=True)


def _nat(*arguments: str, check: bool = True) -> str:
    return _run("iptables", "-w", "10", "-t", "nat", *arguments, check=check)


def _words(rule: str) -> list[str]:
    """As iptables prints a rule: words, of which some are quoted and hold escaped quotes."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', rule)
    return [re.sub(r"\\(.)", r"\1", quoted) if quoted else plain for quoted, plain in found]


@contextmanager
def _alone(what: str) -> Iterator[None]:
    """Test runs side by side choose one after the other."""
    with Path(tempfile.gettempdir(), f"marathon-gateway-{what}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_cgroups(name: str) -> None:
    """The kubelet wants its root to exist: one directory with cgroup v2, one for each controller with v1."""
    for hierarchy in _hierarchies():
        made = hierarchy / name
        made.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):
            if hierarchy.name == "cpuset":  # a new one has no processor, and nothing can run in it
                (made / file).write_text((hierarchy / file).read_text())


def _hierarchies() -> list[Path]:
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    found = {path.resolve() for path in _CGROUPS.iterdir() if path.is_mount() or path.resolve().is_mount()}
    return sorted(path for path in found if path.name != "unified")


def members(name: str) -> list[int]:
    """The ids of the living processes in the node's cgroups: those of its containers."""
    found = set()
    for root in _roots(name):
        for file in root.rglob("cgroup.procs"):
            with suppress(OSError):
                found.update(map(int, file.read_text().split()))
    return [process for process in sorted(found) if _alive(process)]


def _alive(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def _roots(name: str) -> list[Path]:
    return [path for path in (_CGROUPS / name, *_CGROUPS.glob(f"*/{name}")) if path.is_dir()]


def remove_cgroups(name: str) -> None:
    for root in _roots(name):
        below = sorted((path for path in root.rglob("*") if path.is_dir()), key=lambda p: len(p.parts), reverse=True)
        for directory in (*below, root):
            with suppress(OSError):
                directory.rmdir()


def unmount_below(directory: Path) -> None:
    """Lazily: what is still open goes when it is closed."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed([point for point in mounted if Path(point).is_relative_to(directory)]):
        _run("umount", "-l", point, check=False)
