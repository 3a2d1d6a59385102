"""Who manages which field, whoever writes and however."""

from typing import Any

from tests.contract.client import GROUP, Client, deployment
from tests.contract.servers import Paths

Obj = dict[str, Any]


def managers(obj: Obj) -> dict[tuple[str, str], Obj]:
    return {(e["manager"], e["operation"]): e["fieldsV1"] for e in obj["metadata"]["managedFields"]}


def wanted(name: str, **spec: object) -> Obj:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Thing",
        "metadata": {"name": name},
        "spec": {"id": f"/{name}", **spec},
    }


def test_an_update_takes_over_what_it_changes(kube: Client, ns: Paths, n: str) -> None:
    kube.patch(f"{ns.things}/{n}", wanted(n, instances=1, text="t"), "apply", fieldManager="gw")
    kube.patch(f"{ns.things}/{n}", {"spec": {"instances": 2, "text": "t"}}, fieldManager="hand")
    found = managers(kube.get(f"{ns.things}/{n}").json())
    assert found["gw", "Apply"] == {"f:spec": {"f:id": {}, "f:text": {}}}
    assert found["hand", "Update"] == {"f:spec": {"f:instances": {}}}


def test_an_apply_conflicts_with_an_update_and_says_by_whom(kube: Client, ns: Paths, n: str) -> None:
    kube.post(ns.things, wanted(n, instances=1), fieldManager="hand")
    answer = kube.patch(f"{ns.things}/{n}", wanted(n, instances=2), "apply", fieldManager="gw")
    assert answer.status_code == 409
    who = f'conflict with "hand" using {GROUP}/v1'
    assert answer.json()["message"] == f"Apply failed with 1 conflict: {who}: .spec.instances"


def test_wanting_the_same_shares_the_field_and_letting_go_leaves_it_to_the_other(
    kube: Client, ns: Paths, n: str
) -> None:
    for manager in ("one", "other"):
        assert kube.patch(f"{ns.things}/{n}", wanted(n, text="t"), "apply", fieldManager=manager).status_code in (
            200,
            201,
        )
    kept = kube.patch(f"{ns.things}/{n}", wanted(n), "apply", fieldManager="one").json()
    assert kept["spec"]["text"] == "t"
    gone = kube.patch(f"{ns.things}/{n}", wanted(n), "apply", fieldManager="other").json()
    assert "text" not in gone["spec"]


def test_containers_ports_and_variables_merge_by_their_keys(kube: Client, ns: Paths, n: str) -> None:
    ports = [
        {"name": "p0", "containerPort": 80, "protocol": "TCP"},
        {"name": "p0-udp", "containerPort": 80, "protocol": "UDP"},
    ]
    container = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "ports": ports}
    path = f"{ns.apps}/deployments/{n}"
    body = deployment(n, spec={"replicas": 0}, container=container)
    assert kube.patch(path, body, "apply", fieldManager="gw").status_code == 201
    more = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": n}}
    side = {"name": "app", "env": [{"name": "C", "value": "3"}]}
    added = {**more, "spec": {"template": {"spec": {"containers": [side]}}}}
    both = kube.patch(path, added, "apply", fieldManager="injector").json()
    [app] = both["spec"]["template"]["spec"]["containers"]
    assert [variable["name"] for variable in app["env"]] == ["A", "B", "C"]
    del container["env"][0]
    body = deployment(n, spec={"replicas": 0}, container={**container, "ports": ports[:1]})
    answer = kube.patch(path, body, "apply", fieldManager="gw")
    assert answer.status_code == 200, answer.text
    less = answer.json()
    [app] = less["spec"]["template"]["spec"]["containers"]
    assert [variable["name"] for variable in app["env"]] == ["B", "C"]
    assert [port["protocol"] for port in app["ports"]] == ["TCP"]
    gone = kube.patch(path, more, "apply", fieldManager="injector").json()
    assert [variable["name"] for variable in gone["spec"]["template"]["spec"]["containers"][0]["env"]] == ["B"]


def test_labels_of_several_managers_live_side_by_side(kube: Client, ns: Paths, n: str) -> None:
    path = f"{ns.things}/{n}"
    for manager in ("one", "other"):
        body = wanted(n)
        body["metadata"]["labels"] = {manager: "x"}
        made = kube.patch(path, body, "apply", fieldManager=manager).json()
    assert made["metadata"]["labels"] == {"one": "x", "other": "x"}
    left = kube.patch(path, wanted(n), "apply", fieldManager="one").json()
    assert left["metadata"]["labels"] == {"other": "x"}


def test_the_status_is_managed_apart_from_the_spec(kube: Client, ns: Paths, n: str) -> None:
    path = f"{ns.things}/{n}"
    kube.post(ns.things, wanted(n), fieldManager="gw")
    kube.patch(f"{path}/status", {"status": {"note": "x"}}, fieldManager="watcher")
    entries = kube.get(path).json()["metadata"]["managedFields"]
    [entry] = [entry for entry in entries if entry["manager"] == "watcher"]
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {".": {}, "f:note": {}}})


def test_a_put_without_managed_fields_keeps_them_and_takes_what_it_changes(kube: Client, ns: Paths, n: str) -> None:
    made = kube.patch(f"{ns.things}/{n}", wanted(n, instances=1), "apply", fieldManager="gw").json()
    body = wanted(n, instances=5)
    body["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
    replaced = kube.call("PUT", f"{ns.things}/{n}", body, fieldManager="hand").json()
    assert managers(replaced) == {
        ("gw", "Apply"): {"f:spec": {"f:id": {}}},
        ("hand", "Update"): {"f:spec": {"f:instances": {}}},
    }
