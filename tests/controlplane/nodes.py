"""Real nodes: a kubelet and a containerd each, whose pods are containers with addresses of their own.

Several fit on one machine, beside those of other test runs. They need root and Debian's packages (PACKAGES). All of a node is
in one directory of its control plane's home and under one name on the machine (see `machine`), so `end_all` finds it whoever
was killed before: kubelet, containerd, shims, containers, mounts, network namespaces, rules, bridge, cgroups.

What stays: the kubelet's and the bridge plugin's settings of the kernel (ip_forward, vm.overcommit_memory, kernel.panic).
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from tests.controlplane import machine, node_files
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.guard import living
from tests.processes import eventually

__all__ = ["PACKAGES", "Node", "end_all", "why_impossible"]

PACKAGES = ("containerd", "runc", "containernetworking-plugins", "busybox-static", "iptables")
_PROGRAMS = ("containerd", "ctr", "runc", "iptables", "/usr/lib/cni/portmap", "/bin/busybox")
_READY_S = 90
_ENDED_WITHIN_S = 20
_LOGS = Path("/var/log/containers")  # the kubelet's own links to logs; the place cannot be chosen


def why_impossible() -> str:
    """One line that says why this machine can have no real node, "" if it can."""
    if os.geteuid() != 0:
        return "real nodes need root"
    if missing := [program for program in _PROGRAMS if not shutil.which(program)]:
        return f"real nodes need the Debian packages {' '.join(PACKAGES)}: {missing[0]} is missing"
    if reason := machine.forbidden():
        return f"real nodes need namespaces, bridges, mounts and cgroups, and this machine forbids some: {reason}"
    return ""


class Node:
    """`node<number>` (1 to 4) of a control plane that has controllers. Its end comes with that of the control plane.

    `images` are archives that containerd has from the start. `lose` is a power cut, `start` afterwards the reboot.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        number: int,
        *,
        images: Iterable[Path],
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.name = f"node{number}"
        self.home = control_plane.home / self.name
        self.network = ""
        self._control_plane = control_plane
        self._images = list(images)
        self._labels = dict(labels or {})
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def address(self) -> str:
        """Of the node, in the bridge of its pods."""
        return f"{self.network}.1"

    def start(self) -> None:
        """Until the node is Ready."""
        self._prepare()
        self._spawn("containerd", ["containerd", "--config", "containerd.toml"])
        self._await("containerd", lambda: self._ctr("version", check=False).returncode == 0)
        for archive in self._images:
            self._ctr("images", "import", str(archive))
        self.start_kubelet()
        self._await("kubelet", self._ready)

    def start_kubelet(self) -> None:
        arguments = {
            "config": "kubelet.yaml",
            "kubeconfig": f"../system:node:{self.name}.kubeconfig",
            "root-dir": self.home / "kubelet",
            "cert-dir": self.home / "certs",
            "hostname-override": self.name,
            "node-ip": self.address,
            "node-labels": ",".join(f"{key}={value}" for key, value in self._labels.items()),
        }
        program = str(self._control_plane.binaries / "kubelet")
        self._spawn("kubelet", [program, *(f"--{name}={value}" for name, value in arguments.items() if value)])

    def kill_kubelet(self) -> None:
        """kill -9: the node falls silent, its containers live on."""
        process = self._running.pop("kubelet")
        process.kill()
        process.wait(10)

    def lose(self) -> None:
        """The machine is gone with all that ran on it; its disk is still there."""
        _end(self.home)
        for process in self._running.values():
            process.wait(10)
        self._running.clear()
        shutil.rmtree(self.home / "state", ignore_errors=True)
        shutil.rmtree(self.home / "ipam", ignore_errors=True)

    def reap(self) -> None:
        """Waits for processes that somebody else has ended."""
        for process in self._running.values():
            process.wait(10)

    def log(self, part: str) -> str:
        return (self.home / f"{part}.log").read_text(errors="replace")

    def _prepare(self) -> None:
        for directory in ("cni", "plugins", "logs"):
            (self.home / directory).mkdir(parents=True, exist_ok=True)
        (self.home / "resolv.conf").touch()
        bridge = _name(self.home)
        self.network = machine.make_network(bridge, self._control_plane.port)
        machine.make_cgroups(bridge)
        files = {
            "cni/10-pods.conflist": node_files.cni(self.home, bridge=bridge, network=self.network),
            "containerd.toml": node_files.containerd(self.home, stream_port=_free_port("127.0.0.1")),
            "kubelet.yaml": node_files.kubelet(
                self.home, address=self.address, port=_free_port(self.address), cgroup=bridge
            ),
        }
        for name, text in files.items():
            (self.home / name).write_text(text)

    def _spawn(self, part: str, command: list[str]) -> None:
        with (self.home / f"{part}.log").open("ab") as log:
            self._running[part] = subprocess.Popen(
                command, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _ctr(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        where = ["--connect-timeout", "500ms", "--address", str(self.home / "containerd.sock"), "--namespace", "k8s.io"]
        return subprocess.run(
            ["ctr", *where, *arguments], capture_output=True, text=True, timeout=60, check=check, cwd=self.home
        )

    def _ready(self) -> bool:
        with self._control_plane.client() as client:
            answer = client.get(f"/api/v1/nodes/{self.name}")
        if answer.status_code != 200:
            return False
        status = answer.json()["status"]
        # After a reboot the old state is shown until the kubelet has written a new one; then the address is the new one.
        here = {"type": "InternalIP", "address": self.address} in status.get("addresses", [])
        return here and any(c["type"] == "Ready" and c["status"] == "True" for c in status["conditions"])

    def _await(self, part: str, check: Callable[[], bool]) -> None:
        def checked() -> bool:
            if (status := self._running[part].poll()) is not None:
                raise RuntimeError(f"{part} of {self.name} has ended with {status}:\n{self.log(part)[-2000:]}")
            return check()

        eventually(checked, _READY_S)


def end_all(home: Path) -> None:
    """Ends the nodes in `home` and all that they made of the machine. May be called again, and after any kill -9."""
    for node in sorted(home.glob("node[0-9]")):
        if node.is_dir():
            _end(node)


def _end(node: Path) -> None:
    name = _name(node)
    end = time.monotonic() + _ENDED_WITHIN_S
    # A shim that is alive for a moment longer than its containerd may start another container: until nothing is found.
    while (left := {*living(node), *machine.members(name)}) and time.monotonic() < end:
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)
    machine.unmount_below(node)
    machine.remove_network(name)
    machine.remove_cgroups(name)
    for link in _LOGS.glob("*"):
        with suppress(OSError):
            if link.readlink().is_relative_to(node):
                link.unlink()


def _name(node: Path) -> str:
    """Of its bridge (at most 15 characters) and its cgroup."""
    return f"{node.parent.name}-{node.name.removeprefix('node')}"


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
