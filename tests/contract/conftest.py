"""The contract's fixtures: every test that uses them runs against the simulator and against a real API server.

The real one is the session's control plane with controllers, scheduler and fake nodes, skipped or required as
tests.controlplane says; with KUBE_URL, KUBE_TOKEN and KUBE_CA set it is the cluster that they name, of whatever version.
Tests share it: each has a namespace of its file, and names of its own.
"""

import itertools
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.client import GROUP, Client
from tests.contract.servers import Paths, Server, simulator_serving
from tests.controlplane.cluster import ControlPlane
from tests.processes import eventually

THINGS = json.loads(Path(__file__).with_name("things.json").read_text())
_FOREIGN = os.environ.get("KUBE_URL")
_REAL = pytest.param("real", marks=() if _FOREIGN else pytest.mark.controlplane)
_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=["simulator", _REAL])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The API server under test; `is_real` says which."""
    if request.param == "simulator":
        with simulator_serving(tmp_path_factory.mktemp("pods")) as simulator:
            yield simulator
    elif _FOREIGN:
        yield Server(_FOREIGN, os.environ.get("KUBE_TOKEN", ""), os.environ.get("KUBE_CA"))
    else:
        real: ControlPlane = request.getfixturevalue("control_plane")
        yield Server(real.url, real.token, str(real.ca), control_plane=real)


@pytest.fixture(scope="session")
def kube(server: Server) -> Iterator[Client]:
    """A client with the administrator's rights."""
    client = server.client()
    yield client
    client.close()


@pytest.fixture(scope="session")
def things(kube: Client) -> None:
    """The contract's custom resource, installed and served."""
    made = kube.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", THINGS)
    assert made.status_code in (201, 409), made.text
    eventually(lambda: kube.get(f"/apis/{GROUP}/v1/things").status_code == 200)


@pytest.fixture(scope="module")
def ns(kube: Client, things: None) -> Iterator[Paths]:
    """A fresh namespace that takes pods."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    assert kube.post("/api/v1/namespaces", {"metadata": {"name": name}}).status_code == 201
    eventually(lambda: kube.get(f"/api/v1/namespaces/{name}/serviceaccounts/default").status_code == 200)
    yield Paths(name)
    kube.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def n() -> str:
    """A name that no other test uses."""
    return f"c{next(_numbers)}-{uuid.uuid4().hex[:6]}"
