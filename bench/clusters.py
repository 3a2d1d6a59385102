"""The two clusters on which the gateway is measured, each with what `mgw manifests` prints and with fake nodes.

`kwok` is a real etcd, API server, controller manager and scheduler, whose nodes kwok plays; the gateway has the rights of its
own Role and no more. `simulator` is the embedded cluster in a process of its own (`mgw simulator`), whose nodes are played by
bench.fake_nodes after kwok's rule. On both a pod is ready as soon as it is placed and runs nothing, so that what is
measured is the control of thousands of pods and not the pods.
"""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.measuring import progress
from bench.wire import Connection, Server
from gateway.manifests import manifests
from gateway.settings import Settings
from tests.controlplane.binaries import find, why_missing
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.guard import living
from tests.processes import MGW, Process, eventually

__all__ = ["ENVIRONMENT", "MOST_PODS", "NAMESPACE", "Cluster", "Start", "chosen", "kwok", "simulator"]

NAMESPACE = "marathon"
ACCOUNT = "marathon-gateway"
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[1])}  # what is measured is the checkout that this file is in
MOST_PODS = {"kwok": 5000, "simulator": 1000}  # the embedded cluster has the ports 31000 to 32000 for them
_TOKEN_S = 4 * 3600
_PLURALS = {
    "Namespace": "/api/v1/namespaces",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "ServiceAccount": f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts",
    "Role": f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles",
    "RoleBinding": f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """`admin` may do everything, `kubeconfig` is the gateway's. `processes` are those that make up the cluster now."""

    name: str
    admin: Server
    kubeconfig: Path
    processes: Callable[[], Sequence[int]]


Start = Callable[[int], AbstractContextManager[Cluster]]


def chosen(on: str) -> Mapping[str, Start]:
    """By the word of the command line."""
    every: Mapping[str, Start] = {"kwok": kwok, "simulator": simulator}
    return {name: start for name, start in every.items() if on in (name, "both")}


@contextlib.contextmanager
def kwok(nodes: int) -> Iterator[Cluster]:
    with control_plane(nodes=nodes) as plane:
        yield Cluster(
            "kwok", Server(plane.url, plane.token, str(plane.ca)), gateway_kubeconfig(plane), lambda: living(plane.home)
        )


@contextlib.contextmanager
def control_plane(
    *, nodes: int, flags: Mapping[str, Sequence[str]] | None = None, files: Mapping[str, str] | None = None
) -> Iterator[ControlPlane]:
    """With all that `mgw manifests` prints but the gateway itself. `files` are in its home before it starts."""
    binaries = find()
    if binaries is None:
        raise SystemExit(why_missing())
    progress("starting a control plane")
    plane = ControlPlane(binaries, controllers=True, fake_nodes=nodes, flags=flags)
    for name, text in (files or {}).items():
        (plane.home / name).write_text(text)
    with plane:
        with Connection(Server(plane.url, plane.token, str(plane.ca))) as admin:
            install(admin)
        yield plane


def gateway_kubeconfig(plane: ControlPlane) -> Path:
    """Of the gateway's own service account, as its pod would have it."""
    token = plane.account_token(NAMESPACE, ACCOUNT, expires_s=_TOKEN_S)
    return plane.write_kubeconfig(plane.home / "gateway.kubeconfig", namespace=NAMESPACE, token=token)


def install(admin: Connection) -> None:
    for document in manifests(Settings(namespace=NAMESPACE)):
        if document["kind"] in _PLURALS:
            admin.must("POST", _PLURALS[document["kind"]], document)
    # Without its account the namespace takes no pods, and the controllers try again later and later.
    eventually(lambda: admin.ask("GET", f"{_PLURALS['ServiceAccount']}/default")[0] == 200)


@contextlib.contextmanager
def simulator(nodes: int) -> Iterator[Cluster]:
    progress("starting the embedded cluster")
    with tempfile.TemporaryDirectory(prefix="mgw-bench-") as scratch:
        kubeconfig = Path(scratch) / "kubeconfig"
        command = [str(MGW), "simulator", "--nodes", "1", "--listen", "127.0.0.1:0"]
        with _running([*command, "--write-kubeconfig", str(kubeconfig)], r"Kubernetes API at (\S+)") as cluster:
            server = Server.of_kubeconfig(kubeconfig)
            with Connection(server) as admin:
                admin.ask("POST", _PLURALS["Namespace"], {"metadata": {"name": NAMESPACE}})  # if it is not there
                cordon = {"spec": {"unschedulable": True}}  # its own kubelet would start a process for each pod
                admin.must("PATCH", "/api/v1/nodes/node-1", cordon, kind="application/merge-patch+json")
            player = [sys.executable, "-m", "bench.fake_nodes", str(kubeconfig), str(nodes)]
            with _running(player, r"plays (\d+) nodes") as played:
                ids = (cluster.process.pid, played.process.pid)
                yield Cluster("simulator", server, kubeconfig, lambda: ids)


@contextlib.contextmanager
def _running(command: list[str], until: str) -> Iterator[Process]:
    process = Process(command, env=ENVIRONMENT)
    try:
        process.wait_for(until)
        yield process
    finally:
        process.stop()
