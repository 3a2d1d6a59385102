"""A right that is missing: said in the log and in the answer, and mended without a restart."""

import re

import pytest

from gateway.manifests import manifests
from gateway.settings import Settings
from tests.controlplane.cluster import ControlPlane
from tests.gateways import Gateway
from tests.installations import ACCOUNT, Installation, installed, kubectl
from tests.outages.watching import web
from tests.processes import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(180)]

ROLES = "rbac.authorization.k8s.io/v1"


def without(installation: Installation, resource: str, verb: str) -> None:
    """Takes one verb on one resource out of the gateway's role."""
    path = installation.path("roles", ACCOUNT, group=ROLES)
    role = installation.api.get(path).json()
    for rule in role["rules"]:
        if resource in rule["resources"]:
            rule["verbs"] = [each for each in rule["verbs"] if each != verb]
    installation.api.put(path, json=role).raise_for_status()


def restored(installation: Installation) -> None:
    roles = [item for item in manifests(Settings(namespace=installation.namespace)) if item["kind"] == "Role"]
    installation.api.put(installation.path("roles", ACCOUNT, group=ROLES), json=roles[0]).raise_for_status()


def test_a_right_that_is_missing_is_named_and_other_things_go_on(installation: Installation, gateway: Gateway) -> None:
    gateway.create(web("/before"))
    without(installation, "deployments", "create")
    change = gateway.client.post("/v2/apps", json=web("/stuck"))
    assert change.status_code == 201  # it is accepted: what it needs is found out when it is carried out
    words = f'User "system:serviceaccount:{installation.namespace}:{ACCOUNT}" cannot create resource "deployments"'
    eventually(lambda: words in gateway.log)
    assert gateway.app("/stuck")["tasksRunning"] == 0
    gateway.change("/before", {"instances": 3})
    eventually(lambda: gateway.app("/before")["tasksRunning"] == 3)
    restored(installation)
    gateway.settle(30)
    assert gateway.app("/stuck")["tasksRunning"] == 2


def test_a_change_that_may_not_be_stored_is_refused_with_the_cluster_s_words(
    installation: Installation, gateway: Gateway
) -> None:
    gateway.create(web("/kept"))
    without(installation, "*", "create")
    refused = eventually(lambda: refusal(gateway))
    assert "cannot create resource" in refused
    assert "marathondeployments" in refused
    assert gateway.app("/kept")["tasksRunning"] == 2
    restored(installation)
    eventually(lambda: gateway.client.put("/v2/apps//kept", json={"instances": 1}).status_code == 200)
    gateway.settle()


def refusal(gateway: Gateway) -> str:
    answer = gateway.client.put("/v2/apps//kept", json={"instances": 2, "labels": {"a": "b"}})
    return str(answer.json()["message"]) if answer.status_code >= 400 else ""


def test_a_gateway_that_may_not_read_pods_says_so_and_never_answers_without_them(installation: Installation) -> None:
    """An empty list of tasks would be a lie that load balancers act upon."""
    without(installation, "pods", "list")
    without(installation, "pods", "watch")
    with installation.gateway() as gateway:
        eventually(lambda: re.search('cannot (list|watch) resource "pods"', gateway.log))
        for path in ("/v2/apps", "/v2/tasks", "/v2/groups", "/v2/deployments", "/v2/queue"):
            assert gateway.client.get(path).status_code == 503, path
        assert gateway.client.get("/ping").text == "pong"
        restored(installation)
        gateway.await_serving(60)


def test_two_installations_on_one_cluster_leave_each_other_s_rights_alone(
    control_plane: ControlPlane, installation: Installation
) -> None:
    other = f"{installation.namespace}-b"
    with installed(control_plane, other).api:
        for one in (installation.namespace, other):
            user = f"system:serviceaccount:{one}:{ACCOUNT}"
            assert kubectl(control_plane, "auth", "can-i", "list", "nodes", f"--as={user}").strip() == "yes"
