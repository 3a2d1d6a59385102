"""What breaks is a control plane of this package alone; what can be confined to a namespace happens on the shared one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.fixtures import required
from tests.gateways import Gateway
from tests.installations import Installation, installed


@pytest.fixture(scope="session", autouse=True)
def asked_for() -> None:
    """They take five minutes and a machine of their own: beside other work real controllers come back late."""
    if not required("outages"):
        pytest.skip("outages of a real control plane: run tests/outages with MGW_TEST_REQUIRE='controlplane outages'")


@pytest.fixture(scope="module")
def mortal(binaries: Path) -> Iterator[ControlPlane]:
    """Its parts may be killed. It is compacted only when a test says so."""
    flags = {"kube-apiserver": ["--etcd-compaction-interval=0"]}
    with ControlPlane(binaries, controllers=True, fake_nodes=3, flags=flags) as control_plane:
        yield control_plane


@pytest.fixture(scope="module")
def installation(request: pytest.FixtureRequest, control_plane: ControlPlane) -> Iterator[Installation]:
    """One of this module alone on the shared control plane."""
    made = installed(control_plane, f"o-{request.module.__name__.rpartition('.')[2].replace('_', '-')}"[:60])
    with made.api:
        yield made


@pytest.fixture(scope="module")
def mortal_installation(mortal: ControlPlane) -> Iterator[Installation]:
    made = installed(mortal, "marathon")
    with made.api:
        yield made


@pytest.fixture(scope="module")
def survivor(mortal_installation: Installation) -> Iterator[Gateway]:
    """A gateway that lives through what is done to its control plane."""
    with mortal_installation.gateway() as gateway:
        yield gateway.await_serving().await_leader()


@pytest.fixture(scope="module")
def gateway(installation: Installation) -> Iterator[Gateway]:
    with installation.gateway() as started:
        yield started.await_serving().await_leader()
