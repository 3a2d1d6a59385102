"""Where gateways run in tests: on the simulator, or in a namespace of a real control plane with what `mgw manifests` prints.

On the real one a gateway is the service account of those manifests and nothing more, so that a missing right shows. Its nodes
and the states of pods are kwok's: a pod is ready at once, and no command runs.
`installation` and `gateway` are parametrised with both, so that one test is the proof on each; the ids are `simulator` and `real`.
"""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.manifests import manifests
from gateway.settings import Settings
from tests.controlplane.cluster import ControlPlane
from tests.gateways import Gateway
from tests.processes import MGW, Process

__all__ = [
    "CLUSTERS",
    "Installation",
    "gateway",
    "installation",
    "installed",
    "kubectl",
    "simulated",
    "simulator_installation",
]

ACCOUNT = "marathon-gateway"
CLUSTERS = [pytest.param("simulator"), pytest.param("real", marks=pytest.mark.controlplane)]
_LEASE = ("--lease_duration_s", "3")


class Installation:
    """`api` speaks to the Kubernetes API as its administrator, `kubeconfig` is the gateway's own."""

    def __init__(
        self,
        cluster: str,
        *,
        namespace: str,
        kubeconfig: Path,
        api: httpx.Client,
        control_plane: ControlPlane | None = None,
    ) -> None:
        self.cluster = cluster
        self.control_plane = control_plane
        self.namespace = namespace
        self.kubeconfig = kubeconfig
        self.api = api

    @property
    def runs_commands(self) -> bool:
        """Whether a pod's command is run. kwok only says so."""
        return self.cluster == "simulator"

    def gateway(self, *flags: str, kubeconfig: Path | None = None) -> Gateway:
        """Starts one; it need not have read anything yet."""
        place = ["--kubeconfig", str(kubeconfig or self.kubeconfig), "--namespace", self.namespace]
        return Gateway("serve", *place, "--listen", "127.0.0.1:0", *_LEASE, *flags)

    @contextlib.contextmanager
    def slow_pods(self) -> Iterator[None]:
        """No pod becomes ready or ends within the block, where they would at once; a simulator's pods take their time."""
        if self.control_plane is None:
            yield
        else:
            with self.control_plane.paused("kwok"):
                yield

    def path(self, resource: str, name: str = "", *, group: str = "") -> str:
        """Of a namespaced resource; `group` with its version, e.g. `apps/v1`."""
        prefix = f"/apis/{group}" if group else "/api/v1"
        return "/".join(part for part in (f"{prefix}/namespaces/{self.namespace}/{resource}", name) if part)

    def items(self, resource: str, *, group: str = "", **params: str) -> list[dict[str, Any]]:
        answer = self.api.get(self.path(resource, group=group), params=params)
        answer.raise_for_status()
        return list(answer.json()["items"])

    def pods(self, app_id: str) -> list[dict[str, Any]]:
        """Those of an app, being deleted or not."""
        managed = self.items("pods", labelSelector="app.kubernetes.io/managed-by=marathon-gateway")
        return [pod for pod in managed if pod["metadata"]["annotations"]["marathon-gateway.io/id"] == app_id]

    def set_status(self, pod: dict[str, Any], status: dict[str, Any]) -> None:
        """Writes a pod's status, as its kubelet would: a merge patch."""
        path = self.path("pods", pod["metadata"]["name"]) + "/status"
        patch = {"Content-Type": "application/merge-patch+json"}
        self.api.patch(path, json={"status": status}, headers=patch).raise_for_status()


def kubectl(control_plane: ControlPlane, *arguments: str, text: str = "") -> str:
    """The control plane's own kubectl, as administrator."""
    command = [str(control_plane.binaries / "kubectl"), f"--kubeconfig={control_plane.kubeconfig}", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def installed(control_plane: ControlPlane, namespace: str) -> Installation:
    """As an operator does with `mgw manifests | kubectl apply -f -`. The credentials are those a pod of the gateway has."""
    kubectl(control_plane, "apply", "-f", "-", text=yaml.safe_dump_all(manifests(Settings(namespace=namespace))))
    config = control_plane.home / f"{namespace}.kubeconfig"
    control_plane.write_kubeconfig(config, namespace=namespace, token=control_plane.account_token(namespace, ACCOUNT))
    api = control_plane.client()
    return Installation("real", namespace=namespace, kubeconfig=config, api=api, control_plane=control_plane)


@contextlib.contextmanager
def simulated(home: Path, *flags: str) -> Iterator[Installation]:
    """A simulator in a process of its own."""
    kubeconfig = home / "kubeconfig"
    arguments = ["simulator", "--listen", "127.0.0.1:0", "--write-kubeconfig", str(kubeconfig), *flags]
    process = Process([str(MGW), *arguments])
    try:
        process.wait_for(r"Kubernetes API at (\S+?);")
        yield simulator_installation(kubeconfig)
    finally:
        process.stop()


def simulator_installation(kubeconfig: Path) -> Installation:
    """Of a simulator that has written this kubeconfig."""
    config = yaml.safe_load(kubeconfig.read_text())
    token = config["users"][0]["user"]["token"]
    api = httpx.Client(
        base_url=config["clusters"][0]["cluster"]["server"],
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30,
    )
    return Installation("simulator", namespace="marathon", kubeconfig=kubeconfig, api=api)


@pytest.fixture(scope="module", params=CLUSTERS)
def installation(request: pytest.FixtureRequest) -> Iterator[Installation]:
    """A fresh one for the tests of a module, on the simulator and then on the shared real control plane."""
    if request.param == "real":
        namespace = f"m-{request.module.__name__.rpartition('.')[2].replace('_', '-')}"
        made = installed(request.getfixturevalue("control_plane"), namespace)
        with made.api:
            yield made
    else:
        with tempfile.TemporaryDirectory(prefix="mgw-") as home, simulated(Path(home)) as made, made.api:
            yield made


@pytest.fixture(scope="module")
def gateway(installation: Installation) -> Iterator[Gateway]:
    """The only one of its installation; it serves and leads."""
    with installation.gateway() as started:
        yield started.await_serving().await_leader()
