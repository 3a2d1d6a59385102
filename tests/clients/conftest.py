"""Foreign clients, unmodified, each in an environment of its own, against a gateway in its own process, on either cluster."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gateways import Gateway

CLIENTS = Path(__file__).parents[2] / ".clients"


@pytest.fixture(scope="module")
def marathon(gateway: Gateway) -> str:
    """The base URL of a Marathon that starts empty, on either cluster."""
    return gateway.base


@pytest.fixture
def environment() -> Callable[[str], Path]:
    """The bin directory of a client's environment; the test is skipped, visibly, if it is not installed."""

    def find(name: str) -> Path:
        found = CLIENTS / name / "bin"
        if not found.exists():
            pytest.skip(f"{name} is not installed: run scripts/clients")
        return found

    return find


@pytest.fixture
def program() -> Callable[[str], str]:
    """The path of a program from the system; the test is skipped, visibly, if there is none."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if not found:
            pytest.skip(f"{name} is not installed: run scripts/clients as root")
        return found

    return find


@pytest.fixture
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    def call(
        *command: str | Path, env: dict[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(c) for c in command],
            check=False,
            capture_output=True,
            text=True,
            timeout=90,
            env={**os.environ, **(env or {})},
        )
        if check:
            assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return call
