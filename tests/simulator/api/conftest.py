"""The simulator alone, as the contract's fixture would start it."""

from collections.abc import Iterator

import pytest

from tests.contract.client import Client
from tests.contract.servers import Server, simulator_serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with simulator_serving(tmp_path_factory.mktemp("pods")) as server:
        yield server


@pytest.fixture(scope="session")
def kube(server: Server) -> Iterator[Client]:
    client = server.client()
    yield client
    client.close()
