"""A token ends, and another is in its file."""

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.installations import ACCOUNT, Installation
from tests.outages.watching import Watcher, web
from tests.processes import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(180)]


def test_a_token_that_was_replaced_in_its_file_is_taken_up(
    control_plane: ControlPlane, installation: Installation
) -> None:
    """As the kubelet does with a pod's token. The old one ends here at once, with its account."""
    namespace = installation.namespace
    file = control_plane.home / f"{namespace}.token"
    file.write_text(control_plane.account_token(namespace, ACCOUNT))
    config = control_plane.home / f"{namespace}-file.kubeconfig"
    control_plane.write_kubeconfig(config, namespace=namespace, tokenFile=str(file))
    with installation.gateway(kubeconfig=config) as gateway:
        gateway.await_serving().await_leader().create(web("/token"))
        accounts = installation.path("serviceaccounts")
        installation.api.delete(f"{accounts}/{ACCOUNT}").raise_for_status()
        installation.api.post(accounts, json={"metadata": {"name": ACCOUNT}}).raise_for_status()
        unchanged = {"instances": 2}
        with Watcher(gateway.base, {"/token": 2}):
            # the API server remembers for 10 s that the token was good
            eventually(lambda: gateway.client.put("/v2/apps//token", json=unchanged).status_code == 503, 40)
            file.write_text(control_plane.account_token(namespace, ACCOUNT) + "\n")
            eventually(lambda: gateway.client.put("/v2/apps//token", json=unchanged).status_code == 200, 90)
            gateway.await_leader()
        gateway.change("/token", {"instances": 3})
        eventually(lambda: gateway.app("/token")["tasksRunning"] == 3, 30)
