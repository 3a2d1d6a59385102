"""What kubectl asks before it asks for anything: groups, versions, resources with their verbs and short names."""

from typing import Any

import pytest

from tests.contract.client import GROUP, Client

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
CUSTOM_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
PART = ["get", "patch", "update"]
SCALE = {"group": "autoscaling", "version": "v1"}


def entry(name: str, kind: str, verbs: list[str], *, single: bool = True, **more: object) -> dict[str, Any]:
    base = {"name": name, "singularName": kind.lower() if single else "", "namespaced": True, "kind": kind}
    return {**base, "verbs": verbs, **more}


@pytest.mark.parametrize(
    ("path", "entries"),
    [
        (
            "/api/v1",
            [
                entry("pods", "Pod", VERBS, shortNames=["po"], categories=["all"]),
                entry("pods/status", "Pod", PART, single=False),
                entry("pods/log", "Pod", ["get"], single=False),
                entry("pods/binding", "Binding", ["create"], single=False),
                entry("pods/eviction", "Eviction", ["create"], single=False, group="policy", version="v1"),
                entry("configmaps", "ConfigMap", VERBS, shortNames=["cm"]),
                entry("namespaces", "Namespace", [v for v in VERBS if v != "deletecollection"], namespaced=False)
                | {"shortNames": ["ns"]},
            ],
        ),
        (
            "/apis/apps/v1",
            [
                entry("deployments", "Deployment", VERBS, shortNames=["deploy"], categories=["all"]),
                entry("deployments/status", "Deployment", PART, single=False),
                entry("deployments/scale", "Scale", PART, single=False, **SCALE),
                entry("replicasets", "ReplicaSet", VERBS, shortNames=["rs"], categories=["all"]),
                entry("controllerrevisions", "ControllerRevision", VERBS),
            ],
        ),
        ("/apis/coordination.k8s.io/v1", [entry("leases", "Lease", VERBS)]),
        (
            f"/apis/{GROUP}/v1",
            [
                entry("things", "Thing", CUSTOM_VERBS),
                entry("things/status", "Thing", PART, single=False),
                entry("things/scale", "Scale", PART, single=False, **SCALE),
            ],
        ),
    ],
)
def test_resources_have_their_verbs_and_names(
    kube: Client, things: None, path: str, entries: list[dict[str, Any]]
) -> None:
    found = kube.get(path).json()
    assert found["kind"] == "APIResourceList"
    assert found["groupVersion"] == path.removeprefix("/apis/").removeprefix("/api/")
    known = {r["name"]: {k: v for k, v in r.items() if k != "storageVersionHash"} for r in found["resources"]}
    assert [known.get(wanted["name"]) for wanted in entries] == entries


def test_a_group_names_its_versions(kube: Client) -> None:
    version = {"groupVersion": "apps/v1", "version": "v1"}
    group = {"name": "apps", "versions": [version], "preferredVersion": version}
    assert kube.get("/apis/apps").json() == {"kind": "APIGroup", "apiVersion": "v1", **group}
    assert group in kube.get("/apis").json()["groups"]
    assert kube.get("/api").json()["versions"] == ["v1"]


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health_is_a_word(kube: Client, path: str) -> None:
    assert kube.get(path).text == "ok"


@pytest.mark.parametrize(
    "path", ["/api/v1/namespaces/default", "/api/v1/namespaces", "/api/v1/nope", f"/apis/{GROUP}/v1/things"]
)
def test_the_body_of_an_answer_is_one_line_of_text(kube: Client, things: None, path: str) -> None:
    assert kube.get(path).text.count("\n") == 1
    assert kube.get(path).text.endswith("}\n")
