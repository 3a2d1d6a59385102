"""pytest's fixtures of the real control plane; see the package."""

import itertools
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.controlplane import binaries as built
from tests.controlplane.cluster import ControlPlane

__all__ = ["another_control_plane", "api_server", "binaries", "control_plane", "namespace", "required"]

FAKE_NODES = 4
_numbers = itertools.count(1)


def required(what: str) -> bool:
    """Whether tests that need `what` must run: a word of MGW_TEST_REQUIRE."""
    return what in os.environ.get("MGW_TEST_REQUIRE", "").split()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "binaries" in getattr(item, "fixturenames", ()):
            item.add_marker("controlplane")


@pytest.fixture(scope="session")
def binaries() -> Path:
    """The directory of the built control plane."""
    if found := built.find():
        return found
    if required("controlplane"):
        pytest.fail(built.why_missing())
    pytest.skip(built.why_missing())


@pytest.fixture(scope="session")
def api_server(binaries: Path) -> Iterator[ControlPlane]:
    """Etcd and the API server alone, one for the session: do not kill it."""
    with ControlPlane(binaries) as control_plane:
        yield control_plane


@pytest.fixture(scope="session")
def control_plane(binaries: Path) -> Iterator[ControlPlane]:
    """With controllers, scheduler and kwok nodes, one for the session: do not kill it."""
    _needs_controllers(binaries)
    with ControlPlane(binaries, controllers=True, fake_nodes=FAKE_NODES) as control_plane:
        yield control_plane


@pytest.fixture
def another_control_plane(binaries: Path) -> Iterator[Callable[..., ControlPlane]]:
    """Starts one for this test alone: `another_control_plane(controllers=True, fake_nodes=2, flags={…})`."""
    with ExitStack() as stack:

        def start(
            *, controllers: bool = False, fake_nodes: int = 0, flags: Mapping[str, Sequence[str]] | None = None
        ) -> ControlPlane:
            if controllers or fake_nodes:
                _needs_controllers(binaries)
            return stack.enter_context(
                ControlPlane(binaries, controllers=controllers, fake_nodes=fake_nodes, flags=flags)
            )

        yield start


@pytest.fixture
def namespace() -> str:
    """A name that no other test uses. Nobody waits for its deletion: that takes the real controllers seconds."""
    return f"t{next(_numbers)}-{uuid.uuid4().hex[:6]}"


def _needs_controllers(binaries: Path) -> None:
    """KUBEBUILDER_ASSETS often has the API server alone."""
    missing = [p for p in ("kube-controller-manager", "kube-scheduler", "kwok") if not (binaries / p).exists()]
    if missing:
        pytest.skip(f"{', '.join(missing)} not in {binaries}")
