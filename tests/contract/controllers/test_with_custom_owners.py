"""Dependents of custom resources. The last file: a real garbage collector learns of a new kind only after half a minute."""

from tests.contract.client import Client, thing
from tests.contract.servers import Paths
from tests.processes import eventually


def test_a_revision_goes_with_its_custom_resource(kube: Client, ns: Paths, n: str) -> None:
    owner = kube.post(ns.things, thing(n)).json()
    meta = owner["metadata"]
    who = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
    held = [{**who, "controller": True, "blockOwnerDeletion": True}]
    path = f"{ns.apps}/controllerrevisions"
    kube.post(path, {"metadata": {"name": n, "ownerReferences": held}, "revision": 1, "data": {"a": 1}})
    kube.delete(f"{ns.things}/{n}")
    eventually(lambda: kube.get(f"{path}/{n}").status_code == 404, 60)
