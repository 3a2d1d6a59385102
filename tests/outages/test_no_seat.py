"""The API server has no seat for the gateway: its priority and fairness answers 429, as text, with Retry-After."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.gateways import Gateway
from tests.installations import ACCOUNT, Installation
from tests.outages.watching import Watcher, web
from tests.processes import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(120)]

LEVELS = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"
SCHEMAS = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"


def no_room(namespace: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A priority level without a seat, and the flow that sends an installation's account there."""
    level = {
        "metadata": {"name": namespace},
        "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 0, "limitResponse": {"type": "Reject"}, "lendablePercent": 0, "borrowingLimitPercent": 0}},
    }  # fmt: skip
    account = {"kind": "ServiceAccount", "serviceAccount": {"name": ACCOUNT, "namespace": namespace}}
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
    schema = {
        "metadata": {"name": namespace},
        "spec": {
            "matchingPrecedence": 10,
            "priorityLevelConfiguration": {"name": namespace},
            "rules": [{"subjects": [account], "resourceRules": [everything]}],
        },
    }
    return level, schema


@contextlib.contextmanager
def seat_taken(control_plane: ControlPlane, namespace: str) -> Iterator[None]:
    """A request of the account whose body does not come: a level without seats serves one at a time, and that is it."""
    token = control_plane.account_token(namespace, ACCOUNT)
    head = (
        f"POST /apis/marathon-gateway.io/v1/namespaces/{namespace}/marathondeployments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    )
    context = ssl.create_default_context(cafile=str(control_plane.ca))
    plain = socket.create_connection(("127.0.0.1", control_plane.port), timeout=10)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        connection.sendall(head.encode())
        yield


def test_no_seat_in_priority_and_fairness_is_a_503_until_there_is_one(
    control_plane: ControlPlane, installation: Installation, gateway: Gateway
) -> None:
    level, schema = no_room(installation.namespace)
    gateway.create(web("/seat"))
    api = installation.api
    with Watcher(gateway.base, {"/seat": 2}):
        api.post(LEVELS, json=level).raise_for_status()
        api.post(SCHEMAS, json=schema).raise_for_status()
        try:
            with contextlib.ExitStack() as stack:

                def refusal() -> str:
                    """Taking the seat may meet another request in it, and fail; so it is tried again."""
                    stack.enter_context(seat_taken(control_plane, installation.namespace))
                    answer = gateway.client.put("/v2/apps//seat", json={"instances": 2})
                    return str(answer.json()["message"]) if answer.status_code == 503 else ""

                assert "Too many requests" in eventually(refusal)
        finally:
            api.delete(f"{SCHEMAS}/{installation.namespace}").raise_for_status()
            api.delete(f"{LEVELS}/{installation.namespace}").raise_for_status()
    eventually(lambda: gateway.client.put("/v2/apps//seat", json={"env": {"A": "b"}}).status_code == 200)
    gateway.await_leader().settle()
    assert gateway.app("/seat")["env"] == {"A": "b"}
