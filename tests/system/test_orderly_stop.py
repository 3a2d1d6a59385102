"""A gateway that is told to stop leaves nothing for the next one to wait for."""

import signal
from pathlib import Path

import httpx
import pytest
import yaml

from tests.processes import MGW, Process, eventually, started

LEASE = "/apis/coordination.k8s.io/v1/namespaces/marathon/leases/marathon-gateway"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_leader_that_is_told_to_stop_gives_its_lease_back_and_ends_well(tmp_path: Path, number: int) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    with started("simulator", "--listen", "127.0.0.1:0", "--write-kubeconfig", str(kubeconfig)) as simulator:
        simulator.wait_for(r"Kubernetes API at (\S+)")
        cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]

        def holder() -> str:
            return str(httpx.get(cluster + LEASE).json()["spec"]["holderIdentity"])

        gateway = Process([str(MGW), "serve", "--kubeconfig", str(kubeconfig), "--listen", "127.0.0.1:0"])
        base = gateway.wait_for(r"Marathon API at http://(\S+)")
        eventually(lambda: holder() == base)
        gateway.process.send_signal(number)
        assert gateway.stop() == 0
        assert holder() == ""
