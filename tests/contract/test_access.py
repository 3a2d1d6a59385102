"""Who is answered at all."""

from tests.contract.client import Client
from tests.contract.servers import Paths, Server

UNAUTHORIZED = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "Unauthorized",
    "reason": "Unauthorized",
    "code": 401,
}


def test_a_bad_token_is_401_with_a_status(server: Server, ns: Paths) -> None:
    stranger = server.client("no-such-token")
    answer = stranger.get(f"{ns.core}/pods")
    stranger.close()
    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


def test_every_answer_names_its_flow_schema(kube: Client, ns: Paths) -> None:
    headers = kube.get(f"{ns.core}/pods").headers
    assert headers["x-kubernetes-pf-flowschema-uid"]
    assert headers["x-kubernetes-pf-prioritylevel-uid"]
