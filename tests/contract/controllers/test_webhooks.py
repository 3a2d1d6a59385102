"""What a client is told when an admission webhook refuses, changes, warns, or does not answer."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.client import Client, config_map
from tests.contract.controllers.hooks import Hook, serving
from tests.contract.controllers.workload import NOWHERE, Obj, Workload, name_of
from tests.contract.servers import Paths, Server
from tests.processes import eventually

GROUP = "/apis/admissionregistration.k8s.io/v1"
VALIDATING, MUTATING = "validatingwebhookconfigurations", "mutatingwebhookconfigurations"
Configure = Callable[..., str]


@pytest.fixture(scope="module")
def hook(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hook]:
    with serving(tmp_path_factory.mktemp("hook")) as hook:
        yield hook


@pytest.fixture(scope="module")
def configure(kube: Client, ns: Paths) -> Iterator[Configure]:
    """`configure(plural, config, operations=…)` makes a webhook for the namespace of this file; its name, once it is asked."""
    made: list[str] = []

    def make(
        plural: str, config: Obj, *, resource: str = "configmaps", operations: tuple[str, ...] = ("CREATE",),
        label: str = "", **more: Any,
    ) -> str:  # fmt: skip
        number = f"{ns.name}-{len(made)}"
        name = f"{number}.example.org"
        webhook = {
            "name": name,
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "timeoutSeconds": 1,
            "clientConfig": config,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns.name}},
            **({"objectSelector": {"matchLabels": {"for": label}}} if label else {}),
            "rules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": list(operations), "resources": [resource]}
            ],
            **more,
        }
        answer = kube.post(f"{GROUP}/{plural}", {"metadata": {"name": number}, "webhooks": [webhook]})
        assert answer.status_code == 201, answer.text
        made.append(f"{GROUP}/{plural}/{number}")
        return name

    yield make
    for path in made:
        kube.delete(path)


@pytest.fixture(scope="module")
def validating(kube: Client, ns: Paths, hook: Hook, configure: Configure) -> str:
    name = configure(VALIDATING, hook.client(), operations=("CREATE", "UPDATE", "DELETE"))
    eventually(
        lambda: kube.post(f"{ns.core}/configmaps", config_map("x", case="plain"), dryRun="All").status_code == 400
    )
    return name


@pytest.mark.parametrize(
    ("case", "status", "reason", "text"),
    [
        ("plain", 400, None, " without explanation"),
        ("reason", 409, "Conflict", ": Conflict"),
        ("message", 400, None, ": not on my platform"),
        ("coded", 429, "TooManyRequests", ": quota of team"),
        ("invalid", 422, "Invalid", ": bad thing"),
    ],
)
def test_a_refusal_keeps_the_code_of_the_webhook_and_names_it(
    kube: Client, ns: Paths, n: str, validating: str, case: str, status: int, reason: str | None, text: str
) -> None:
    answer = kube.post(f"{ns.core}/configmaps", config_map(n, case=case))
    body = answer.json()
    assert (answer.status_code, body["code"], body.get("reason")) == (status, status, reason)
    assert body["message"] == f'admission webhook "{validating}" denied the request{text}'
    assert "retry-after" not in answer.headers
    assert body.get("details") == ({"causes": [{"message": "bad", "field": "spec.x"}]} if case == "invalid" else None)
    assert kube.get(f"{ns.core}/configmaps/{n}").status_code == 404


def test_a_warning_of_a_webhook_is_a_header(kube: Client, ns: Paths, n: str, validating: str) -> None:
    answer = kube.post(f"{ns.core}/configmaps", config_map(n, case="warned"))
    assert (answer.status_code, answer.headers["warning"]) == (201, '299 - "careful"')


def test_updates_and_deletes_are_asked_about_with_what_was(
    kube: Client, ns: Paths, n: str, hook: Hook, validating: str
) -> None:
    path = f"{ns.core}/configmaps/{n}"
    assert kube.post(f"{ns.core}/configmaps", config_map(n, {"a": "1"})).status_code == 201
    created = hook.reviews[-1]
    assert (created["operation"], created["name"], created["namespace"]) == ("CREATE", n, ns.name)
    assert created["oldObject"] is None
    assert created["object"]["data"] == {"a": "1"}
    assert created["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert created["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert kube.patch(path, {"data": {"a": "2"}}).status_code == 200
    changed = hook.reviews[-1]
    assert (changed["operation"], changed["oldObject"]["data"]["a"], changed["object"]["data"]["a"]) == (
        "UPDATE",
        "1",
        "2",
    )
    refused = kube.patch(path, {"metadata": {"labels": {"case": "message"}}, "data": {"a": "3"}}).json()
    assert refused["message"].endswith("denied the request: not on my platform")
    assert kube.get(path).json()["data"] == {"a": "2"}
    assert kube.delete(path).status_code == 200
    deleted = hook.reviews[-1]
    assert (deleted["operation"], deleted["object"], deleted["oldObject"]["data"]) == ("DELETE", None, {"a": "2"})


def test_no_answer_in_time_is_an_internal_error(kube: Client, ns: Paths, n: str, hook: Hook, validating: str) -> None:
    answer = kube.post(f"{ns.core}/configmaps", config_map(n, case="slow")).json()
    assert (answer["code"], answer["reason"]) == (500, "InternalError")
    called = f'failed calling webhook "{validating}": failed to call webhook: Post "{hook.url}/?timeout=1s": '
    assert answer["message"] == f"Internal error occurred: {called}context deadline exceeded"
    assert answer["details"] == {"causes": [{"message": f"{called}context deadline exceeded"}]}


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
def test_who_is_not_there_refuses_or_agrees_as_its_policy_says(
    kube: Client, ns: Paths, n: str, configure: Configure, policy: str
) -> None:
    config = {"url": "https://127.0.0.1:1/"}
    name = configure(VALIDATING, config, label=policy, failurePolicy=policy)
    body = config_map(n, **{"for": policy})
    if policy == "Ignore":
        assert kube.post(f"{ns.core}/configmaps", body).status_code == 201
        return
    eventually(lambda: kube.post(f"{ns.core}/configmaps", body, dryRun="All").status_code == 500)
    text = kube.post(f"{ns.core}/configmaps", body).json()["message"]
    called = f'failed calling webhook "{name}": failed to call webhook: Post "https://127.0.0.1:1/?timeout=1s": '
    assert text == f"Internal error occurred: {called}dial tcp 127.0.0.1:1: connect: connection refused"


def test_a_mutating_webhook_changes_what_is_stored(
    kube: Client, ns: Paths, n: str, hook: Hook, configure: Configure
) -> None:
    configure(MUTATING, hook.client("/mutate"), label="mutate", operations=("CREATE", "UPDATE"))
    body = config_map(n, {"a": "1"}, **{"for": "mutate"})
    eventually(lambda: "annotations" in kube.post(f"{ns.core}/configmaps", body, dryRun="All").json()["metadata"])
    assert kube.post(f"{ns.core}/configmaps", body).json()["metadata"]["annotations"] == {"mutated": "CREATE"}
    path = f"{ns.core}/configmaps/{n}"
    assert kube.get(path).json()["metadata"]["annotations"] == {"mutated": "CREATE"}
    assert kube.patch(path, {"data": {"a": "2"}}).json()["metadata"]["annotations"] == {"mutated": "UPDATE"}
    assert kube.get(path).json()["data"] == {"a": "2"}


def test_pods_refused_by_a_webhook_show_as_replica_failure(
    kube: Client, work: Workload, n: str, hook: Hook, configure: Configure
) -> None:
    name = configure(VALIDATING, hook.client(), resource="pods")
    labels = {"app": n, "case": "message"}
    probe = {"metadata": {"name": "probe", "labels": labels}, "spec": {"containers": [{"name": "a", "image": "x"}]}}
    eventually(lambda: kube.post(f"{work.ns.core}/pods", probe, dryRun="All").status_code == 400)
    work.create(n, 1, labels=labels, **NOWHERE)
    _, reason, message = eventually(lambda: work.conditions(n).get("ReplicaFailure"))
    text = f'admission webhook "{name}" denied the request: not on my platform'
    assert (reason, message) == ("FailedCreate", text)
    [owner] = work.sets(n)
    eventually(lambda: work.events(name_of(owner)).get("FailedCreate") == f"Error creating: {text}")
    assert work.pods(n) == []
