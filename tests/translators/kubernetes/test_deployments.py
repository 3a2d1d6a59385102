"""Definitions beside the Deployments they become: `data/<name>.json` and `data/<name>.yaml`.

`python -m tests.translators.kubernetes.test_deployments` writes the latter anew; read the difference before you keep it.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from translators.kubernetes.deployments import deployment
from translators.kubernetes.platform import Platform

DATA = Path(__file__).parent / "data"
NAMES = ("minimal", "web", "fixed-ports", "everything")
VERSION = "2024-05-01T10:00:00.000Z"
PLATFORM = Platform(
    users={"nobody": "65534:65534"},
    networks={"dcos": "kube-system/dcos"},
    secrets={"db/password": "db-secret/password"},
)


class _Plain(yaml.SafeDumper):
    """Without anchors, which hide what is the same."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def definition(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def made(app: dict[str, Any], platform: Platform = PLATFORM, **rest: Any) -> dict[str, Any]:
    return deployment(app, **{"version": VERSION, "config_version": VERSION, "platform": platform, **rest})


def pod_of(app: dict[str, Any], platform: Platform = PLATFORM) -> dict[str, Any]:
    spec: dict[str, Any] = made(app, platform)["spec"]["template"]["spec"]
    return spec


def container_of(app: dict[str, Any], platform: Platform = PLATFORM) -> dict[str, Any]:
    container: dict[str, Any] = pod_of(app, platform)["containers"][0]
    return container


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_becomes_the_deployment_beside_it(name: str) -> None:
    assert made(definition(name)) == yaml.safe_load((DATA / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_the_translation_is_the_same_every_time(name: str) -> None:
    assert json.dumps(made(definition(name))) == json.dumps(made(definition(name)))


def test_a_change_of_labels_only_is_another_deployment() -> None:
    app = definition("minimal")
    later = made({**app, "labels": {"a": "b"}}, config_version="2024-05-01T11:00:00.000Z")
    assert later["metadata"]["name"] != made(app)["metadata"]["name"]
    assert later["spec"]["selector"] != made(app)["spec"]["selector"]
    assert later["spec"]["template"] != made(app)["spec"]["template"]


def test_scaling_changes_nothing_but_replicas() -> None:
    app = definition("minimal")
    assert made({**app, "instances": 5})["spec"]["template"] == made(app)["spec"]["template"]
    assert made(app, replicas=3)["spec"]["replicas"] == 3
    assert made(app)["spec"]["replicas"] == 0


@given(st.text(alphabet="$(){}ab", max_size=12))
def test_what_the_user_wrote_arrives_as_it_was_written(text: str) -> None:
    app = {**definition("minimal"), "cmd": f"x{text}", "env": {"A": text}}
    container = container_of(app)
    value = next(variable["value"] for variable in container["env"] if variable["name"] == "A")
    assert _expanded(value) == text
    assert _expanded(container["command"][2]) == f"x{text}"


def _expanded(text: str) -> str:
    """Kubernetes' expansion where no variable is known."""
    return text.replace("$$", "$")


def test_ports_that_the_user_fixed_are_on_the_node_and_others_are_not() -> None:
    app = definition("minimal")
    assert "hostNetwork" not in pod_of(app)
    fixed = pod_of({**app, "requirePorts": True})
    assert fixed["hostNetwork"] is True
    assert fixed["containers"][0]["ports"] == [
        {"name": "p0", "containerPort": 10000, "hostPort": 10000, "protocol": "TCP"}
    ]


@pytest.mark.parametrize(("given_s", "seconds"), [(None, 3), (0, 1), (1, 1), (30, 30)])
def test_the_grace_period_is_never_zero(given_s: int | None, seconds: int) -> None:
    app = {**definition("minimal"), **({} if given_s is None else {"taskKillGracePeriodSeconds": given_s})}
    assert pod_of(app)["terminationGracePeriodSeconds"] == seconds


def test_commands_arguments_and_entrypoints() -> None:
    image = {"container": {"docker": {"image": "x"}}}
    entry = {"container": {"docker": {"image": "x", "parameters": [{"key": "entrypoint", "value": "/init"}]}}}
    base = {key: value for key, value in definition("minimal").items() if key != "cmd"}
    shell = ["/bin/sh", "-c", "run"]
    cases: list[tuple[dict[str, Any], list[str] | None, list[str] | None]] = [
        ({"cmd": "run"}, shell, None),
        ({"cmd": "run", **image}, shell, None),
        ({"args": ["a", "b"]}, ["a", "b"], None),
        ({"args": ["a", "b"], **image}, None, ["a", "b"]),
        (image, None, None),
        ({"cmd": "run", **entry}, ["/init"], shell),
        ({"args": ["a"], **entry}, ["/init"], ["a"]),
    ]
    for fields, command, args in cases:
        container = container_of({**base, **fields})
        assert (container.get("command"), container.get("args")) == (command, args)


def test_an_app_without_image_runs_in_its_sandbox() -> None:
    container = container_of(definition("minimal"), Platform(default_image="busybox"))
    assert (container["image"], container["workingDir"]) == ("busybox", "/mnt/mesos/sandbox")


@pytest.mark.parametrize("strategy", [{"inactiveAfterSeconds": 300, "expungeAfterSeconds": 600}, {}, "disabled"])
def test_both_tolerations_are_always_written(strategy: Any) -> None:
    found = pod_of({**definition("minimal"), "unreachableStrategy": strategy})["tolerations"]
    assert [t["key"] for t in found] == ["node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"]
    seconds = None if strategy == "disabled" else strategy.get("inactiveAfterSeconds", 0)
    assert [t.get("tolerationSeconds") for t in found] == [seconds, seconds]


if __name__ == "__main__":
    for name in NAMES:
        (DATA / f"{name}.yaml").write_text(
            yaml.dump(made(definition(name)), Dumper=_Plain, sort_keys=False, width=120), encoding="utf-8"
        )
