"""Who is answered at all."""

import httpx
import pytest

from tests.simulator.api.client import Client
from tests.simulator.api.conftest import IS_REAL, Paths, Server

UNAUTHORIZED = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "Unauthorized",
    "reason": "Unauthorized",
    "code": 401,
}
embedded = pytest.mark.skipif(IS_REAL, reason="of the embedded cluster only")


def test_a_bad_token_is_401_with_a_status(server: Server, ns: Paths) -> None:
    stranger = Client(server.url, "no-such-token", server.ca)
    answer = stranger.get(f"{ns.core}/pods")
    stranger.close()
    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


@embedded
def test_no_token_is_401_but_health_is_for_everybody(server: Server) -> None:
    assert httpx.get(f"{server.url}/api/v1/pods", trust_env=False).status_code == 401
    assert httpx.get(f"{server.url}/readyz", trust_env=False).text == "ok"


@embedded
def test_the_token_may_stand_in_the_path_since_kubectl_sends_none_over_plain_http(server: Server) -> None:
    path = f"{server.url}/{server.token}/api/v1/namespaces/default"
    assert httpx.get(path, trust_env=False).json()["metadata"]["name"] == "default"


@embedded
@pytest.mark.parametrize("header", [{"Host": "attacker.example"}, {"Origin": "http://attacker.example"}])
def test_web_pages_are_refused_even_with_the_token(kube: Client, header: dict[str, str]) -> None:
    assert kube.http.get("/api/v1/pods", headers=header).status_code == 403


def test_every_answer_names_its_flow_schema(kube: Client, ns: Paths) -> None:
    headers = kube.get(f"{ns.core}/pods").headers
    assert headers["x-kubernetes-pf-flowschema-uid"]
    assert headers["x-kubernetes-pf-prioritylevel-uid"]
