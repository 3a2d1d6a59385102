"""What `mgw manifests` prints is taken as it stands by both servers, with nothing unknown in it, and gives the gateway its rights."""

import json
from typing import Any

import pytest

from gateway.manifests import manifests
from gateway.settings import Settings
from tests.contract.client import Client
from tests.contract.servers import Paths, Server
from tests.processes import eventually

_PLACES = {
    "Namespace": "/api/v1/namespaces",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "ServiceAccount": "/api/v1/namespaces/{ns}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Deployment": "/apis/apps/v1/namespaces/{ns}/deployments",
}


def apply(kube: Client, ns: Paths, wanted: dict[str, Any], **query: str) -> Any:
    path = _PLACES[wanted["kind"]].replace("{ns}", ns.name)
    answer = kube.patch(
        f"{path}/{wanted['metadata']['name']}",
        wanted,
        "apply",
        fieldManager="kubectl",
        fieldValidation="Strict",
        force="true",  # on a shared cluster somebody else may have applied the custom resources
        **query,
    )
    assert answer.status_code in (200, 201), answer.text
    assert "warning" not in answer.headers
    return answer.json()


@pytest.fixture
def wanted(ns: Paths) -> list[dict[str, Any]]:
    return json.loads(json.dumps(manifests(Settings(namespace=ns.name))))


def test_every_document_is_valid_and_applied_twice_changes_nothing(
    kube: Client, ns: Paths, wanted: list[dict[str, Any]]
) -> None:
    for document in wanted:
        apply(kube, ns, document, dryRun="All")
    for document in wanted:
        if document["kind"] in ("ServiceAccount", "Role", "RoleBinding"):
            once, again = (apply(kube, ns, document) for _ in range(2))
            assert again["metadata"]["resourceVersion"] == once["metadata"]["resourceVersion"]


def test_the_account_of_the_gateway_may_do_what_it_has_to_and_nothing_else(
    server: Server, kube: Client, ns: Paths, wanted: list[dict[str, Any]]
) -> None:
    for document in wanted:
        if document["kind"] in ("ServiceAccount", "Role", "RoleBinding"):
            apply(kube, ns, document)
    asked = kube.post(f"{ns.core}/serviceaccounts/marathon-gateway/token", {"spec": {}}).json()
    gateway = server.client(asked["status"]["token"])
    eventually(lambda: gateway.get(f"{ns.core}/pods").status_code == 200)
    assert gateway.get(f"{ns.apps}/deployments").status_code == 200
    assert gateway.get(f"{ns.leases}/none").status_code == 404
    assert gateway.get(ns.leases).status_code == 403
    assert gateway.get(f"{ns.core}/secrets").status_code == 403
    assert gateway.get("/api/v1/namespaces/kube-system/pods").status_code == 403
    gateway.close()
