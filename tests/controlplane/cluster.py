"""A control plane in processes of its own: started in two seconds, stopped by id, and gone with the test run that owns it."""

import contextlib
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.controlplane import parts
from tests.controlplane.guard import READY
from tests.processes import eventually

__all__ = ["ControlPlane"]

_READY_S = 90
_GENTLE_S = 15
_REPOSITORY = Path(__file__).parents[2]


class ControlPlane:
    """Etcd and the API server, with `controllers` also controller manager and scheduler, with `fake_nodes` also kwok.

    `flags` are more flags of a part, by the name of its program. Everything is in `home`, a directory that `stop` removes.
    Use it as a context manager. Parts can be killed, paused and started again one by one; the API server keeps its port.
    """

    def __init__(
        self,
        binaries: Path,
        *,
        controllers: bool = False,
        fake_nodes: int = 0,
        flags: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.binaries = binaries
        self.home = Path(tempfile.mkdtemp(prefix="kc"))  # short: sockets in it may have 107 bytes
        self.port = _free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.ca = self.home / "certs" / "apiserver.crt"
        self.tokens = {user: secrets.token_hex(16) for user in parts.USERS}
        self.token = self.tokens["admin"]
        self._controllers = controllers
        self._fake_nodes = fake_nodes
        self._flags = dict(flags or {})
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def kubeconfig(self) -> Path:
        """Of the administrator."""
        return self.home / "admin.kubeconfig"

    def __enter__(self) -> "ControlPlane":
        command = [sys.executable, "-m", "tests.controlplane.guard", str(self.home)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._guard = subprocess.Popen(command, **pipes, cwd=_REPOSITORY, start_new_session=True)
        try:
            assert self._guard.stdout
            if self._guard.stdout.readline().decode().strip() != READY:
                raise RuntimeError("the guard that ends the control plane does not start, so none is started")
            self._prepare()
            self._start_all()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """At once: nothing of it is wanted any more. The guard does the work, so it is tested with every run."""
        if self._guard is not None:
            guard, self._guard = self._guard, None
            assert guard.stdin
            guard.stdin.close()
            guard.wait(60)
            assert guard.stdout
            guard.stdout.close()
            shutil.rmtree(self.home, ignore_errors=True)  # of a guard that did not start
        for process in self._running.values():
            process.wait(10)

    def start(self, part: str) -> None:
        """Starts a part, and waits until the API server is ready if it is that. Names are those of the programs."""
        command = self._command(part)
        with (self.home / f"{part}.log").open("ab") as log:
            self._running[part] = subprocess.Popen(
                [str(self.binaries / command[0]), *command[1:], *self._flags.get(part, ())],
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if part == "kube-apiserver":
            self.await_ready()

    def kill(self, part: str) -> None:
        """kill -9, and waits until its port and files are free."""
        self._running[part].kill()
        self._running.pop(part).wait(10)

    def terminate(self, part: str) -> None:
        """SIGTERM, as a rolling update of the control plane would; killed after a while."""
        process = self._running.pop(part)
        process.terminate()
        try:
            process.wait(_GENTLE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def restart(self, part: str) -> None:
        self.kill(part)
        self.start(part)

    @contextlib.contextmanager
    def paused(self, part: str) -> Iterator[None]:
        """SIGSTOP for the time of the block: it holds its connections and says nothing."""
        self._running[part].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._running[part].send_signal(signal.SIGCONT)

    def await_ready(self) -> None:
        """Until /readyz says ok. Fails as soon as a part has ended, with the last lines of its log."""

        def ready() -> bool:
            for part, process in self._running.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{part} has ended with {process.returncode}:\n{self.log(part)[-2000:]}")
            return self.ca.exists() and self._ready()

        eventually(ready, _READY_S)

    def log(self, part: str) -> str:
        return (self.home / f"{part}.log").read_text(errors="replace")

    def client(self, *, token: str | None = None, timeout_s: float = 30) -> httpx.Client:
        """Plain HTTP as the administrator, or with another token. Close it."""
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token if token is None else token}"},
            verify=ssl.create_default_context(cafile=str(self.ca)),
            trust_env=False,
            timeout=timeout_s,
        )

    def account_token(self, namespace: str, account: str, *, expires_s: int = 3600) -> str:
        """A token of a service account, as a pod would get it. The server's shortest life is 600 s."""
        body = {"spec": {"expirationSeconds": expires_s}}
        with self.client() as client:
            answer = client.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", json=body)
            answer.raise_for_status()
            return str(answer.json()["status"]["token"])

    def write_kubeconfig(self, path: Path, *, namespace: str = "default", **user: str) -> Path:
        """A kubeconfig for a user, e.g. `token=…` or `tokenFile=…`."""
        named = {
            "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority": str(self.ca)}}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user", "namespace": namespace}}],
        }
        path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "test", **named}))
        return path

    def compact(self) -> int:
        """Has etcd forget all but the present; the revision that is left. The API server's watch cache does not notice."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.home / "etcd.sock")), trust_env=False) as client:
            status = client.post("http://etcd/v3/maintenance/status", json={}).json()
            revision = int(status["header"]["revision"])
            client.post(
                "http://etcd/v3/kv/compaction", json={"revision": revision, "physical": True}
            ).raise_for_status()
        return revision

    def add_fake_nodes(self, count: int, *, labels: Mapping[str, str] | None = None) -> list[str]:
        """More nodes for kwok to play; their names."""
        with self.client() as client:
            have = len(client.get("/api/v1/nodes").json()["items"])
            names = [f"fake-{have + number}" for number in range(count)]
            for name in names:
                client.post("/api/v1/nodes", json=_fake_node(name, labels or {})).raise_for_status()
        return names

    def _prepare(self) -> None:
        (self.home / "certs").mkdir()
        key = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "accounts.key"]
        subprocess.run(key, cwd=self.home, check=True, capture_output=True, timeout=30)
        (self.home / "tokens.csv").write_text(parts.token_file(self.tokens))
        for user, token in self.tokens.items():
            self.write_kubeconfig(self.home / f"{user}.kubeconfig", token=token)

    def _start_all(self) -> None:
        self.start("etcd")
        self.start("kube-apiserver")
        if self._controllers:
            self.start("kube-controller-manager")
            self.start("kube-scheduler")
        if self._fake_nodes:
            self.start("kwok")
            self.add_fake_nodes(self._fake_nodes)
        if self._controllers:
            with self.client() as client:
                # Without its account a namespace takes no pods.
                account = "/api/v1/namespaces/default/serviceaccounts/default"
                eventually(lambda: client.get(account).status_code == 200, _READY_S)

    def _command(self, part: str) -> Sequence[str]:
        return {
            "etcd": parts.etcd,
            "kube-apiserver": lambda: parts.apiserver(self.port),
            "kube-controller-manager": parts.controller_manager,
            "kube-scheduler": parts.scheduler,
            "kwok": lambda: parts.kwok(str(self.binaries / "stages.yaml")),
        }[part]()

    def _ready(self) -> bool:
        with contextlib.suppress(ssl.SSLError), self.client(timeout_s=5) as client:
            return client.get("/readyz").text == "ok"
        return False


def _fake_node(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    size = {"cpu": "32", "memory": "256Gi", "pods": "500"}
    own = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "type": "fake"}
    return {
        "metadata": {"name": name, "labels": {**own, **labels}, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"allocatable": size, "capacity": size},
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
