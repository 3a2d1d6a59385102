"""Port admission gives each pod numbers of its own, everywhere the pod speaks of them."""

import json
import socket
from typing import Any

import pytest

from gateway.clock import VirtualClock
from gateway.simulator.controllers import ports
from gateway.simulator.objects import ApiError, Objects
from tests.simulator.helpers import NAMESPACE, pod


@pytest.fixture
def objects() -> Objects:
    store = Objects(VirtualClock())
    store.admission.append(ports.admission(store))
    return store


def asking(name: str, *entries: dict[str, Any], **container: Any) -> dict[str, Any]:
    app = {"name": "app", "image": "x", "command": ["sleep", "1"], **container}
    body = pod(name, containers=[app])
    body["metadata"]["annotations"] = {ports.ANNOTATION: json.dumps(entries)}
    return body


def dynamic(index: int = 0, **more: Any) -> dict[str, Any]:
    return {"name": f"p{index}", "dynamic": True, "host": True, "env": f"PORT{index}", **more}


def numbers(made: dict[str, Any]) -> list[int]:
    return [p["containerPort"] for p in made["spec"]["containers"][0]["ports"]]


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {e["name"]: e["value"] for e in container["env"]}


def test_two_pods_get_different_numbers_in_port_and_variable(objects: Objects) -> None:
    declared = {
        "ports": [{"name": "p0", "containerPort": 10000}],
        "env": [{"name": "PORT0", "value": "10000"}, {"name": "PORT", "value": "$(PORT0)"}],
    }
    made = [objects.create("pods", asking(name, dynamic(), **declared)) for name in ("a", "b")]
    found = [numbers(m)[0] for m in made]
    assert len(set(found)) == 2
    assert all(ports.FIRST <= n <= ports.LAST for n in found)
    for each, number in zip(made, found, strict=True):
        container = each["spec"]["containers"][0]
        assert container["ports"][0]["hostPort"] == number
        assert variables(container) == {"PORT0": str(number), "PORT": "$(PORT0)"}


def test_a_new_variable_comes_before_those_that_refer_to_it(objects: Objects) -> None:
    made = objects.create("pods", asking("a", dynamic(), env=[{"name": "PORT", "value": "$(PORT0)"}]))
    assert list(variables(made["spec"]["containers"][0])) == ["PORT0", "PORT"]


def test_both_protocols_of_an_entry_get_one_number(objects: Objects) -> None:
    both = [{"name": "p0", "containerPort": 1}, {"name": "p0-udp", "containerPort": 1, "protocol": "UDP"}]
    made = objects.create("pods", asking("a", dynamic(), ports=both))
    assert len(set(numbers(made))) == 1


def test_fixed_ports_are_left_alone(objects: Objects) -> None:
    entries = ({"name": "p0", "dynamic": False, "host": True}, dynamic(1))
    declared = [{"name": "p0", "containerPort": 8080}, {"name": "p1", "containerPort": 1}]
    made = objects.create("pods", asking("a", *entries, ports=declared))
    assert numbers(made)[0] == 8080
    assert numbers(made)[1] >= ports.FIRST
    assert list(variables(made["spec"]["containers"][0])) == ["PORT1"]


def test_init_containers_know_the_number_too(objects: Objects) -> None:
    body = asking("a", dynamic(env="MY_PORT0"), ports=[{"name": "p0", "containerPort": 1}])
    body["spec"]["initContainers"] = [{"name": "i", "image": "x"}]
    made = objects.create("pods", body)
    assert variables(made["spec"]["initContainers"][0]) == {"MY_PORT0": str(numbers(made)[0])}


def test_a_number_that_somebody_listens_on_is_not_given(objects: Objects) -> None:
    with socket.socket() as listener:
        for number in range(ports.FIRST, ports.LAST):
            try:
                listener.bind(("0.0.0.0", number))
            except OSError:
                continue
            break
        listener.listen()
        declared = {"ports": [{"name": "p0", "containerPort": 1}]}
        made = [objects.create("pods", asking(f"p{i}", dynamic(), **declared)) for i in range(5)]
        assert listener.getsockname()[1] not in {numbers(m)[0] for m in made}


def test_numbers_are_released_with_their_pod_and_refused_when_none_is_left(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "LAST", ports.FIRST + 1)
    monkeypatch.setattr(ports, "_bindable", lambda _: True)
    declared = {"ports": [{"name": "p0", "containerPort": 1}]}
    for name in ("a", "b"):
        objects.create("pods", asking(name, dynamic(), **declared))
    with pytest.raises(ApiError, match="no free port"):
        objects.create("pods", asking("c", dynamic(), **declared))
    objects.delete("pods", NAMESPACE, "a", grace_s=0)
    assert numbers(objects.create("pods", asking("c", dynamic(), **declared))) == [ports.FIRST]


def test_pods_that_were_there_before_keep_their_numbers() -> None:
    store = Objects(VirtualClock())
    store.create("pods", asking("old", ports=[{"name": "p0", "containerPort": ports.FIRST}]))
    store.admission.append(ports.admission(store))
    made = store.create("pods", asking("new", dynamic(), ports=[{"name": "p0", "containerPort": 1}]))
    assert numbers(made)[0] != ports.FIRST


def test_other_pods_and_kinds_pass_unchanged(objects: Objects) -> None:
    admit = objects.admission[0]
    assert admit("pods", pod("a")) == pod("a")
    assert admit("nodes", {"metadata": {"name": "n"}}) == {"metadata": {"name": "n"}}
