"""The 429 of API priority and fairness: of a priority level without room, told in plain text."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.contract.client import Client
from tests.contract.servers import Paths, Server
from tests.processes import eventually

GROUP = "/apis/flowcontrol.apiserver.k8s.io/v1"
AUTHENTICATION = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}


@pytest.fixture
def account(server: Server, kube: Client, ns: Paths) -> Iterator[Client]:
    """A client as the namespace's service account: administrators are exempt."""
    body = {**AUTHENTICATION, "spec": {"expirationSeconds": 3600}}
    made = kube.post(f"{ns.core}/serviceaccounts/default/token", body)
    assert made.status_code == 201, made.text
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": ns.name}
    binding = {"metadata": {"name": "all"}, "roleRef": role, "subjects": [subject]}
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns.name}/rolebindings"
    assert kube.post(path, binding).status_code == 201
    client = server.client(made.json()["status"]["token"])
    eventually(lambda: client.get(f"{ns.core}/pods").status_code == 200)
    yield client
    client.close()


def crowded(account: Client, ns: Paths) -> httpx.Response | None:
    """A refusal met while a slow request, a list at a version that is not yet there, holds the only seat."""
    slow = threading.Thread(target=account.get, args=(f"{ns.core}/pods",), kwargs={"resourceVersion": 10**9})
    slow.start()
    refused = None
    while slow.is_alive() and refused is None:
        answer = account.get(f"{ns.core}/pods")
        refused = answer if answer.status_code == 429 else None
    slow.join(10)
    return refused


def test_a_level_without_room_refuses_in_plain_text_with_retry_after(
    kube: Client, account: Client, ns: Paths, n: str
) -> None:
    limited = {"nominalConcurrencyShares": 0, "lendablePercent": 0, "limitResponse": {"type": "Reject"}}
    level = kube.post(
        f"{GROUP}/prioritylevelconfigurations",
        {"metadata": {"name": n}, "spec": {"type": "Limited", "limited": {**limited, "borrowingLimitPercent": 0}}},
    ).json()
    who = {"kind": "ServiceAccount", "serviceAccount": {"namespace": ns.name, "name": "default"}}
    what = {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "namespaces": [ns.name]}
    rules = [{"subjects": [who], "resourceRules": [what]}]
    schema = kube.post(
        f"{GROUP}/flowschemas",
        {
            "metadata": {"name": n},
            "spec": {"matchingPrecedence": 2, "priorityLevelConfiguration": {"name": n}, "rules": rules},
        },
    ).json()
    try:
        answer = eventually(lambda: crowded(account, ns))
        assert answer.text == "Too many requests, please try again later.\n"
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["x-kubernetes-pf-flowschema-uid"] == schema["metadata"]["uid"]
        assert answer.headers["x-kubernetes-pf-prioritylevel-uid"] == level["metadata"]["uid"]
        assert account.get(f"{ns.core}/pods").status_code == 200, "there is room for one"
    finally:
        kube.delete(f"{GROUP}/flowschemas/{n}")
        kube.delete(f"{GROUP}/prioritylevelconfigurations/{n}")
