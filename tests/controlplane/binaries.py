"""Where the binaries of the control plane are, and how they come to be there.

The directory is, in this order, KUBEBUILDER_ASSETS, or one in the user's cache whose name has the hash of the sources. It is
complete or does not exist: a build goes to a directory beside it, which is renamed when all is done.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["VERSION", "BuildFailed", "build", "find", "why_missing"]

VERSION = "v1.35.4"  # of k8s.io/kubernetes in go.mod
_HERE = Path(__file__).parent
_PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl")
_SOURCES = ("main.go", "go.mod", "go.sum", "kwok/go.mod", "kwok/go.sum", "binaries.py")
_STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")  # kwok's own rules for nodes and pods
_BUILD_S = 3600


class BuildFailed(Exception):
    """Why, in one line."""


def find() -> Path | None:
    """The directory with the binaries, or None where nothing is built."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        return Path(assets) if (Path(assets) / "kube-apiserver").exists() else None
    return _cached() if _cached().exists() else None


def why_missing() -> str:
    """One line for the reader of a test report."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        return f"KUBEBUILDER_ASSETS is {assets}, which has no kube-apiserver"
    if not shutil.which("go"):
        return "no control plane, and Go is not installed to build one"
    return "no control plane is built: run scripts/controlplane (5 minutes, once)"


def build() -> Path:
    """The directory, after building what is missing. Two builds at a time wait for each other. Raises BuildFailed."""
    if found := find():
        return found
    if not shutil.which("go"):
        raise BuildFailed(
            "Go is not installed, and the control plane of the tests is built with it: install Go 1.26 or newer"
        )
    target = _cached()
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target.parent / ".lock"):
        if not target.exists():
            print(f"Building Kubernetes {VERSION} (5 minutes on two cores) …", file=sys.stderr, flush=True)
            made = Path(tempfile.mkdtemp(dir=target.parent, prefix=".new-"))
            try:
                _build_into(made)
                made.rename(target)
            finally:
                shutil.rmtree(made, ignore_errors=True)
    return target


def _build_into(directory: Path) -> None:
    flags = ["-s", "-w"]
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        # Without these /version says "v0.0.0-master+$Format:%H$".
        flags += ["-X", f"{package}.gitVersion={VERSION}", "-X", f"{package}.gitTreeState=clean"]
    _go("build", "-trimpath", f"-ldflags={' '.join(flags)}", "-o", str(directory / "controlplane"), ".", cwd=_HERE)
    for part in _PARTS:
        (directory / part).symlink_to("controlplane")
    kwok = _HERE / "kwok"
    _go("build", "-trimpath", "-ldflags=-s -w", "-o", str(directory / "kwok"), "sigs.k8s.io/kwok/cmd/kwok", cwd=kwok)
    rules = Path(_go("list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok", cwd=kwok).strip()) / "kustomize" / "stage"
    files = [
        file for stage in _STAGES for file in sorted((rules / stage).glob("*.yaml")) if "kustomization" not in file.name
    ]
    (directory / "stages.yaml").write_text("".join(f"---\n{file.read_text()}\n" for file in files))
    directory.chmod(0o755)


def _go(*arguments: str, cwd: Path) -> str:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    done = subprocess.run(
        ["go", *arguments], cwd=cwd, env=environment, stdout=subprocess.PIPE, text=True, timeout=_BUILD_S, check=False
    )
    if done.returncode:
        raise BuildFailed(f"go {arguments[0]} in {cwd} ended with {done.returncode}; its words are above")
    return done.stdout


def _cached() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(b"".join((_HERE / source).read_bytes() for source in _SOURCES)).hexdigest()[:12]
    return cache / "marathon-gateway" / f"controlplane-{VERSION}-{key}"


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
