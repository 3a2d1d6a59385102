"""Lists: versions, the past, pages, expiry, selectors, forms."""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.contract.client import Client, config_map, thing
from tests.contract.servers import Paths


def version(answer: httpx.Response) -> int:
    return int(answer.json()["metadata"]["resourceVersion"])


def make(kube: Client, path: str, *names: str) -> list[int]:
    return [version(kube.post(path, config_map(name))) for name in names]


def names(page: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in page["items"]]


def test_versions_of_all_kinds_are_one_sequence(kube: Client, ns: Paths, n: str) -> None:
    [first] = make(kube, f"{ns.core}/configmaps", n)
    second = version(kube.post(ns.things, thing(n)))
    third = version(kube.post(ns.leases, {"metadata": {"name": n}}))
    assert first < second < third
    assert version(kube.get(f"{ns.core}/pods")) >= third
    assert version(kube.get(ns.things)) >= third


def test_a_list_at_an_exact_version_shows_the_past(kube: Client, ns: Paths, n: str) -> None:
    path = f"{ns.core}/configmaps"
    make(kube, path, f"{n}-gone", f"{n}-changed")
    [then] = make(kube, path, f"{n}-last")
    kube.delete(f"{path}/{n}-gone")
    kube.patch(f"{path}/{n}-changed", {"data": {"k": "later"}})
    make(kube, path, f"{n}-new")
    page = kube.get(path, resourceVersion=then, resourceVersionMatch="Exact").json()
    assert page["metadata"]["resourceVersion"] == str(then)
    assert {f"{n}-gone", f"{n}-changed", f"{n}-last"} <= set(names(page))
    assert f"{n}-new" not in names(page)
    assert "later" not in json.dumps(page)


def test_pages_show_one_moment(kube: Client, ns: Paths, n: str) -> None:
    path = f"{ns.core}/configmaps"
    make(kube, path, *(f"{n}-{i}" for i in range(5)))
    page = kube.get(path, limit=2).json()
    first, seen, token = page["metadata"], names(page), page["metadata"]["continue"]
    assert first["remainingItemCount"] >= 3
    make(kube, path, f"{n}-z")
    kube.delete(f"{path}/{n}-4")
    while token:
        page = kube.get(path, limit=2, continue_=token).json()
        assert page["metadata"]["resourceVersion"] == first["resourceVersion"]
        seen += names(page)
        token = page["metadata"].get("continue")
    assert f"{n}-z" not in seen
    assert f"{n}-4" in seen
    assert seen == sorted(set(seen))


def test_pages_over_all_namespaces_leave_nothing_out(kube: Client, ns: Paths, n: str) -> None:
    for name in (f"{n}", f"{n}-a", f"{n}0"):
        kube.post("/api/v1/namespaces", {"metadata": {"name": name}})
        make(kube, f"/api/v1/namespaces/{name}/configmaps", "x", "y")
    paged, token, moment = [], "", ""
    while True:
        page = kube.get("/api/v1/configmaps", limit=1, **({"continue_": token} if token else {})).json()
        paged += [(i["metadata"]["namespace"], i["metadata"]["name"]) for i in page["items"]]
        token, moment = page["metadata"].get("continue"), page["metadata"]["resourceVersion"]
        if not token:
            break
    at_once = kube.get("/api/v1/configmaps", resourceVersion=moment, resourceVersionMatch="Exact").json()["items"]
    whole = [(i["metadata"]["namespace"], i["metadata"]["name"]) for i in at_once]
    assert sorted(paged) == sorted(whole)
    for name in (f"{n}", f"{n}-a", f"{n}0"):
        kube.delete(f"/api/v1/namespaces/{name}")


def test_a_continue_token_tells_the_version_and_the_start(kube: Client, ns: Paths, n: str) -> None:
    make(kube, f"{ns.core}/configmaps", f"{n}-a", f"{n}-b")
    page = kube.get(f"{ns.core}/configmaps", limit=1).json()["metadata"]
    token = json.loads(base64.urlsafe_b64decode(page["continue"] + "==="))
    assert (token["v"], token["rv"]) == ("meta.k8s.io/v1", int(page["resourceVersion"]))
    assert token["start"].endswith("\0")


def test_there_is_no_count_of_what_remains_under_a_selector(kube: Client, ns: Paths, n: str) -> None:
    make(kube, f"{ns.core}/configmaps", f"{n}-a", f"{n}-b")
    page = kube.get(f"{ns.core}/configmaps", limit=1, labelSelector="!none").json()["metadata"]
    assert page["continue"]
    assert "remainingItemCount" not in page


def test_a_limit_counts_for_nothing_at_version_zero(kube: Client, ns: Paths, n: str) -> None:
    make(kube, f"{ns.core}/configmaps", f"{n}-a", f"{n}-b")
    page = kube.get(f"{ns.core}/configmaps", limit=1, resourceVersion="0").json()
    assert len(page["items"]) >= 2
    assert not page["metadata"].get("continue")


def test_a_version_beside_a_continue_token_is_refused(kube: Client, ns: Paths, n: str) -> None:
    make(kube, f"{ns.core}/configmaps", f"{n}-a", f"{n}-b")
    page = kube.get(f"{ns.core}/configmaps", limit=1).json()["metadata"]
    answer = kube.get(
        f"{ns.core}/configmaps", limit=1, continue_=page["continue"], resourceVersion=page["resourceVersion"]
    )
    assert answer.status_code == 400
    assert answer.json()["message"] == "specifying resource version is not allowed when using continue"


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("tier=a", "a"),
        ("tier==a", "a"),
        ("tier!=a,of={n}", "bc"),
        ("tier in (a, b),of={n}", "ab"),
        ("tier notin (a),of={n}", "bc"),
        ("tier,of={n}", "ab"),
        ("!tier,of={n}", "c"),
    ],
)
def test_label_selectors(kube: Client, ns: Paths, n: str, selector: str, found: str) -> None:
    path = f"{ns.core}/configmaps"
    for name, labels in (("a", {"tier": "a"}), ("b", {"tier": "b"}), ("c", {})):
        kube.post(path, config_map(f"{n}-{name}", **labels, of=n))
    page = kube.get(path, labelSelector=selector.replace("{n}", n)).json()
    assert "".join(name[-1] for name in names(page) if name.startswith(n)) == found


def test_large_lists_are_compressed_on_request_and_small_ones_never(kube: Client, ns: Paths, n: str) -> None:
    path = f"{ns.core}/configmaps"
    for i in range(3):
        kube.post(path, config_map(f"{n}-{i}", {"x": "y" * 60_000}, big=n))
    for query, accepted, encoding in (
        (f"?labelSelector=big={n}", "gzip", "gzip"),
        (f"?labelSelector=big={n}", "identity", None),
        (f"?fieldSelector=metadata.name={n}-0", "gzip", None),
    ):
        answer = kube.http.get(path + query, headers={"Accept-Encoding": accepted})
        assert answer.headers.get("content-encoding") == encoding
        assert answer.json()["items"]


def test_kubectl_gets_tables_with_the_columns_of_the_kind(kube: Client, ns: Paths, n: str) -> None:
    make(kube, f"{ns.core}/configmaps", n)
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    table = kube.call("GET", f"{ns.core}/configmaps", accept=accept, fieldSelector=f"metadata.name={n}").json()
    assert table["kind"] == "Table"
    assert table["columnDefinitions"][0]["name"] == "Name"
    assert table["rows"][0]["cells"][0] == n
