"""Who reaches the simulator: it runs commands for whoever does, so that a page in a browser must not."""

import httpx
import pytest

from tests.contract.client import Client
from tests.contract.servers import Server


def test_no_token_is_401_but_health_is_for_everybody(server: Server) -> None:
    assert httpx.get(f"{server.url}/api/v1/pods", trust_env=False).status_code == 401
    assert httpx.get(f"{server.url}/readyz", trust_env=False).text == "ok"


def test_the_token_may_stand_in_the_path_since_kubectl_sends_none_over_plain_http(server: Server) -> None:
    path = f"{server.url}/{server.token}/api/v1/namespaces/default"
    assert httpx.get(path, trust_env=False).json()["metadata"]["name"] == "default"


@pytest.mark.parametrize("header", [{"Host": "attacker.example"}, {"Origin": "http://attacker.example"}])
def test_web_pages_are_refused_even_with_the_token(kube: Client, header: dict[str, str]) -> None:
    assert kube.http.get("/api/v1/pods", headers=header).status_code == 403
