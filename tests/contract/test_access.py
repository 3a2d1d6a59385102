"""Who is answered at all."""

from collections.abc import Iterator

import pytest

from tests.contract.client import Client
from tests.contract.servers import Paths, Server
from tests.processes import eventually

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


@pytest.fixture
def account(server: Server, kube: Client, ns: Paths, n: str) -> Iterator[Client]:
    """A client with the token of a service account of its own."""
    kube.post(f"{ns.core}/serviceaccounts", {"metadata": {"name": n}})
    asked = kube.post(f"{ns.core}/serviceaccounts/{n}/token", {"spec": {"expirationSeconds": 600}})
    client = server.client(asked.json()["status"]["token"])
    yield client
    client.close()


def test_the_token_of_a_service_account_is_good_until_the_account_is_gone(
    kube: Client, ns: Paths, n: str, account: Client
) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = account.post(path, review)
    assert answer.status_code == 201
    assert answer.json()["status"]["userInfo"]["username"] == f"system:serviceaccount:{ns.name}:{n}"
    kube.delete(f"{ns.core}/serviceaccounts/{n}")
    eventually(lambda: account.post(path, review).status_code == 401)
    assert account.post(path, review).json() == UNAUTHORIZED


def test_a_token_for_somebody_else_is_not_good_here(server: Server, kube: Client, ns: Paths, n: str) -> None:
    kube.post(f"{ns.core}/serviceaccounts", {"metadata": {"name": n}})
    asked = kube.post(f"{ns.core}/serviceaccounts/{n}/token", {"spec": {"audiences": ["somebody-else"]}})
    stranger = server.client(asked.json()["status"]["token"])
    assert stranger.get(f"{ns.core}/pods").status_code == 401
    stranger.close()


def test_a_user_without_rights_is_told_verb_resource_group_and_namespace(ns: Paths, n: str, account: Client) -> None:
    answer = account.patch(f"{ns.apps}/deployments/x/scale", {"spec": {"replicas": 1}})
    who = f'User "system:serviceaccount:{ns.name}:{n}"'
    what = 'cannot patch resource "deployments/scale" in API group "apps"'
    assert answer.status_code == 403, answer.text
    assert answer.json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'deployments.apps "x" is forbidden: {who} {what} in the namespace "{ns.name}"',
        "reason": "Forbidden",
        "details": {"name": "x", "group": "apps", "kind": "deployments"},
        "code": 403,
    }
    lists = account.get("/api/v1/nodes").json()
    assert (
        lists["message"]
        == f'nodes is forbidden: {who} cannot list resource "nodes" in API group "" at the cluster scope'
    )


def test_a_role_gives_an_account_its_verbs_and_no_others(kube: Client, ns: Paths, n: str, account: Client) -> None:
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns.name}"
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    kube.post(f"{rbac}/roles", {"metadata": {"name": n}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": n, "namespace": ns.name}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": n}
    kube.post(f"{rbac}/rolebindings", {"metadata": {"name": n}, "roleRef": role, "subjects": [subject]})
    eventually(lambda: account.get(f"{ns.core}/configmaps").status_code == 200)
    assert account.get(f"{ns.core}/configmaps/none").status_code == 404
    assert account.post(f"{ns.core}/configmaps", {"metadata": {"name": n}}).status_code == 403
    assert account.get("/api/v1/namespaces/default/configmaps").status_code == 403
    review = {"spec": {"resourceAttributes": {"namespace": ns.name, "verb": "list", "resource": "configmaps"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert account.post(path, review).json()["status"]["allowed"] is True
    review["spec"]["resourceAttributes"]["verb"] = "delete"
    assert account.post(path, review).json()["status"]["allowed"] is False
