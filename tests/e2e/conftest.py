"""One control plane with three real nodes, and `mgw serve` in front of it, for all tests of this directory."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.fixtures import required
from tests.controlplane.images import PYTHON_PATH, python_files, write_image
from tests.controlplane.node_files import SANDBOX_IMAGE
from tests.controlplane.nodes import Node, why_impossible
from tests.e2e.marathon import NAMESPACE, Events, Marathon
from tests.processes import MGW, eventually, started

PYTHON_IMAGE = "mgw.test/python:1"
SERVER = (Path(__file__).parent / "server.py").read_bytes()
RACKS = {1: "a", 2: "b", 3: "b"}
# A node is given up within seconds, not minutes. Kubelets give a sign of life each second; two cores are often late.
_HASTE = (
    "--node-monitor-period=500ms",
    "--node-monitor-grace-period=8s",
    "--node-eviction-rate=100",
    "--secondary-node-eviction-rate=100",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("e2e")


@pytest.fixture(scope="session")
def real_nodes(request: pytest.FixtureRequest) -> None:
    """Skips what needs real nodes, unless they are asked for; fails if they are and cannot be had."""
    if not required("e2e"):
        pytest.skip("real containers: run scripts/test --e2e as root")
    if reason := why_impossible():
        pytest.fail(reason)


@pytest.fixture(scope="session")
def serving(real_nodes: None, binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marathon]:
    with ExitStack() as stack:
        control_plane = ControlPlane(binaries, controllers=True, flags={"kube-controller-manager": _HASTE})
        stack.enter_context(control_plane)
        nodes = [
            Node(control_plane, number, images=_images(control_plane.home), labels=_labels(number)) for number in RACKS
        ]
        with ThreadPoolExecutor() as pool:
            list(pool.map(Node.start, nodes))
        stack.callback(lambda: [node.reap() for node in nodes])
        stack.push(control_plane)  # ends before its nodes are waited for
        kubeconfig = _installed(control_plane, tmp_path_factory.mktemp("gateway") / "kubeconfig")
        arguments = ["--kubeconfig", str(kubeconfig), "--http_port", "0"]
        images = ["--default_image", PYTHON_IMAGE, "--fetcher_image", SANDBOX_IMAGE, "--networks", "dcos="]
        process = stack.enter_context(started("serve", *arguments, *images))
        base = process.wait_for(r"(http://127\.0\.0\.1:\d+)")
        client = stack.enter_context(httpx.Client(base_url=base, timeout=20, trust_env=False))
        eventually(lambda: client.get("/v2/apps").status_code == 200)
        yield Marathon(control_plane, nodes, client, Events(base))


@pytest.fixture
def marathon(serving: Marathon) -> Iterator[Marathon]:
    """The one Marathon of the session; the apps of a test end with it."""
    with serving.cleaned_up():
        yield serving


def _labels(number: int) -> dict[str, str]:
    return {
        "attribute.marathon-gateway.io/rack": RACKS[number],
        "topology.kubernetes.io/zone": f"zone-{RACKS[number]}",
    }


def _images(directory: Path) -> list[Path]:
    archives = {SANDBOX_IMAGE: directory / "busybox.tar", PYTHON_IMAGE: directory / "python.tar"}
    if not archives[PYTHON_IMAGE].exists():
        write_image(archives[SANDBOX_IMAGE], SANDBOX_IMAGE)
        files = {
            **python_files("argparse", "contextlib", "http.server", "signal", "threading"),
            "/srv/server.py": SERVER,
        }
        write_image(archives[PYTHON_IMAGE], PYTHON_IMAGE, files=files, links={"/bin/python3": PYTHON_PATH})
    return list(archives.values())


def _installed(control_plane: ControlPlane, kubeconfig: Path) -> Path:
    """As the operator guide says; the gateway gets the rights of its own account and no more."""
    manifests = subprocess.run([str(MGW), "manifests"], capture_output=True, check=True, timeout=30).stdout
    kubectl = [str(control_plane.binaries / "kubectl"), f"--kubeconfig={control_plane.kubeconfig}"]
    subprocess.run([*kubectl, "apply", "-f", "-"], input=manifests, capture_output=True, check=True, timeout=60)
    subprocess.run(
        [*kubectl, "-n", NAMESPACE, "delete", "deployment", "--all"], capture_output=True, check=True, timeout=60
    )
    token = control_plane.account_token(NAMESPACE, "marathon-gateway")
    return control_plane.write_kubeconfig(kubeconfig, namespace=NAMESPACE, token=token)
