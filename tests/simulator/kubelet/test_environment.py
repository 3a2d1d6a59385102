"""The environment of a container follows Kubernetes' rules of expansion and reference."""

import base64
from typing import Any

import pytest

from gateway.simulator.kubelet.environment import ConfigError, environment, expand

POD = {
    "metadata": {"name": "web-1", "namespace": "m", "uid": "u-1", "labels": {"l": "v"}, "annotations": {"a/b": "c"}},
    "spec": {"nodeName": "n1"},
    "status": {"podIP": "127.0.0.2", "hostIP": "127.0.0.2"},
}


def nothing(_kind: str, _name: str) -> dict[str, Any] | None:
    return None


def built(*env: dict[str, Any], **container: Any) -> dict[str, str]:
    return environment(POD, {"env": list(env), **container}, nothing)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(A)", "x1y1"),
        ("$(NONE)", "$(NONE)"),
        ("$$", "$"),
        ("echo $$$$", "echo $$"),
        ("$$(A)", "$(A)"),
        ("$A ${A} $(", "$A ${A} $("),
        ("$$HOME", "$HOME"),
    ],
)
def test_references_are_replaced_and_doubled_dollars_halved(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1"}) == expanded


def test_a_variable_refers_to_earlier_ones_only() -> None:
    early = {"name": "PORT", "value": "$(PORT0)"}
    assert built(early, {"name": "PORT0", "value": "31000"})["PORT"] == "$(PORT0)"
    assert built({"name": "PORT0", "value": "31000"}, early)["PORT"] == "31000"


def test_the_last_of_equal_names_wins() -> None:
    assert built({"name": "A", "value": "1"}, {"name": "A", "value": "2"}) == {"A": "2"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.uid", "u-1"),
        ("metadata.name", "web-1"),
        ("metadata.namespace", "m"),
        ("spec.nodeName", "n1"),
        ("status.podIP", "127.0.0.2"),
        ("status.hostIP", "127.0.0.2"),
        ("metadata.labels['l']", "v"),
        ("metadata.annotations['a/b']", "c"),
    ],
)
def test_fields_of_the_pod(path: str, value: str) -> None:
    assert built({"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}) == {"X": value}


def test_a_resource_is_divided_and_rounded_up() -> None:
    reference = {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}
    limits = {"limits": {"memory": "1025Ki"}}
    assert built({"name": "X", "valueFrom": reference}, resources=limits) == {"X": "2"}


def test_a_secret_is_looked_up() -> None:
    secret = {"data": {"k": base64.b64encode(b"s3cret").decode()}}
    entry = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    assert environment(POD, {"env": [entry]}, lambda *_: secret) == {"X": "s3cret"}


def test_a_missing_secret_keeps_the_container_from_starting() -> None:
    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    with pytest.raises(ConfigError, match=r'^secret "s" not found$'):
        built({"name": "X", "valueFrom": source})
    with pytest.raises(ConfigError, match=r"^couldn't find key k in Secret m/s$"):
        environment(POD, {"env": [{"name": "X", "valueFrom": source}]}, lambda *_: {"data": {}})


def test_an_optional_secret_may_be_missing() -> None:
    assert built({"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}}) == {}
